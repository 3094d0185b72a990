"""What the scripts of the SDK's second version share: a session, a role, and the image of the test's own runtime, which has the SDK, too."""
import os
import tempfile

import boto3
import sagemaker

session = sagemaker.Session()
bucket = session.default_bucket()
role = "arn:aws:iam::123456789012:role/sdk2"
image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/sdk:1"
folder = tempfile.mkdtemp()


def source(**files):
    """Writes files, name=text with _ for the dot, into a folder of its own and returns it."""
    path = tempfile.mkdtemp(dir=folder)
    for name, text in files.items():
        with open(os.path.join(path, name.replace("_py", ".py")), "w") as f:
            f.write(text)
    return path


def upload(key, text):
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())
    return "s3://%s/%s" % (bucket, key)
