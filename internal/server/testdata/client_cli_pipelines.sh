# The AWS CLI, unmodified: a pipeline and its versions, executions that wait for an answer, are stopped and go on, and what is told of them.
set -euo pipefail
has() { grep "$@" > /dev/null; } # reads to the end, so that who writes is not cut off
sqs() { aws sqs --endpoint-url "$AWS_ENDPOINT_URL" "$@"; } # this CLI takes queue.amazonaws.com where it is not told on its command line
role=arn:aws:iam::123456789012:role/cli
url=$(sqs create-queue --queue-name answers --query QueueUrl --output text)
definition() { # NAME OF THE FIRST STEP
  cat << END
{"Version":"2020-12-01","Parameters":[{"Name":"N","Type":"Integer","DefaultValue":1}],"Steps":[
{"Name":"$1","Type":"Callback","SqsQueueUrl":"$url","Arguments":{"n":{"Get":"Parameters.N"}},"OutputParameters":[{"OutputName":"word","OutputType":"String"}]},
{"Name":"Check","Type":"Condition","Arguments":{"Conditions":[{"Type":"Equals","LeftValue":{"Get":"Steps.$1.OutputParameters['word']"},"RightValue":"good"}],
"IfSteps":[],"ElseSteps":[{"Name":"Stop","Type":"Fail","Arguments":{"ErrorMessage":"a bad word"}}]}}]}
END
}
arn=$(aws sagemaker create-pipeline --pipeline-name p --pipeline-definition "$(definition Ask)" --role-arn $role --tags Key=team,Value=a --query PipelineArn --output text)
aws sagemaker list-tags --resource-arn "$arn" --query 'Tags[].Value' --output text | has -x a
aws sagemaker update-pipeline --pipeline-name p --pipeline-definition "$(definition Wait)" --pipeline-display-name shown > "$WORK/out"
test "$(aws sagemaker list-pipeline-versions --pipeline-name p --query 'length(PipelineVersionSummaries)')" = 2
aws sagemaker update-pipeline-version --pipeline-arn "$arn" --pipeline-version-id 1 --pipeline-version-display-name first > "$WORK/out"
aws sagemaker describe-pipeline --pipeline-name p --pipeline-version-id 1 --query PipelineDefinition --output text | has '"Ask"'
aws sagemaker list-pipelines --pipeline-name-prefix p --query 'PipelineSummaries[].PipelineDisplayName' --output text | has -x shown

ended() { # EXECUTION STATUS
  local status
  for _ in $(seq 200); do
    status=$(aws sagemaker describe-pipeline-execution --pipeline-execution-arn "$1" --query PipelineExecutionStatus --output text)
    case $status in Succeeded | Failed | Stopped) break ;; esac
  done
  [ $status = $2 ] || { aws sagemaker list-pipeline-execution-steps --pipeline-execution-arn "$1"; return 1; }
}
asked() { # takes the question from the queue and tells its token
  sqs receive-message --queue-url "$url" --wait-time-seconds 20 --visibility-timeout 600 --query 'Messages[0].Body' --output text |
    python3 -c 'import json, sys; m = json.load(sys.stdin); assert m["arguments"]["n"] in (1, 7), m; print(m["token"])'
}
begin() { aws sagemaker start-pipeline-execution --pipeline-name p "$@" --query PipelineExecutionArn --output text; }

good=$(begin --pipeline-parameters Name=N,Value=7)
aws sagemaker send-pipeline-execution-step-success --callback-token "$(asked)" --output-parameters Name=word,Value=good > "$WORK/out"
ended "$good" Succeeded
aws sagemaker list-pipeline-execution-steps --pipeline-execution-arn "$good" --query 'PipelineExecutionSteps[?StepName==`Check`].Metadata.Condition.Outcome' --output text | has -x True
aws sagemaker list-pipeline-parameters-for-execution --pipeline-execution-arn "$good" --query 'PipelineParameters[0].Value' --output text | has -x 7
aws sagemaker describe-pipeline-definition-for-execution --pipeline-execution-arn "$good" --query PipelineDefinition --output text | has '"Wait"'
bad=$(begin --pipeline-version-id 1)
aws sagemaker send-pipeline-execution-step-failure --callback-token "$(asked)" --failure-reason 'nobody knows' > "$WORK/out"
ended "$bad" Failed
aws sagemaker list-pipeline-execution-steps --pipeline-execution-arn "$bad" --query 'PipelineExecutionSteps[].FailureReason' --output text | has 'nobody knows'
aws sagemaker update-pipeline-execution --pipeline-execution-arn "$bad" --pipeline-execution-description again > "$WORK/out"
aws sagemaker retry-pipeline-execution --pipeline-execution-arn "$bad" > "$WORK/out"
token=$(asked)
aws sagemaker stop-pipeline-execution --pipeline-execution-arn "$bad" > "$WORK/out"
aws sagemaker send-pipeline-execution-step-failure --callback-token "$token" --failure-reason stopped > "$WORK/out" # who was asked ends the step
ended "$bad" Stopped
if aws sagemaker send-pipeline-execution-step-success --callback-token "$token" 2> "$WORK/error"; then exit 1; fi
grep -q "(ConflictException)" "$WORK/error"
aws sagemaker list-pipeline-executions --pipeline-name p --query 'length(PipelineExecutionSummaries)' | has -x 2
aws sagemaker search --resource PipelineExecution --search-expression 'Filters=[{Name=PipelineExecutionStatus,Operator=Equals,Value=Succeeded}]' \
  --query 'Results[].PipelineExecution.PipelineExecutionArn' --output text | has -x "$good"
aws sagemaker delete-pipeline --pipeline-name p > "$WORK/out"
if aws sagemaker describe-pipeline-execution --pipeline-execution-arn "$good" 2> "$WORK/error"; then exit 1; fi
grep -q ResourceNotFound "$WORK/error"
