"""Starts a processing job whose code, this file too, uses addresses that are built into clients."""
import os, sys, time, urllib.error, urllib.request

import boto3

if __name__ == "__main__" and "PROCESSING_JOB_NAME" not in os.environ:
    sm, s3, logs = boto3.client("sagemaker"), boto3.client("s3"), boto3.client("logs")
    s3.create_bucket(Bucket="code")
    s3.upload_file(__file__, "code", "job/job.py")
    sm.create_processing_job(
        ProcessingJobName="outside", RoleArn="arn:aws:iam::123456789012:role/a-role",
        AppSpecification={"ImageUri": "with-boto3:1", "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/job.py"]},
        ProcessingInputs=[{"InputName": "code", "S3Input": {"S3Uri": "s3://code/job/", "LocalPath": "/opt/ml/processing/code", "S3DataType": "S3Prefix", "S3InputMode": "File"}}],
        ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 1}})
    while (job := sm.describe_processing_job(ProcessingJobName="outside"))["ProcessingJobStatus"] not in ("Completed", "Failed", "Stopped"):
        time.sleep(0.05)
    stream = logs.describe_log_streams(logGroupName="/aws/sagemaker/ProcessingJobs", logStreamNamePrefix="outside/")["logStreams"][0]["logStreamName"]
    for event in logs.get_log_events(logGroupName="/aws/sagemaker/ProcessingJobs", logStreamName=stream, startFromHead=True)["events"]:
        print(event["message"])
    sys.exit(job.get("FailureReason"))

print(boto3.client("sts", endpoint_url="https://sts.us-east-1.amazonaws.com").get_caller_identity()["Arn"])
del os.environ["AWS_ENDPOINT_URL"]
print(boto3.client("sagemaker").describe_processing_job(ProcessingJobName="outside")["ProcessingJobStatus"])
print(urllib.request.urlopen("https://example.com/hello").read().decode())
try:
    urllib.request.urlopen("https://nowhere.test/")
except urllib.error.URLError:
    print("nowhere.test cannot be reached")
try:
    urllib.request.urlopen("http://169.254.169.254/latest/meta-data/iam/security-credentials/", timeout=5)
except urllib.error.URLError:
    print("the machine's credentials cannot be reached")
