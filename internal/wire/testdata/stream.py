"""Reads streams of events with boto3. Each part after the first is made only when invoke_endpoint_async is called, which answers 202."""
import boto3
from botocore.exceptions import ClientError, EventStreamError

runtime = boto3.client("sagemaker-runtime")


def go_on():
    answer = runtime.invoke_endpoint_async(EndpointName="e", InputLocation="s3://bucket/key")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202 and answer["InferenceId"] == "i" and answer["OutputLocation"] == "s3://b/k", answer


def parts(body):
    answer = runtime.invoke_endpoint_with_response_stream(EndpointName="e", Body=body, ContentType="text/plain")
    assert answer["ContentType"] == "text/plain", answer
    for event in answer["Body"]:
        yield event["PayloadPart"]["Bytes"]


stream = parts(b"one,two,three")
assert next(stream) == b"one"
go_on()
assert next(stream) == b"two"
go_on()
assert list(stream) == [b"three"]

for code in "ModelStreamError", "InternalStreamFailure":
    stream = parts(b"one,!" + code.encode())
    assert next(stream) == b"one"
    go_on()
    try:
        next(stream)
        raise AssertionError("no error")
    except EventStreamError as e:
        assert code in str(e) and e.response["Error"]["Message"] == "no more", e.response

try:
    runtime.invoke_endpoint_with_response_stream(EndpointName="bad", Body=b"1")
    raise AssertionError("no error")
except ClientError as e:
    assert e.response["Error"]["Code"] == "ModelError", e.response
print("ok")
