"""Uses a Mobula server as any AWS client would: nothing here knows that it is not AWS."""

import time

import boto3

sagemaker = boto3.client("sagemaker")
records = boto3.client("sagemaker-featurestore-runtime")
s3 = boto3.client("s3")

account = boto3.client("sts").get_caller_identity()["Account"]
bucket = f"sagemaker-{sagemaker.meta.region_name}-{account}"
role = f"arn:aws:iam::{account}:role/anything"

s3.create_bucket(Bucket=bucket)
sagemaker.create_feature_group(
    FeatureGroupName="houses",
    RecordIdentifierFeatureName="id",
    EventTimeFeatureName="at",
    FeatureDefinitions=[
        {"FeatureName": "id", "FeatureType": "String"},
        {"FeatureName": "at", "FeatureType": "Fractional"},
        {"FeatureName": "price", "FeatureType": "Integral"},
    ],
    OnlineStoreConfig={"EnableOnlineStore": True},
    OfflineStoreConfig={"S3StorageConfig": {"S3Uri": f"s3://{bucket}/features"}},
    RoleArn=role,
)
while sagemaker.describe_feature_group(FeatureGroupName="houses")["FeatureGroupStatus"] == "Creating":
    time.sleep(0.1)

values = {"id": "7", "at": str(time.time()), "price": "431924"}
records.put_record(
    FeatureGroupName="houses",
    Record=[{"FeatureName": k, "ValueAsString": v} for k, v in values.items()],
)
print(records.get_record(FeatureGroupName="houses", RecordIdentifierValueAsString="7")["Record"])

# The offline store is Parquet under the group's prefix; it has the record at once.
for item in s3.list_objects_v2(Bucket=bucket, Prefix="features/")["Contents"]:
    print(item["Key"], item["Size"])
