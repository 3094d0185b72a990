"""Sessions of STS and what IAM has, by boto3: keys of a session work where it was opened for, and a wrong token is refused as each service words it."""
import boto3
from botocore.exceptions import ClientError


def refused(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e.response
        return e.response
    raise AssertionError("not refused with " + code)


sts = boto3.client("sts")
account = sts.get_caller_identity()["Account"]
role = f"arn:aws:iam::{account}:role/analyst"
opened = sts.assume_role(RoleArn=role, RoleSessionName="notebook", DurationSeconds=900)


def client(service, **changed):
    c = {**opened["Credentials"], **changed}
    return boto3.client(service, aws_access_key_id=c["AccessKeyId"], aws_secret_access_key=c["SecretAccessKey"], aws_session_token=c["SessionToken"])


assert client("sts").get_caller_identity()["Arn"] == f"arn:aws:sts::{account}:assumed-role/analyst/notebook" == opened["AssumedRoleUser"]["Arn"]
client("sagemaker").create_experiment(ExperimentName="by-session")
assert boto3.client("sagemaker").describe_experiment(ExperimentName="by-session")["ExperimentName"] == "by-session"
client("s3").create_bucket(Bucket="of-the-session")
for service, code, call in (("sagemaker", "UnrecognizedClientException", "list_models"), ("sts", "InvalidClientTokenId", "get_caller_identity"),
                            ("s3", "InvalidToken", "list_buckets")):
    refused(code, getattr(client(service, SessionToken="another"), call))
    refused({"s3": "InvalidAccessKeyId"}.get(service, code), getattr(client(service, SessionToken=None), call))
refused("SignatureDoesNotMatch", client("sts", SecretAccessKey="another").get_caller_identity)
refused("AccessDenied", sts.assume_role, RoleArn="arn:aws:iam::999999999999:role/theirs", RoleSessionName="notebook")
refused("ValidationError", sts.assume_role, RoleArn=role, RoleSessionName="notebook", DurationSeconds=7200)
refused("AccessDenied", client("sts").get_session_token)
of_user = sts.get_session_token()["Credentials"]
opened["Credentials"] = of_user
assert client("sts").get_caller_identity()["Arn"] == sts.get_caller_identity()["Arn"]
assert sts.get_access_key_info(AccessKeyId=of_user["AccessKeyId"])["Account"] == account
