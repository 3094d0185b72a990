"""Calls the test's server with boto3 and the AWS CLI, unmodified. Prints "ok" when everything came back as it should."""
import datetime
import io
import json
import os
import subprocess
import sys
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError


def fails(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response
        return e.response
    raise AssertionError(f"{code} was not raised")


sagemaker = boto3.client("sagemaker")
arn = sagemaker.create_trial(TrialName="boto", ExperimentName="e", Tags=[{"Key": "k", "Value": "v"}])["TrialArn"]
assert arn == "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial/boto", arn
trial = sagemaker.describe_trial(TrialName="boto")
assert trial["CreationTime"] == datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, datetime.timezone.utc), trial
assert [t["TrialName"] for t in sagemaker.get_paginator("list_trials").paginate().build_full_result()["TrialSummaries"]] == ["boto"]
assert sagemaker.delete_feature_group(FeatureGroupName="x")["ResponseMetadata"]["RequestId"]
fails("ResourceInUse", sagemaker.create_trial, TrialName="boto", ExperimentName="e")
missing = fails("ResourceNotFound", sagemaker.describe_trial, TrialName="none")
assert missing["Error"]["Message"] == "Trial 'none' does not exist.", missing
assert "CreateTrial, DescribeTrial, ListTrials" in fails("UnknownOperationException", sagemaker.delete_trial, TrialName="x")["Error"]["Message"]
try:
    sagemaker.describe_trial(TrialName="none")
except sagemaker.exceptions.ResourceNotFound:
    pass

features = boto3.client("sagemaker-featurestore-runtime")
record = [{"FeatureName": "id", "ValueAsString": "1"}, {"FeatureName": "x", "ValueAsString": "ü"}]
features.put_record(FeatureGroupName="g", Record=record)
assert features.get_record(FeatureGroupName="g", RecordIdentifierValueAsString="a b+c/ü", FeatureNames=["id", "x"])["Record"] == record
fails("ResourceNotFound", features.get_record, FeatureGroupName="none", RecordIdentifierValueAsString="1")

runtime = boto3.client("sagemaker-runtime")
answer = runtime.invoke_endpoint(EndpointName="e", Body=b"1,2\x00\xff", ContentType="text/csv", Accept="text/csv", CustomAttributes="a=b")
assert (answer["Body"].read(), answer["ContentType"], answer["CustomAttributes"]) == (b"1,2\x00\xff", "text/csv", "a=b"), answer
failure = fails("ModelError", runtime.invoke_endpoint, EndpointName="bad", Body=b"1")
assert failure["OriginalStatusCode"] == 400 and failure["OriginalMessage"] == "no", failure

when = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, datetime.timezone.utc)
boto3.client("sagemaker-metrics").batch_put_metrics(TrialComponentName="c", MetricData=[{"MetricName": "m", "Timestamp": when, "Value": 1.5, "Step": 1}])

logs = boto3.client("logs")
assert logs.get_log_events(logGroupName="/g", logStreamName="s")["events"] == []
fails("ResourceNotFoundException", logs.get_log_events, logGroupName="/g", logStreamName="none")

assert boto3.client("sts").get_caller_identity()["Account"] == "123456789012"
iam = boto3.client("iam")
assert iam.get_role(RoleName="AmazonSageMaker-ExecutionRole-mobula")["Role"]["CreateDate"].year == 2026
try:
    iam.get_role(RoleName="none")
    raise AssertionError("a role that does not exist was found")
except iam.exceptions.NoSuchEntityException:
    pass

for signature in "s3v4", "s3":
    s3 = boto3.client("s3", config=Config(signature_version=signature if signature == "s3v4" else None))
    bucket = "bucket-" + signature
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a b/ü+&", Body=b"hello")  # over http: a trailing checksum, unsigned or in signed chunks
    s3.upload_fileobj(io.BytesIO(b"x" * 6_000_000), bucket, "large", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
    assert s3.head_object(Bucket=bucket, Key="large")["ContentLength"] == 6_000_000
    presigner = boto3.client("s3", config=Config(signature_version=signature))
    url = presigner.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü+&", "ResponseContentType": "text/plain"}, ExpiresIn=60)
    assert ("X-Amz-Signature" in url) == (signature == "s3v4"), url
    assert urllib.request.urlopen(url).read() == b"hello"
    url = presigner.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "put"}, ExpiresIn=60)
    urllib.request.urlopen(urllib.request.Request(url, data=b"by url", method="PUT", headers={"Content-Type": ""})).read()
    assert s3.get_object(Bucket=bucket, Key="put")["Body"].read() == b"by url"
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "large"}, {"Key": "put"}]})
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a b/ü+&"]
fails("NoSuchKey", s3.get_object, Bucket="bucket-s3", Key="none")

wrong = dict(aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"], aws_secret_access_key="wrong")
fails("InvalidSignatureException", boto3.client("sagemaker", **wrong).list_trials)
fails("SignatureDoesNotMatch", boto3.client("sts", **wrong).get_caller_identity)
fails("SignatureDoesNotMatch", boto3.client("s3", **wrong).list_buckets)
job = dict(aws_access_key_id="ASIAJOBEXAMPLE", aws_secret_access_key="jobsecret", aws_session_token="the+job/token==")
assert boto3.client("sagemaker", **job).list_trials()["TrialSummaries"]
url = boto3.client("s3", **job).generate_presigned_url("get_object", Params={"Bucket": "bucket-s3", "Key": "a b/ü+&"})
assert urllib.request.urlopen(url).read() == b"hello"


def cli(*arguments, fails=False):
    run = subprocess.run([sys.executable, "-m", "awscli", *arguments], capture_output=True, text=True, timeout=60)
    assert (run.returncode != 0) == fails, (arguments, run.returncode, run.stdout, run.stderr)
    return json.loads(run.stdout) if run.stdout else run.stderr


assert cli("sagemaker", "describe-trial", "--trial-name", "boto", "--output", "json")["ExperimentName"] == "e"
assert "ResourceNotFound" in cli("sagemaker", "describe-trial", "--trial-name", "none", fails=True)
assert cli("sts", "get-caller-identity", "--output", "json")["Arn"].startswith("arn:aws:sts::123456789012:assumed-role/")
assert cli("s3api", "head-object", "--bucket", "bucket-s3", "--key", "a b/ü+&", "--output", "json")["ContentLength"] == 5
print("ok")
