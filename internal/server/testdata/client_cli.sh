# The AWS CLI, unmodified: a file up and down, a feature group, a pipeline, and errors as it shows them.
set -euo pipefail
has() { grep "$@" > /dev/null; } # reads to the end, so that who writes is not cut off
bucket=sagemaker-us-east-1-123456789012
aws sts get-caller-identity --query Account --output text | has -x 123456789012
aws s3 mb s3://$bucket
seq 1000 > "$WORK/numbers"
aws s3 cp --only-show-errors "$WORK/numbers" s3://$bucket/a/numbers
aws s3 ls s3://$bucket/a/ | has numbers
aws s3 cp --only-show-errors s3://$bucket/a/numbers "$WORK/back"
cmp "$WORK/numbers" "$WORK/back"

aws sagemaker create-feature-group --feature-group-name cli --record-identifier-feature-name id --event-time-feature-name at \
  --feature-definitions FeatureName=id,FeatureType=String FeatureName=at,FeatureType=Fractional --online-store-config EnableOnlineStore=true > "$WORK/out"
aws sagemaker-featurestore-runtime put-record --feature-group-name cli \
  --record FeatureName=id,ValueAsString=x FeatureName=at,ValueAsString=1700000000
aws sagemaker-featurestore-runtime get-record --feature-group-name cli --record-identifier-value-as-string x --query 'Record[1].ValueAsString' --output text | has -x 1700000000
aws sagemaker list-feature-groups --query 'FeatureGroupSummaries[].FeatureGroupName' --output text | has -x cli
aws sagemaker delete-feature-group --feature-group-name cli

definition='{"Version":"2020-12-01","Steps":[{"Name":"Stop","Type":"Fail","Arguments":{"ErrorMessage":"on purpose"}}]}'
role=arn:aws:iam::123456789012:role/cli
aws sagemaker create-pipeline --pipeline-name cli --pipeline-definition "$definition" --role-arn $role > "$WORK/out"
execution=$(aws sagemaker start-pipeline-execution --pipeline-name cli --query PipelineExecutionArn --output text)
for _ in $(seq 100); do
  status=$(aws sagemaker describe-pipeline-execution --pipeline-execution-arn "$execution" --query PipelineExecutionStatus --output text)
  [ "$status" = Failed ] && break
done
[ "$status" = Failed ]
aws sagemaker list-pipeline-execution-steps --pipeline-execution-arn "$execution" --query 'PipelineExecutionSteps[0].FailureReason' --output text | has -x 'on purpose'
aws sagemaker delete-pipeline --pipeline-name cli > "$WORK/out"

if aws sagemaker describe-pipeline --pipeline-name cli 2> "$WORK/error"; then exit 1; fi
grep -q ResourceNotFound "$WORK/error"
