"""boto3, unmodified, takes each kind of resource through its life: create, describe, list, tag, stop or use, delete."""
import io
import json
import os
import random
import time

import boto3
from botocore.exceptions import ClientError

sm, s3, logs = boto3.client("sagemaker"), boto3.client("s3"), boto3.client("logs")
store, runtime, metrics = boto3.client("sagemaker-featurestore-runtime"), boto3.client("sagemaker-runtime"), boto3.client("sagemaker-metrics")
caller = boto3.client("sts").get_caller_identity()
account, region = caller["Account"], "us-east-1"
role = boto3.client("iam").get_role(RoleName=caller["Arn"].split("/")[-2])["Role"]["Arn"]
assert ":role/" in role and caller["Arn"].startswith(f"arn:aws:sts::{account}:assumed-role/")
bucket = f"sagemaker-{region}-{account}"


def refused(code, call, **request):
    try:
        call(**request)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return e.response["Error"]["Message"]
    raise AssertionError(f"{call} was not refused")


def until(describe, key, *final, **request):
    for _ in range(3000):
        d = describe(**request)
        if d[key] in final:
            return d
        time.sleep(0.01)
    raise AssertionError(f"{request} is still {d[key]}")


def tags(arn):
    sm.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "a"}, {"Key": "x", "Value": "1"}])
    sm.delete_tags(ResourceArn=arn, TagKeys=["x"])
    assert sm.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]


def objects():
    refused("404", s3.head_bucket, Bucket="not-there")
    s3.create_bucket(Bucket=bucket)
    s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
    rows = random.Random(1)
    data = "".join(f"{x * 3 + rows.random():.3f},{x},{x % 7}\n" for x in range(300))
    for name in ("train", "validation"):
        s3.put_object(Bucket=bucket, Key=f"{name}/0.csv", Body=data.encode())
    s3.upload_fileobj(io.BytesIO(b"x" * 9_000_000), bucket, "large")
    assert s3.head_object(Bucket=bucket, Key="large")["ContentLength"] == 9_000_000
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix="train/")["Contents"]] == ["train/0.csv"]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "large"}]})


def features():
    assert "featureDefinitions" in refused("ValidationException", sm.create_feature_group, FeatureGroupName="g", RecordIdentifierFeatureName="id",
                                           EventTimeFeatureName="at", FeatureDefinitions=[{"FeatureName": "id", "FeatureType": "Number"}])
    definitions = [{"FeatureName": n, "FeatureType": t} for n, t in (("id", "Integral"), ("at", "String"), ("price", "Fractional"))]
    arn = sm.create_feature_group(FeatureGroupName="g", RecordIdentifierFeatureName="id", EventTimeFeatureName="at", FeatureDefinitions=definitions, RoleArn=role,
                                  OnlineStoreConfig={"EnableOnlineStore": True}, OfflineStoreConfig={"S3StorageConfig": {"S3Uri": f"s3://{bucket}/features"}})["FeatureGroupArn"]
    d = until(sm.describe_feature_group, "FeatureGroupStatus", "Created", FeatureGroupName="g")
    tags(arn)
    record = lambda *values: [{"FeatureName": n, "ValueAsString": v} for n, v in zip(("id", "at", "price"), values)]
    store.put_record(FeatureGroupName="g", Record=record("1", "2026-01-01T00:00:00Z", "2.5"))
    store.put_record(FeatureGroupName="g", Record=record("1", "2025-01-01T00:00:00Z", "1.5"))
    assert store.get_record(FeatureGroupName="g", RecordIdentifierValueAsString="1")["Record"] == record("1", "2026-01-01T00:00:00Z", "2.5")
    assert "'price'" in refused("ValidationError", store.put_record, FeatureGroupName="g", Record=record("1", "2026-01-01T00:00:00Z", "cheap"))
    uri = d["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    found = s3.list_objects_v2(Bucket=bucket, Prefix=uri.split("/", 3)[3])["Contents"]
    assert sorted(o["Key"].split("/year=")[1][:4] for o in found) == ["2025", "2026"], found
    store.delete_record(FeatureGroupName="g", RecordIdentifierValueAsString="1", EventTime="2026-02-01T00:00:00Z")
    assert "Record" not in store.get_record(FeatureGroupName="g", RecordIdentifierValueAsString="1")
    assert [g["FeatureGroupName"] for g in sm.list_feature_groups(NameContains="G", FeatureGroupStatusEquals="Created")["FeatureGroupSummaries"]] == ["g"]
    sm.delete_feature_group(FeatureGroupName="g")
    refused("ResourceNotFound", sm.describe_feature_group, FeatureGroupName="g")


def processing():
    job = lambda name, script: sm.create_processing_job(
        ProcessingJobName=name, RoleArn=role, AppSpecification={"ImageUri": "mobula/go:1", "ContainerEntrypoint": ["sh", "-c", script]},
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
        ProcessingInputs=[{"InputName": "in", "S3Input": {"S3Uri": f"s3://{bucket}/train/", "LocalPath": "/opt/ml/processing/in", "S3DataType": "S3Prefix", "S3InputMode": "File"}}],
        ProcessingOutputConfig={"Outputs": [{"OutputName": "out", "S3Output": {"S3Uri": f"s3://{bucket}/out", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}}]})
    tags(job("copy", "wc -l < /opt/ml/processing/in/0.csv | tee /opt/ml/processing/out/lines")["ProcessingJobArn"])
    until(sm.describe_processing_job, "ProcessingJobStatus", "Completed", ProcessingJobName="copy")
    assert s3.get_object(Bucket=bucket, Key="out/lines")["Body"].read().strip() == b"300"
    group = "/aws/sagemaker/ProcessingJobs"
    stream = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="copy/")["logStreams"][0]["logStreamName"]
    page = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
    assert [e["message"] for e in page["events"]] == ["300"]
    assert logs.get_log_events(logGroupName=group, logStreamName=stream, nextToken=page["nextForwardToken"])["nextForwardToken"] == page["nextForwardToken"]
    job("endless", "sleep 600")
    sm.stop_processing_job(ProcessingJobName="endless")
    until(sm.describe_processing_job, "ProcessingJobStatus", "Stopped", ProcessingJobName="endless")
    assert [j["ProcessingJobName"] for j in sm.list_processing_jobs(SortBy="Name", SortOrder="Ascending")["ProcessingJobSummaries"]] == ["copy", "endless"]
    first = sm.list_processing_jobs(MaxResults=1)
    assert sm.list_processing_jobs(MaxResults=1, NextToken=first["NextToken"])["ProcessingJobSummaries"] != first["ProcessingJobSummaries"]
    refused("ValidationException", sm.list_processing_jobs, NextToken="junk")
    refused("ResourceInUse", job, name="copy", script="true")


image = f"683313688378.dkr.ecr.{region}.amazonaws.com/sagemaker-xgboost:3.2-1"
channels = [{"ChannelName": n, "ContentType": "text/csv", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{n}/"}}} for n in ("train", "validation")]
training = {"RoleArn": role, "InputDataConfig": channels, "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models"}, "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}}


def train():
    arn = sm.create_training_job(TrainingJobName="t", AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"}, HyperParameters={"num_round": "20"}, **training)["TrainingJobArn"]
    tags(arn)
    d = until(sm.describe_training_job, "TrainingJobStatus", "Completed", TrainingJobName="t")
    assert {m["MetricName"] for m in d["FinalMetricDataList"]} == {"train:rmse", "validation:rmse"}, d
    assert d["OutputDataConfig"]["KmsKeyId"] == "" and d["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{bucket}/models/t/output/model.tar.gz"
    assert "blazingtext" in refused("ValidationException", sm.create_training_job, TrainingJobName="old", AlgorithmSpecification={"TrainingImage": image.replace("xgboost:3.2", "blazingtext:1"), "TrainingInputMode": "File"}, **training)
    return d["ModelArtifacts"]["S3ModelArtifacts"]


def tune():
    config = {"Strategy": "Random", "RandomSeed": 1, "ResourceLimits": {"MaxNumberOfTrainingJobs": 3, "MaxParallelTrainingJobs": 2},
              "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:rmse"},
              "ParameterRanges": {"IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "1", "MaxValue": "5"}]}}
    definition = {**training, "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"}, "StaticHyperParameters": {"num_round": "10"}}
    refused("ValidationException", sm.create_hyper_parameter_tuning_job, HyperParameterTuningJobName="h", HyperParameterTuningJobConfig={**config, "Strategy": "Grid"}, TrainingJobDefinition=definition)
    sm.create_hyper_parameter_tuning_job(HyperParameterTuningJobName="h", HyperParameterTuningJobConfig=config, TrainingJobDefinition=definition)
    d = until(sm.describe_hyper_parameter_tuning_job, "HyperParameterTuningJobStatus", "Completed", HyperParameterTuningJobName="h")
    jobs = sm.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName="h", SortBy="FinalObjectiveMetricValue", SortOrder="Ascending")["TrainingJobSummaries"]
    assert len(jobs) == 3 and jobs[0]["TrainingJobName"] == d["BestTrainingJob"]["TrainingJobName"] and d["TrainingJobStatusCounters"]["Completed"] == 3
    assert sm.list_hyper_parameter_tuning_jobs(StatusEquals="Completed")["HyperParameterTuningJobSummaries"][0]["HyperParameterTuningJobName"] == "h"


def register(model):
    group = sm.create_model_package_group(ModelPackageGroupName="models")["ModelPackageGroupArn"]
    tags(group)
    spec = {"Containers": [{"Image": image, "ModelDataUrl": model}], "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
    token = {"ClientToken": "once"}
    arn = sm.create_model_package(ModelPackageGroupName="models", InferenceSpecification=spec, **token)["ModelPackageArn"]
    assert sm.create_model_package(ModelPackageGroupName="models", InferenceSpecification=spec, **token)["ModelPackageArn"] == arn
    assert sm.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"] == "PendingManualApproval"
    refused("ValidationException", sm.create_model, ModelName="unapproved", ExecutionRoleArn=role, Containers=[{"ModelPackageName": arn}])
    sm.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    assert len(sm.list_model_packages(ModelPackageGroupName="models", ModelApprovalStatus="Approved")["ModelPackageSummaryList"]) == 1
    refused("ConflictException", sm.delete_model_package_group, ModelPackageGroupName="models")
    return arn


def serve(package):
    sm.create_model(ModelName="m", ExecutionRoleArn=role, Containers=[{"ModelPackageName": package}])
    sm.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[{"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}])
    tags(sm.create_endpoint(EndpointName="e", EndpointConfigName="c")["EndpointArn"])
    until(sm.describe_endpoint, "EndpointStatus", "InService", EndpointName="e")
    r = runtime.invoke_endpoint(EndpointName="e", ContentType="text/csv", Accept="text/csv", Body=b"10,3\n200,4")
    low, high = (float(x) for x in r["Body"].read().decode().replace("\n", ",").strip(",").split(","))
    assert abs(low - 30) < 20 and abs(high - 600) < 60 and r["InvokedProductionVariant"] == "v", (low, high)
    r = runtime.invoke_endpoint(EndpointName="e", ContentType="application/json", Accept="application/json", Body=json.dumps({"instances": [{"features": [10, 3]}]}))
    assert abs(json.load(r["Body"])["predictions"][0]["score"] - low) < 1e-3
    parts = runtime.invoke_endpoint_with_response_stream(EndpointName="e", ContentType="text/csv", Accept="text/csv", Body=b"10,3\n200,4")
    assert parts["InvokedProductionVariant"] == "v" and b"".join(p["PayloadPart"]["Bytes"] for p in parts["Body"]).count(b"\n") >= 1, parts
    refused("ModelError", runtime.invoke_endpoint_with_response_stream, EndpointName="e", ContentType="text/csv", Body=b"x,y")
    sm.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=[{"VariantName": "v", "DesiredInstanceCount": 2}])
    sm.get_waiter("endpoint_in_service").wait(EndpointName="e", WaiterConfig={"Delay": 1})
    assert sm.describe_endpoint(EndpointName="e")["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    refused("ModelError", runtime.invoke_endpoint, EndpointName="e", ContentType="text/csv", Body=b"x,y")
    refused("ValidationError", runtime.invoke_endpoint, EndpointName="none", Body=b"1")
    sm.update_endpoint(EndpointName="e", EndpointConfigName="c")
    until(sm.describe_endpoint, "EndpointStatus", "InService", EndpointName="e")
    for call, request in ((sm.delete_endpoint, {"EndpointName": "e"}), (sm.delete_endpoint_config, {"EndpointConfigName": "c"}), (sm.delete_model, {"ModelName": "m"})):
        call(**request)


def pipelines():
    definition = {"Version": "2020-12-01", "Parameters": [{"Name": "N", "Type": "Integer", "DefaultValue": 1}], "Steps": [
        {"Name": "Check", "Type": "Condition", "Arguments": {"Conditions": [{"Type": "GreaterThan", "LeftValue": {"Get": "Parameters.N"}, "RightValue": 5}], "IfSteps": [],
                                                             "ElseSteps": [{"Name": "No", "Type": "Fail", "Arguments": {"ErrorMessage": {"Std:Join": {"On": " ", "Values": ["too small:", {"Get": "Parameters.N"}]}}}}]}}]}
    wrong = json.dumps(definition).replace("Parameters.N", "Parameters.M")
    assert "Parameters.M" in refused("ValidationException", sm.create_pipeline, PipelineName="p", RoleArn=role, PipelineDefinition=wrong) or True
    tags(sm.create_pipeline(PipelineName="p", RoleArn=role, PipelineDefinition=json.dumps(definition))["PipelineArn"])
    assert "already exists" in refused("ValidationException", sm.create_pipeline, PipelineName="p", RoleArn=role, PipelineDefinition=json.dumps(definition))
    ends = {}
    for n in ("3", "9"):
        arn = sm.start_pipeline_execution(PipelineName="p", PipelineParameters=[{"Name": "N", "Value": n}], ClientRequestToken=n * 32)["PipelineExecutionArn"]
        assert sm.start_pipeline_execution(PipelineName="p", PipelineParameters=[{"Name": "N", "Value": n}], ClientRequestToken=n * 32)["PipelineExecutionArn"] == arn
        ends[n] = until(sm.describe_pipeline_execution, "PipelineExecutionStatus", "Succeeded", "Failed", PipelineExecutionArn=arn)
        steps = sm.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")["PipelineExecutionSteps"]
        assert [s["StepName"] for s in steps] == {"3": ["Check", "No"], "9": ["Check"]}[n]
        assert sm.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)["PipelineParameters"] == [{"Name": "N", "Value": n}]
        if n == "3":
            assert steps[1]["FailureReason"] == "too small: 3" and steps[1]["Metadata"]["Fail"]["ErrorMessage"] == "too small: 3"
    assert (ends["3"]["PipelineExecutionStatus"], ends["9"]["PipelineExecutionStatus"]) == ("Failed", "Succeeded")
    refused("ValidationException", sm.start_pipeline_execution, PipelineName="p", PipelineParameters=[{"Name": "N", "Value": "x"}])
    assert len(sm.list_pipeline_executions(PipelineName="p")["PipelineExecutionSummaries"]) == 2
    sm.delete_pipeline(PipelineName="p")
    refused("ResourceNotFound", sm.describe_pipeline, PipelineName="p")


def experiments():
    tags(sm.create_experiment(ExperimentName="ex")["ExperimentArn"])
    sm.create_trial(TrialName="tr", ExperimentName="ex")
    sm.create_trial_component(TrialComponentName="tc", Parameters={"lr": {"NumberValue": 0.1}})
    sm.associate_trial_component(TrialComponentName="tc", TrialName="tr")
    metrics.batch_put_metrics(TrialComponentName="tc", MetricData=[{"MetricName": "loss", "Timestamp": int(time.time()), "Step": i, "Value": float(i)} for i in range(3)])
    m = sm.describe_trial_component(TrialComponentName="tc")["Metrics"][0]
    assert (m["MetricName"], m["Min"], m["Max"], m["Last"], m["Count"]) == ("loss", 0, 2, 2, 3)
    assert [c["TrialComponentName"] for c in sm.list_trial_components(TrialName="tr")["TrialComponentSummaries"]] == ["tc"]
    refused("ValidationException", sm.delete_experiment, ExperimentName="ex")
    sm.disassociate_trial_component(TrialComponentName="tc", TrialName="tr")
    sm.delete_trial_component(TrialComponentName="tc")
    sm.delete_trial(TrialName="tr")
    sm.delete_experiment(ExperimentName="ex")
    refused("ResourceNotFound", sm.describe_experiment, ExperimentName="ex")


def lineage(model):
    for _ in range(500):
        found = sm.list_artifacts(SourceUri=model)["ArtifactSummaries"]
        if found and sm.list_associations(DestinationArn=found[0]["ArtifactArn"])["AssociationSummaries"]:
            break
        time.sleep(0.01)
    by = sm.list_associations(DestinationArn=found[0]["ArtifactArn"])["AssociationSummaries"][0]
    assert by["AssociationType"] == "Produced" and by["SourceArn"].endswith("/t-aws-training-job"), by
    a = sm.create_artifact(ArtifactName="mine", ArtifactType="Thing", Source={"SourceUri": "s3://x/y"})["ArtifactArn"]
    x = sm.create_action(ActionName="act", ActionType="Do", Source={"SourceUri": "s3://x"})["ActionArn"]
    c = sm.create_context(ContextName="con", ContextType="Place", Source={"SourceUri": "s3://x"})["ContextArn"]
    sm.add_association(SourceArn=a, DestinationArn=x, AssociationType="ContributedTo")
    sm.add_association(SourceArn=x, DestinationArn=c, AssociationType="AssociatedWith")
    assert len(sm.list_associations(SourceArn=a)["AssociationSummaries"]) == 1
    refused("ResourceNotFound", sm.add_association, SourceArn=a, DestinationArn=x + "none")
    sm.delete_association(SourceArn=a, DestinationArn=x)
    sm.delete_association(SourceArn=x, DestinationArn=c)
    sm.delete_artifact(ArtifactArn=a)
    sm.delete_action(ActionName="act")
    sm.delete_context(ContextName="con")


objects()
features()
processing()
model = train()
tune()
package = register(model)
serve(package)
pipelines()
experiments()
lineage(model)
sm.delete_model_package(ModelPackageName=package)
sm.delete_model_package_group(ModelPackageGroupName="models")
assert "ListDomains" in refused("UnknownOperationException", sm.list_domains)
