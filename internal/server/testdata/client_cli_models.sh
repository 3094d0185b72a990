# The AWS CLI, unmodified: a trained model is registered, served, asked, and taken away again; its tags, its policies, its lineage.
set -euo pipefail
has() { grep "$@" > /dev/null; } # reads to the end, so that who writes is not cut off
account=$(aws sts get-caller-identity --query Account --output text)
bucket=sagemaker-us-east-1-$account
role=arn:aws:iam::$account:role/cli
image=683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-1
aws s3 mb s3://$bucket > "$WORK/out"
for i in $(seq 200); do echo "$((i % 11 * 3)),$((i % 11)),$((i % 7))"; done | aws s3 cp --only-show-errors - s3://$bucket/data/0.csv
aws sagemaker create-training-job --training-job-name t --role-arn $role --algorithm-specification TrainingImage=$image,TrainingInputMode=File \
  --hyper-parameters num_round=5 --output-data-config S3OutputPath=s3://$bucket/models --resource-config InstanceType=ml.m5.large,InstanceCount=1,VolumeSizeInGB=1 \
  --stopping-condition MaxRuntimeInSeconds=600 --input-data-config \
  '[{"ChannelName":"train","ContentType":"text/csv","DataSource":{"S3DataSource":{"S3DataType":"S3Prefix","S3Uri":"s3://'$bucket'/data/"}}}]' > "$WORK/out"
for _ in $(seq 100); do
  status=$(aws sagemaker describe-training-job --training-job-name t --query TrainingJobStatus --output text)
  [ $status = InProgress ] || break
done
test $status = Completed
model=s3://$bucket/models/t/output/model.tar.gz

group=$(aws sagemaker create-model-package-group --model-package-group-name g --query ModelPackageGroupArn --output text)
aws sagemaker add-tags --resource-arn "$group" --tags Key=team,Value=a > "$WORK/out"
test "$(aws sagemaker list-tags --resource-arn "$group" --query 'Tags[0].Value' --output text)" = a
package=$(aws sagemaker create-model-package --model-package-group-name g --model-approval-status Approved --query ModelPackageArn --output text --inference-specification \
  '{"Containers":[{"Image":"'$image'","ModelDataUrl":"'$model'"}],"SupportedContentTypes":["text/csv"],"SupportedResponseMIMETypes":["text/csv"]}')
test "$(aws sagemaker list-model-packages --model-package-group-name g --query 'ModelPackageSummaryList[0].ModelPackageArn' --output text)" = "$package"
test "$(aws sagemaker describe-model-package --model-package-name "$package" --query ModelApprovalStatus --output text)" = Approved
aws sagemaker update-model-package --model-package-arn "$package" --model-approval-status Rejected --approval-description no > "$WORK/out"
aws sagemaker batch-describe-model-package --model-package-arn-list "$package" --query "values(ModelPackageSummaries)[0].ModelApprovalStatus" --output text | has -x Rejected
aws sagemaker update-model-package --model-package-arn "$package" --model-approval-status Approved > "$WORK/out"
aws sagemaker put-model-package-group-policy --model-package-group-name g --resource-policy '{"Version":"2012-10-17","Statement":[]}' > "$WORK/out"
aws sagemaker get-model-package-group-policy --model-package-group-name g --query ResourcePolicy --output text | has Statement
aws sagemaker delete-model-package-group-policy --model-package-group-name g
aws sagemaker list-model-package-groups --query 'ModelPackageGroupSummaryList[].ModelPackageGroupName' --output text | has -x g

aws sagemaker create-model --model-name m --execution-role-arn $role --containers ModelPackageName="$package" > "$WORK/out"
aws sagemaker create-endpoint-config --endpoint-config-name c --production-variants VariantName=v,ModelName=m,InitialInstanceCount=1,InstanceType=ml.m5.large > "$WORK/out"
aws sagemaker create-endpoint --endpoint-name e --endpoint-config-name c > "$WORK/out"
for _ in $(seq 100); do
  status=$(aws sagemaker describe-endpoint --endpoint-name e --query EndpointStatus --output text)
  [ $status = Creating ] || break
done
aws sagemaker wait endpoint-in-service --endpoint-name e
printf '10,3\n2,1' > "$WORK/rows"
test "$(aws sagemaker-runtime invoke-endpoint --endpoint-name e --content-type text/csv --body fileb://"$WORK/rows" "$WORK/scores" --query InvokedProductionVariant --output text)" = v
test "$(tr ',' '\n' < "$WORK/scores" | grep -c .)" = 2
test "$(aws sagemaker list-endpoints --status-equals InService --query 'Endpoints[].EndpointName' --output text)" = e
aws sagemaker update-endpoint-weights-and-capacities --endpoint-name e --desired-weights-and-capacities VariantName=v,DesiredWeight=2.5 > "$WORK/out"
test "$(aws sagemaker describe-endpoint --endpoint-name e --query 'ProductionVariants[0].DesiredWeight')" = 2.5

# Another configuration takes the place of the first, and answers later than the request.
aws sagemaker create-endpoint-config --endpoint-config-name d --production-variants VariantName=v,ModelName=m,InitialInstanceCount=1,InstanceType=ml.m5.large \
  --async-inference-config OutputConfig={S3OutputPath=s3://$bucket/answers} > "$WORK/out"
aws sagemaker describe-endpoint-config --endpoint-config-name d --query AsyncInferenceConfig.OutputConfig.S3OutputPath --output text | has answers
aws sagemaker update-endpoint --endpoint-name e --endpoint-config-name d > "$WORK/out"
for _ in $(seq 100); do
  status=$(aws sagemaker describe-endpoint --endpoint-name e --query EndpointStatus --output text)
  [ $status = Updating ] || break
done
test $status = InService
aws s3 cp --only-show-errors "$WORK/rows" s3://$bucket/asked/rows
answer=$(aws sagemaker-runtime invoke-endpoint-async --endpoint-name e --content-type text/csv --input-location s3://$bucket/asked/rows --query OutputLocation --output text)
aws s3api wait object-exists --bucket $bucket --key "${answer#s3://$bucket/}"
aws s3 cp --only-show-errors "$answer" - | cmp - "$WORK/scores"
aws logs describe-log-streams --log-group-name /aws/sagemaker/Endpoints/e --query 'logStreams[].logStreamName' --output text | has v/
aws sagemaker list-endpoint-configs --query 'length(EndpointConfigs)' | has -x 2
aws sagemaker list-models --query 'Models[].ModelName' --output text | has -x m
aws sagemaker delete-endpoint --endpoint-name e
aws sagemaker wait endpoint-deleted --endpoint-name e
aws sagemaker delete-endpoint-config --endpoint-config-name c
aws sagemaker delete-endpoint-config --endpoint-config-name d
aws sagemaker delete-model --model-name m
aws sagemaker delete-model-package --model-package-name "$package"
aws sagemaker delete-model-package-group --model-package-group-name g

artifact=$(aws sagemaker list-artifacts --source-uri $model --query 'ArtifactSummaries[0].ArtifactArn' --output text)
aws sagemaker query-lineage --start-arns "$artifact" --direction Ascendants --include-edges --query 'Vertices[].Type' --output text | has DataSet
test "$(aws sagemaker search --resource TrainingJob --search-expression 'Filters=[{Name=TrainingJobName,Operator=Equals,Value=t}]' \
  --query 'Results[].TrainingJob.TrainingJobStatus' --output text)" = Completed
