# The AWS CLI, unmodified: a trained model is registered, served, asked, and taken away again; its tags, its lineage, its experiment.
set -euo pipefail
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
aws sagemaker delete-endpoint --endpoint-name e
aws sagemaker wait endpoint-deleted --endpoint-name e
aws sagemaker delete-endpoint-config --endpoint-config-name c
aws sagemaker delete-model --model-name m
aws sagemaker delete-model-package --model-package-name "$package"
aws sagemaker delete-model-package-group --model-package-group-name g

artifact=$(aws sagemaker list-artifacts --source-uri $model --query 'ArtifactSummaries[0].ArtifactArn' --output text)
aws sagemaker query-lineage --start-arns "$artifact" --direction Ascendants --include-edges --query 'Vertices[].Type' --output text | grep -q DataSet
test "$(aws sagemaker search --resource TrainingJob --search-expression 'Filters=[{Name=TrainingJobName,Operator=Equals,Value=t}]' \
  --query 'Results[].TrainingJob.TrainingJobStatus' --output text)" = Completed

aws sagemaker create-experiment --experiment-name x > "$WORK/out"
aws sagemaker create-trial --trial-name x --experiment-name x > "$WORK/out"
aws sagemaker create-trial-component --trial-component-name x --parameters 'depth={NumberValue=3}' > "$WORK/out"
aws sagemaker associate-trial-component --trial-name x --trial-component-name x > "$WORK/out"
test "$(aws sagemaker describe-trial-component --trial-component-name x --query Parameters.depth.NumberValue --output text)" = 3
aws sagemaker disassociate-trial-component --trial-name x --trial-component-name x > "$WORK/out"
aws sagemaker delete-trial-component --trial-component-name x > "$WORK/out"
aws sagemaker delete-trial --trial-name x > "$WORK/out"
aws sagemaker delete-experiment --experiment-name x > "$WORK/out"
if aws sagemaker describe-experiment --experiment-name x 2> "$WORK/error"; then exit 1; fi
grep -q ResourceNotFound "$WORK/error"
