"""What a client does whose addresses are AWS's own, in an environment that names other credentials."""
import json, os, subprocess, urllib.error, urllib.request

import boto3
from botocore.config import Config

virtual = Config(s3={"addressing_style": "virtual"})
assert boto3.Session().get_credentials().access_key == os.environ["AWS_ACCESS_KEY_ID"]
for sts in (boto3.client("sts"), boto3.client("sts", endpoint_url="https://sts.us-east-1.amazonaws.com"), boto3.client("sts", endpoint_url="https://sts.amazonaws.com"),
            boto3.client("sts", endpoint_url="http://sts.us-west-2.amazonaws.com")):
    assert sts.get_caller_identity()["Account"] == "123456789012"

del os.environ["AWS_ENDPOINT_URL"]  # from here on, every address is one that the SDK knows
s3 = boto3.client("s3", config=virtual)
s3.create_bucket(Bucket="exec-test")
s3.put_object(Bucket="exec-test", Key="a b/c", Body=b"x" * 100_000)
assert s3.get_object(Bucket="exec-test", Key="a b/c")["Body"].read() == b"x" * 100_000
assert boto3.client("s3", use_ssl=False, config=virtual).head_object(Bucket="exec-test", Key="a b/c")["ContentLength"] == 100_000
west = boto3.client("s3", region_name="eu-west-1", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
assert [o["Key"] for o in west.list_objects_v2(Bucket="exec-test")["Contents"]] == ["a b/c"]
for client in (s3, west):
    url = client.generate_presigned_url("get_object", Params={"Bucket": "exec-test", "Key": "a b/c"})
    assert ".amazonaws.com/" in url, url
    assert urllib.request.urlopen(url).read() == b"x" * 100_000
assert boto3.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
assert boto3.client("iam").get_role(RoleName="AmazonSageMaker-ExecutionRole-mobula")["Role"]["Arn"].startswith("arn:aws:iam::123456789012:role/")
try:
    boto3.client("sagemaker-featurestore-runtime").get_record(FeatureGroupName="none", RecordIdentifierValueAsString="1")
except Exception as e:
    assert e.response["Error"]["Code"] == "ResourceNotFound", e
try:
    urllib.request.urlopen("https://sm-pysdk-t-us-east-1.s3.us-east-1.amazonaws.com/telemetry?x=1")
except urllib.error.HTTPError as e:
    assert e.code == 403, e
else:
    raise AssertionError("telemetry was taken")

# Other programs: curl, and the AWS CLI of these tests.
said = subprocess.run(["curl", "-sS", "https://sts.us-east-1.amazonaws.com/"], capture_output=True, text=True)
assert "MissingAuthenticationToken" in said.stdout, said
said = subprocess.run(["aws", "sts", "get-caller-identity"], capture_output=True, text=True)
assert json.loads(said.stdout)["Account"] == "123456789012", said

# What is not AWS's is another server, whose certificate the user trusts by a variable of theirs.
assert urllib.request.urlopen("https://example.com/hello").read() == b"hello from example.com"
said = subprocess.run(["curl", "-sS", "https://example.com/hello"], capture_output=True, text=True)
assert said.stdout == "hello from example.com", said
print("ok")
