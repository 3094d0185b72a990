"""boto3, unmodified, looks for things: Search over all types, queries of lineage, series of metrics, records in batches, and logs that grow."""
import json
import time

import boto3
from botocore.exceptions import ClientError

sm, s3, logs, metrics = boto3.client("sagemaker"), boto3.client("s3"), boto3.client("logs"), boto3.client("sagemaker-metrics")
store = boto3.client("sagemaker-featurestore-runtime")
bucket, role = "sagemaker-us-east-1-123456789012", "arn:aws:iam::123456789012:role/service-role/x"
image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-1"
group = "/aws/sagemaker/TrainingJobs"


def refused(code, call, **request):
    try:
        call(**request)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        return
    raise AssertionError(f"{call} was not refused")


def eventually(what, try_):
    for _ in range(1000):
        if found := try_():
            return found
        time.sleep(0.01)
    raise AssertionError(what)


def search(resource, *filters, **more):
    expression = {"Filters": [dict(zip(("Name", "Operator", "Value"), f)) for f in filters]} if filters else {}
    return sm.search(Resource=resource, SearchExpression=expression, **more)["Results"]


def follow(seen, **request):
    """What `aws logs tail --follow` does once: all pages from the latest time on, without the events that it had of that time."""
    while True:
        answer = logs.filter_log_events(logGroupName=group, interleaved=True, **request)
        for e in answer["events"]:
            if e["eventId"] not in seen.setdefault(e["timestamp"], set()):
                seen[e["timestamp"]].add(e["eventId"])
                yield e["message"]
        if "nextToken" not in answer:
            return
        request["nextToken"] = answer["nextToken"]


def train():
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="train/0.csv", Body="".join(f"{2 * x},{x}\n" for x in range(100)).encode())
    sm.create_experiment(ExperimentName="e")
    sm.create_training_job(
        TrainingJobName="t", AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"}, HyperParameters={"num_round": "30"}, RoleArn=role,
        InputDataConfig=[{"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/train/"}}}],
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/models"}, ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600}, ExperimentConfig={"ExperimentName": "e"}, Tags=[{"Key": "team", "Value": "a"}])
    seen, lines, done = {}, [], False
    while not done:
        done = sm.describe_training_job(TrainingJobName="t")["TrainingJobStatus"] == "Completed"
        if sm.describe_training_job(TrainingJobName="t")["TrainingJobStatus"] == "Failed":
            raise AssertionError(sm.describe_training_job(TrainingJobName="t")["FailureReason"])
        try:
            lines += follow(seen, logStreamNamePrefix="t/", **({"startTime": max(seen)} if seen else {}))
        except ClientError as e:
            assert e.response["Error"]["Code"] == "ResourceNotFoundException", e  # until the first job writes
        time.sleep(0.02)
    stream = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="t/")["logStreams"][0]["logStreamName"]
    whole = [e["message"] for e in logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]]
    assert lines == whole and sum("train-rmse" in x for x in whole) == 30, (lines, whole)
    assert len(logs.filter_log_events(logGroupName=group, filterPattern='"train-rmse" -[0]')["events"]) == 29
    assert [g["logGroupName"] for g in logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]] == [group]
    return sm.describe_training_job(TrainingJobName="t")


def features():
    definitions = [{"FeatureName": n, "FeatureType": t} for n, t in (("id", "String"), ("at", "Fractional"), ("price", "Fractional"))]
    sm.create_feature_group(FeatureGroupName="g", RecordIdentifierFeatureName="id", EventTimeFeatureName="at", FeatureDefinitions=definitions,
                            OnlineStoreConfig={"EnableOnlineStore": True}, Tags=[{"Key": "team", "Value": "a"}])
    record = lambda i, price: [{"FeatureName": n, "ValueAsString": str(v)} for n, v in (("id", i), ("at", 1700000000 + i), ("price", price))]
    out = store.batch_write_record(Entries=[{"FeatureGroupName": "g", "Record": record(i, i)} for i in range(3)] + [{"FeatureGroupName": "g", "Record": record(9, "x")}])
    assert [e["ErrorCode"] for e in out["Errors"]] == ["ValidationError"] and out["UnprocessedEntries"] == [], out
    assert store.list_records(FeatureGroupName="g")["RecordIdentifiers"] == ["0", "1", "2"]
    got = store.batch_get_record(Identifiers=[{"FeatureGroupName": "g", "RecordIdentifiersValueAsString": ["0", "2", "5"], "FeatureNames": ["price"]}])
    assert [r["Record"][0]["ValueAsString"] for r in got["Records"]] == ["0", "2"] and got["Errors"] == []
    sm.update_feature_metadata(FeatureGroupName="g", FeatureName="price", Description="in thousands", ParameterAdditions=[{"Key": "unit", "Value": "k"}])
    assert sm.describe_feature_metadata(FeatureGroupName="g", FeatureName="price")["Parameters"] == [{"Key": "unit", "Value": "k"}]
    assert len(search("FeatureGroup", ("FeatureGroupName", "Equals", "g"))) == 1 and search("FeatureGroup", ("FeatureGroupName", "Equals", "h")) == []
    assert [r["FeatureMetadata"]["FeatureName"] for r in search("FeatureMetadata", ("AllParameters", "Contains", "k"))] == ["price"]


def looking(job):
    jobs = search("TrainingJob", ("HyperParameters.num_round", "Equals", "30"), ("Tags.team", "Equals", "a"), ("Metrics.train:rmse", "LessThan", "1000"))
    assert [j["TrainingJob"]["TrainingJobName"] for j in jobs] == ["t"] and jobs[0]["TrainingJob"]["Tags"] == [{"Key": "team", "Value": "a"}]
    trial = "Default-Run-Group-e"
    component = eventually("the job's component", lambda: search("ExperimentTrialComponent", ("Parents.TrialName", "Equals", trial), ("Status.PrimaryStatus", "Equals", "Completed")))[0]["TrialComponent"]
    assert component["SourceDetail"]["TrainingJob"]["TrainingJobStatus"] == "Completed" and component["Parents"] == [{"TrialName": trial, "ExperimentName": "e"}]
    assert len(search("ExperimentTrial", ("ExperimentName", "Equals", "e"))[0]["Trial"]["TrialComponentSummaries"]) == 1
    metrics.batch_put_metrics(TrialComponentName=component["TrialComponentName"], MetricData=[{"MetricName": "loss", "Timestamp": int(time.time()), "Step": i, "Value": i / 2} for i in range(10)])
    query = {"MetricName": "loss", "ResourceArn": component["TrialComponentArn"], "MetricStat": "Last", "Period": "IterationNumber", "XAxisType": "IterationNumber", "Start": 7}
    series = metrics.batch_get_metrics(MetricQueries=[query, dict(query, MetricName="none")])["MetricQueryResults"]
    assert (series[0]["XAxisValues"], series[0]["MetricValues"]) == ([7, 8, 9], [3.5, 4, 4.5]) and series[1]["XAxisValues"] == []
    rounds = metrics.batch_get_metrics(MetricQueries=[dict(query, MetricName="train:rmse", Start=0)])["MetricQueryResults"][0]
    summary = next(m for m in component["Metrics"] if m["MetricName"] == "train:rmse")
    assert rounds["XAxisValues"] == list(range(30)) and summary["Count"] == 30 and summary["Last"] == rounds["MetricValues"][-1], (rounds, summary)
    assert len(search("ExperimentTrialComponent", ("Metrics.loss.Max", "Equals", "4.5"))) == 1
    refused("ValidationException", sm.search, Resource="TrainingJob", SearchExpression={"Filters": [{"Name": "Colour", "Value": "red"}]})
    for kind in sm.meta.service_model.shape_for("ResourceType").enum:
        sm.search(Resource=kind, MaxResults=1)
    names = sm.get_search_suggestions(Resource="TrainingJob", SuggestionQuery={"PropertyNameQuery": {"PropertyNameHint": "TrainingJobN"}})["PropertyNameSuggestions"]
    assert names == [{"PropertyName": "TrainingJobName"}]


def lineage(job):
    sm.create_model_package_group(ModelPackageGroupName="m", Tags=[])
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    sm.put_model_package_group_policy(ModelPackageGroupName="m", ResourcePolicy=policy)
    assert sm.get_model_package_group_policy(ModelPackageGroupName="m")["ResourcePolicy"] == policy
    package = sm.create_model_package(ModelPackageGroupName="m", InferenceSpecification={"Containers": [{"Image": image, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}],
                                      "SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]})["ModelPackageArn"]
    assert package in sm.batch_describe_model_package(ModelPackageArnList=[package])["ModelPackageSummaries"]
    assert len(search("ModelPackageGroup", ("ModelPackageGroupName", "Equals", "m"))) == len(search("ModelPackage")) == 1
    start = eventually("the package's artifact", lambda: sm.list_artifacts(SourceUri=package)["ArtifactSummaries"])[0]["ArtifactArn"]
    ask = lambda **more: eventually("lineage", lambda: sm.query_lineage(StartArns=[start], Direction="Ascendants", **more)["Vertices"])
    assert {v["Type"] for v in ask()} >= {"ModelPackage", "Model", "Image", "TrainingJob", "DataSet"}
    data = ask(IncludeEdges=False, Filters={"Types": ["DataSet"]})
    assert sm.describe_artifact(ArtifactArn=data[0]["Arn"])["Source"]["SourceUri"] == f"s3://{bucket}/train"
    down = sm.query_lineage(StartArns=[data[0]["Arn"]], Direction="Descendants", IncludeEdges=False, Filters={"LineageTypes": ["Artifact"]})
    assert start in [v["Arn"] for v in down["Vertices"]]


job = train()
features()
looking(job)
lineage(job)
allowed = boto3.client("iam").simulate_principal_policy(PolicySourceArn=role, ActionNames=["s3:GetObject", "sagemaker:Search"])["EvaluationResults"]
assert [r["EvalDecision"] for r in allowed] == ["allowed", "allowed"]
