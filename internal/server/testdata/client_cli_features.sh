# The AWS CLI, unmodified: a feature group that grows, its records in every way they are written and read, its features' descriptions.
set -euo pipefail
has() { grep "$@" > /dev/null; } # reads to the end, so that who writes is not cut off
bucket=sagemaker-us-east-1-$(aws sts get-caller-identity --query Account --output text)
aws s3 mb s3://$bucket > "$WORK/out"
role=arn:aws:iam::123456789012:role/cli
aws sagemaker create-feature-group --feature-group-name g --record-identifier-feature-name id --event-time-feature-name at --role-arn $role \
  --feature-definitions FeatureName=id,FeatureType=String FeatureName=at,FeatureType=String FeatureName=x,FeatureType=Integral \
  --online-store-config EnableOnlineStore=true --offline-store-config S3StorageConfig={S3Uri=s3://$bucket/g} --tags Key=team,Value=a > "$WORK/out"
test "$(aws sagemaker describe-feature-group --feature-group-name g --query FeatureGroupStatus --output text)" = Created
arn=$(aws sagemaker list-feature-groups --name-contains g --query 'FeatureGroupSummaries[0].FeatureGroupArn' --output text)
aws sagemaker list-tags --resource-arn "$arn" --query 'Tags[].Value' --output text | has -x a

time=2024-01-02T03:04:05Z
put() { aws sagemaker-featurestore-runtime put-record --feature-group-name g --record FeatureName=id,ValueAsString=$1 FeatureName=at,ValueAsString=$time FeatureName=x,ValueAsString=$2; }
put a 1
put b 2
if put c x 2> "$WORK/error"; then exit 1; fi
grep -q ValidationError "$WORK/error"
aws sagemaker-featurestore-runtime get-record --feature-group-name g --record-identifier-value-as-string a --feature-names x --query 'Record[].ValueAsString' --output text | has -x 1
aws sagemaker-featurestore-runtime batch-get-record --identifiers FeatureGroupName=g,RecordIdentifiersValueAsString=a,b,c --query 'length(Records)' | has -x 2
aws sagemaker-featurestore-runtime list-records --feature-group-name g --query 'length(RecordIdentifiers)' | has -x 2
aws sagemaker-featurestore-runtime delete-record --feature-group-name g --record-identifier-value-as-string a --event-time 2024-01-03T03:04:05Z
aws sagemaker-featurestore-runtime get-record --feature-group-name g --record-identifier-value-as-string a > "$WORK/gone"
if grep -q Value "$WORK/gone"; then exit 1; fi

aws sagemaker update-feature-group --feature-group-name g --feature-additions FeatureName=y,FeatureType=Fractional > "$WORK/out"
test "$(aws sagemaker describe-feature-group --feature-group-name g --query 'length(FeatureDefinitions)')" = 4
aws sagemaker update-feature-metadata --feature-group-name g --feature-name y --description 'how much' --parameter-additions Key=unit,Value=m
aws sagemaker describe-feature-metadata --feature-group-name g --feature-name y --query '[Description,Parameters[0].Value]' --output text | has -x $'how much\tm'
aws sagemaker search --resource FeatureMetadata --search-expression 'Filters=[{Name=Description,Operator=Contains,Value=much}]' \
  --query 'Results[].FeatureMetadata.FeatureName' --output text | has -x y
test "$(aws s3 ls --recursive s3://$bucket/g/ | grep -c parquet)" -ge 1 # what was put is there as soon as somebody looks
aws sagemaker delete-feature-group --feature-group-name g
if aws sagemaker describe-feature-group --feature-group-name g 2> "$WORK/error"; then exit 1; fi
grep -q ResourceNotFound "$WORK/error"
