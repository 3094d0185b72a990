# The AWS CLI, unmodified: jobs of every kind through create, describe, list, wait, stop, and their logs.
set -euo pipefail
has() { grep "$@" > /dev/null; } # reads to the end, so that who writes is not cut off

# ended waits for a job. The CLI's own waiters look once a minute, so they are asked when they need to look only once.
ended() { # KIND NAME STATUS
  local status=InProgress
  for _ in $(seq 200); do
    status=$(aws sagemaker describe-$1-job --$1-job-name $2 --output json | grep -o '"[A-Za-z]*JobStatus": "[A-Za-z]*"' | head -1 | cut -d'"' -f4)
    case $status in Completed | Failed | Stopped) break ;; esac
  done
  [ $1 = hyper-parameter-tuning ] || [ $status = Failed ] || aws sagemaker wait $1-job-completed-or-stopped --$1-job-name $2
  [ $status = $3 ] || { aws sagemaker describe-$1-job --$1-job-name $2; return 1; }
}

account=$(aws sts get-caller-identity --query Account --output text)
bucket=sagemaker-us-east-1-$account
role=arn:aws:iam::$account:role/cli
image=683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-1
aws s3 mb s3://$bucket > "$WORK/out"
mkdir -p "$WORK/data/train" "$WORK/data/validation"
for i in $(seq 200); do echo "$((i % 11 * 3)),$((i % 11)),$((i % 7))"; done | tee "$WORK/data/train/0.csv" > "$WORK/data/validation/0.csv"
aws s3 sync --only-show-errors "$WORK/data" s3://$bucket/data
test "$(aws s3 ls --recursive s3://$bucket/data/ | wc -l)" = 2
aws s3 sync "$WORK/data" s3://$bucket/data > "$WORK/again"
test ! -s "$WORK/again" # what is there already is not sent again
curl -fsS "$(aws s3 presign s3://$bucket/data/train/0.csv)" | cmp - "$WORK/data/train/0.csv"
if curl -fsS "$(aws s3 presign s3://$bucket/data/train/0.csv)x" > "$WORK/out" 2>&1; then exit 1; fi

resources='ClusterConfig={InstanceType=ml.m5.large,InstanceCount=1,VolumeSizeInGB=1}'
inputs='[{"InputName":"in","S3Input":{"S3Uri":"s3://'$bucket'/data/train/","LocalPath":"/opt/ml/processing/in","S3DataType":"S3Prefix","S3InputMode":"File"}}]'
outputs='Outputs=[{OutputName=out,S3Output={S3Uri=s3://'$bucket'/out,LocalPath=/opt/ml/processing/out,S3UploadMode=EndOfJob}}]'
aws sagemaker create-processing-job --processing-job-name copy --role-arn $role --processing-resources "$resources" --processing-inputs "$inputs" \
  --processing-output-config "$outputs" --tags Key=team,Value=a \
  --app-specification '{"ImageUri":"mobula/go:1","ContainerEntrypoint":["sh","-c","cat /opt/ml/processing/in/* > /opt/ml/processing/out/copy; echo copied"]}' > "$WORK/out"
ended processing copy Completed
aws s3 cp --only-show-errors s3://$bucket/out/copy - | cmp - "$WORK/data/train/0.csv"
aws logs filter-log-events --log-group-name /aws/sagemaker/ProcessingJobs --log-stream-name-prefix copy/ --query 'events[].message' --output text | has -x copied
aws sagemaker list-processing-jobs --name-contains cop --query 'ProcessingJobSummaries[].ProcessingJobName' --output text | has -x copy
aws sagemaker create-processing-job --processing-job-name endless --role-arn $role --processing-resources "$resources" \
  --app-specification '{"ImageUri":"mobula/go:1","ContainerEntrypoint":["sleep","600"]}' > "$WORK/out"
aws sagemaker stop-processing-job --processing-job-name endless
ended processing endless Stopped

channels='[{"ChannelName":"train","ContentType":"text/csv","DataSource":{"S3DataSource":{"S3DataType":"S3Prefix","S3Uri":"s3://'$bucket'/data/train/"}}},
{"ChannelName":"validation","ContentType":"text/csv","DataSource":{"S3DataSource":{"S3DataType":"S3Prefix","S3Uri":"s3://'$bucket'/data/validation/"}}}]'
output=S3OutputPath=s3://$bucket/models
cluster=InstanceType=ml.m5.large,InstanceCount=1,VolumeSizeInGB=1
aws sagemaker create-training-job --training-job-name t --role-arn $role --algorithm-specification TrainingImage=$image,TrainingInputMode=File \
  --hyper-parameters num_round=5 --input-data-config "$channels" --output-data-config $output --resource-config $cluster --stopping-condition MaxRuntimeInSeconds=600 > "$WORK/out"
ended training t Completed
model=$(aws sagemaker describe-training-job --training-job-name t --query ModelArtifacts.S3ModelArtifacts --output text)
aws s3 cp --only-show-errors "$model" "$WORK/model.tar.gz"
tar -tzf "$WORK/model.tar.gz" | has xgboost-model
aws logs filter-log-events --log-group-name /aws/sagemaker/TrainingJobs --log-stream-name-prefix t/ --filter-pattern validation-rmse --query 'events[].message' --output text > "$WORK/out"
grep -q validation-rmse "$WORK/out"
aws logs describe-log-groups --log-group-name-prefix /aws/sagemaker/ --query 'logGroups[].logGroupName' --output text | has TrainingJobs
aws sagemaker list-training-jobs --status-equals Completed --query 'TrainingJobSummaries[].TrainingJobName' --output text | has -x t

definition='{"RoleArn":"'$role'","AlgorithmSpecification":{"TrainingImage":"'$image'","TrainingInputMode":"File"},"StaticHyperParameters":{"num_round":"5"},
"InputDataConfig":'$channels',"OutputDataConfig":{"S3OutputPath":"s3://'$bucket'/models"},"StoppingCondition":{"MaxRuntimeInSeconds":600},
"ResourceConfig":{"InstanceType":"ml.m5.large","InstanceCount":1,"VolumeSizeInGB":1}}'
config='{"Strategy":"Random","RandomSeed":1,"ResourceLimits":{"MaxNumberOfTrainingJobs":2,"MaxParallelTrainingJobs":2},
"HyperParameterTuningJobObjective":{"Type":"Minimize","MetricName":"validation:rmse"},
"ParameterRanges":{"IntegerParameterRanges":[{"Name":"max_depth","MinValue":"1","MaxValue":"5"}]}}'
aws sagemaker create-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name h --hyper-parameter-tuning-job-config "$config" --training-job-definition "$definition" > "$WORK/out"
ended hyper-parameter-tuning h Completed
best=$(aws sagemaker describe-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name h --query BestTrainingJob.TrainingJobName --output text)
aws sagemaker list-training-jobs-for-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name h --sort-by FinalObjectiveMetricValue --sort-order Ascending \
  --query 'TrainingJobSummaries[0].TrainingJobName' --output text | has -x "$best"
aws sagemaker search --resource TrainingJob --search-expression 'Filters=[{Name=TrainingJobStatus,Operator=Equals,Value=Completed}]' \
  --query 'Results[].TrainingJob.TrainingJobName' --output text | has "$best"

aws sagemaker create-model --model-name m --execution-role-arn $role --primary-container Image=$image,ModelDataUrl="$model" > "$WORK/out"
aws sagemaker create-transform-job --transform-job-name b --model-name m --transform-resources InstanceType=ml.m5.large,InstanceCount=1 \
  --transform-input '{"DataSource":{"S3DataSource":{"S3DataType":"S3Prefix","S3Uri":"s3://'$bucket'/rows/"}},"ContentType":"text/csv","SplitType":"Line"}' \
  --transform-output S3OutputPath=s3://$bucket/predicted,AssembleWith=Line > "$WORK/out"
ended transform b Failed # there are no rows yet
cut -d, -f2- "$WORK/data/train/0.csv" | aws s3 cp --only-show-errors - s3://$bucket/rows/0.csv
aws sagemaker create-transform-job --transform-job-name c --model-name m --transform-resources InstanceType=ml.m5.large,InstanceCount=1 \
  --transform-input '{"DataSource":{"S3DataSource":{"S3DataType":"S3Prefix","S3Uri":"s3://'$bucket'/rows/"}},"ContentType":"text/csv","SplitType":"Line"}' \
  --transform-output S3OutputPath=s3://$bucket/predicted,AssembleWith=Line > "$WORK/out"
ended transform c Completed
test "$(aws s3 cp s3://$bucket/predicted/0.csv.out - | wc -l)" = 200
aws sagemaker list-transform-jobs --query 'TransformJobSummaries[].TransformJobName' --output text | has c

aws sagemaker create-transform-job --transform-job-name d --model-name m --transform-resources InstanceType=ml.m5.large,InstanceCount=1 \
  --transform-input '{"DataSource":{"S3DataSource":{"S3DataType":"S3Prefix","S3Uri":"s3://'$bucket'/rows/"}},"ContentType":"text/csv","SplitType":"Line"}' \
  --transform-output S3OutputPath=s3://$bucket/stopped > "$WORK/out"
aws sagemaker stop-transform-job --transform-job-name d 2> "$WORK/out" || grep -q 'is in status Completed' "$WORK/out" # it is as quick as that
aws sagemaker describe-transform-job --transform-job-name d --query TransformJobStatus --output text | has 'Stop\|Completed'
aws sagemaker create-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name i --hyper-parameter-tuning-job-config "$config" --training-job-definition "${definition/\"num_round\":\"5\"/\"num_round\":\"1000000\"}" > "$WORK/out"
aws sagemaker stop-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name i
ended hyper-parameter-tuning i Stopped
aws sagemaker list-hyper-parameter-tuning-jobs --query 'HyperParameterTuningJobSummaries[].HyperParameterTuningJobName' --output text | has h
aws sagemaker delete-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name i
aws sagemaker delete-processing-job --processing-job-name copy
if aws sagemaker update-training-job --training-job-name t --profiler-config DisableProfiler=true 2> "$WORK/error"; then exit 1; fi
grep -q 'is in status Completed' "$WORK/error"

artifact=$(aws sagemaker list-artifacts --source-uri "$model" --query 'ArtifactSummaries[0].ArtifactArn' --output text)
aws sagemaker query-lineage --start-arns "$artifact" --direction Ascendants --include-edges --query 'Vertices[].Type' --output text | has DataSet

aws sagemaker delete-model --model-name m
aws s3 rm --only-show-errors --recursive s3://$bucket/data
test -z "$(aws s3 ls --recursive s3://$bucket/data/)"
if aws sagemaker describe-training-job --training-job-name none 2> "$WORK/error"; then exit 1; fi
grep -q 'ValidationException' "$WORK/error"
aws sagemaker delete-training-job --training-job-name t
