"""What the Terraform provider for AWS asks, resource by resource: it creates, waits, reads back what it was given, changes tags, updates, deletes,
and tells by codes and words of errors that something is not there any more."""
import io
import json
import os
import tarfile
import time

import boto3
from botocore.exceptions import ClientError

sm, s3 = boto3.client("sagemaker"), boto3.client("s3")
account = boto3.client("sts").get_caller_identity()["Account"]
bucket, role = f"sagemaker-us-east-1-{account}", f"arn:aws:iam::{account}:role/terraform"
image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1"


def refused(code, words, call, **kwargs):
    try:
        call(**kwargs)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code and words in e.response["Error"]["Message"], e.response
    else:
        raise AssertionError(f"{call} was not refused with {code}: {words}")


def same(given, read):
    """Checks that what was given is read back as it was; what was left out may have a default."""
    if isinstance(given, dict):
        for name, value in given.items():
            same(value, read[name])
    elif isinstance(given, list):
        assert len(given) == len(read), (given, read)
        for a, b in zip(given, read):
            same(a, b)
    else:
        assert given == read, (given, read)


def tags(arn):
    found = lambda: {t["Key"]: t["Value"] for t in sm.list_tags(ResourceArn=arn)["Tags"]}
    assert found() == {"by": "terraform"}, found()
    sm.add_tags(ResourceArn=arn, Tags=[{"Key": "by", "Value": "hand"}, {"Key": "more", "Value": ""}])
    sm.delete_tags(ResourceArn=arn, TagKeys=["by"])
    assert found() == {"more": ""}, found()


def until(status, read, member):
    for _ in range(600):
        now = read()[member]
        if now == status:
            return
        time.sleep(0.05)
    raise AssertionError(f"{member} is {now}, not {status}")


TAGS = [{"Key": "by", "Value": "terraform"}]

# aws_sagemaker_model
s3.create_bucket(Bucket=bucket)
packed = io.BytesIO()
with tarfile.open(fileobj=packed, mode="w:gz") as archive:
    archive.add(os.devnull, arcname="empty")
s3.put_object(Bucket=bucket, Key="model.tar.gz", Body=packed.getvalue())
container = {"Image": image, "Mode": "SingleModel", "ModelDataUrl": f"s3://{bucket}/model.tar.gz", "ContainerHostname": "first",
             "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}}
model = dict(ModelName="tf", ExecutionRoleArn=role, PrimaryContainer=container, EnableNetworkIsolation=True,
             VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]})
arn = sm.create_model(**model, Tags=TAGS)["ModelArn"]
same({**model, "ModelArn": arn}, sm.describe_model(ModelName="tf"))
tags(arn)
refused("ValidationException", "", sm.describe_model, ModelName="none")
refused("ValidationException", "Could not find model", sm.delete_model, ModelName="none")

# aws_sagemaker_endpoint_configuration
config = dict(EndpointConfigName="tf", ProductionVariants=[dict(VariantName="v", ModelName="tf", InitialInstanceCount=1, InstanceType="ml.m5.large", InitialVariantWeight=1.0,
                                                                ContainerStartupHealthCheckTimeoutInSeconds=60)],
              DataCaptureConfig=dict(EnableCapture=True, InitialSamplingPercentage=50, DestinationS3Uri=f"s3://{bucket}/captured", CaptureOptions=[{"CaptureMode": "Input"}],
                                     CaptureContentTypeHeader={"CsvContentTypes": ["text/csv"]}))
arn = sm.create_endpoint_config(**config, Tags=TAGS)["EndpointConfigArn"]
same({**config, "EndpointConfigArn": arn}, sm.describe_endpoint_config(EndpointConfigName="tf"))
tags(arn)
refused("ValidationException", "Could not find endpoint configuration", sm.describe_endpoint_config, EndpointConfigName="none")
refused("ValidationException", "Could not find endpoint configuration", sm.delete_endpoint_config, EndpointConfigName="none")

# aws_sagemaker_endpoint; its model cannot be loaded, which the provider's waiter ends with
deployment = dict(BlueGreenUpdatePolicy=dict(TrafficRoutingConfiguration=dict(Type="ALL_AT_ONCE", WaitIntervalInSeconds=60), TerminationWaitInSeconds=0),
                  AutoRollbackConfiguration=dict(Alarms=[{"AlarmName": "a"}]))
arn = sm.create_endpoint(EndpointName="tf", EndpointConfigName="tf", DeploymentConfig=deployment, Tags=TAGS)["EndpointArn"]
same(dict(EndpointName="tf", EndpointConfigName="tf", EndpointArn=arn, LastDeploymentConfig=deployment), sm.describe_endpoint(EndpointName="tf"))
tags(arn)
refused("ValidationException", "Could not find endpoint", sm.describe_endpoint, EndpointName="none")
refused("ValidationException", "", sm.delete_endpoint, EndpointName="none")
sm.delete_endpoint(EndpointName="tf")
sm.get_waiter("endpoint_deleted").wait(EndpointName="tf", WaiterConfig={"Delay": 1})
sm.delete_endpoint_config(EndpointConfigName="tf")
sm.delete_model(ModelName="tf")

# aws_sagemaker_feature_group
group = dict(FeatureGroupName="tf", RecordIdentifierFeatureName="id", EventTimeFeatureName="at", RoleArn=role, Description="a group",
             FeatureDefinitions=[{"FeatureName": "id", "FeatureType": "String"}, {"FeatureName": "at", "FeatureType": "String"}],
             OnlineStoreConfig={"EnableOnlineStore": True}, OfflineStoreConfig={"S3StorageConfig": {"S3Uri": f"s3://{bucket}/g"}, "DisableGlueTableCreation": True})
arn = sm.create_feature_group(**group, Tags=TAGS)["FeatureGroupArn"]
until("Created", lambda: sm.describe_feature_group(FeatureGroupName="tf"), "FeatureGroupStatus")
same({**group, "FeatureGroupArn": arn}, sm.describe_feature_group(FeatureGroupName="tf"))
tags(arn)
sm.update_feature_group(FeatureGroupName="tf", OnlineStoreConfig={"TtlDuration": {"Unit": "Hours", "Value": 2}})
read = sm.describe_feature_group(FeatureGroupName="tf")
assert read.get("LastUpdateStatus", {}).get("Status", "Successful") == "Successful" and read["OnlineStoreConfig"]["TtlDuration"] == {"Unit": "Hours", "Value": 2}, read
sm.delete_feature_group(FeatureGroupName="tf")
refused("ResourceNotFound", "", sm.describe_feature_group, FeatureGroupName="tf")
refused("ResourceNotFound", "", sm.delete_feature_group, FeatureGroupName="tf")

# aws_sagemaker_model_package_group and its policy
arn = sm.create_model_package_group(ModelPackageGroupName="tf", ModelPackageGroupDescription="d", Tags=TAGS)["ModelPackageGroupArn"]
until("Completed", lambda: sm.describe_model_package_group(ModelPackageGroupName="tf"), "ModelPackageGroupStatus")
same(dict(ModelPackageGroupName="tf", ModelPackageGroupArn=arn, ModelPackageGroupDescription="d"), sm.describe_model_package_group(ModelPackageGroupName="tf"))
tags(arn)
refused("ValidationException", "Cannot find resource policy", sm.get_model_package_group_policy, ModelPackageGroupName="tf")
policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "s", "Effect": "Allow", "Principal": {"AWS": account}, "Action": "sagemaker:Describe*", "Resource": arn}]})
sm.put_model_package_group_policy(ModelPackageGroupName="tf", ResourcePolicy=policy)
assert sm.get_model_package_group_policy(ModelPackageGroupName="tf")["ResourcePolicy"] == policy
sm.delete_model_package_group_policy(ModelPackageGroupName="tf")
sm.delete_model_package_group(ModelPackageGroupName="tf")
refused("ValidationException", "does not exist", sm.describe_model_package_group, ModelPackageGroupName="tf")
refused("ValidationException", "Cannot find Model Package Group", sm.get_model_package_group_policy, ModelPackageGroupName="tf")
refused("ValidationException", "Cannot find Model Package Group", sm.delete_model_package_group_policy, ModelPackageGroupName="tf")

# aws_sagemaker_pipeline
definition = json.dumps({"Version": "2020-12-01", "Steps": [{"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}}]})
pipeline = dict(PipelineName="tf", PipelineDisplayName="shown", RoleArn=role, PipelineDescription="d", ParallelismConfiguration={"MaxParallelExecutionSteps": 2})
arn = sm.create_pipeline(**pipeline, PipelineDefinition=definition, ClientRequestToken="a" * 32, Tags=TAGS)["PipelineArn"]
same({**pipeline, "PipelineArn": arn, "PipelineDefinition": definition}, sm.describe_pipeline(PipelineName="tf"))
tags(arn)
sm.update_pipeline(PipelineName="tf", PipelineDisplayName="other")
assert sm.describe_pipeline(PipelineName="tf")["PipelineDisplayName"] == "other"
sm.delete_pipeline(PipelineName="tf", ClientRequestToken="b" * 32)
refused("ResourceNotFound", "", sm.describe_pipeline, PipelineName="tf")
refused("ResourceNotFound", "", sm.delete_pipeline, PipelineName="tf", ClientRequestToken="c" * 32)
