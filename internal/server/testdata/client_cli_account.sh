# The AWS CLI, unmodified: sessions, roles and policies, a queue, and a function with its log.
set -euo pipefail
has() { grep "$@" > /dev/null; } # reads to the end, so that who writes is not cut off
sqs() { aws sqs --endpoint-url "$AWS_ENDPOINT_URL" "$@"; } # this CLI takes queue.amazonaws.com where it is not told on its command line
refused() { # CODE COMMAND…
  local code=$1
  shift
  if "$@" > "$WORK/out" 2> "$WORK/refused"; then return 1; fi
  grep -q "($code)" "$WORK/refused" || { cat "$WORK/refused"; return 1; }
}
account=$(aws sts get-caller-identity --query Account --output text)

trust='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
role=$(aws iam create-role --role-name worker --assume-role-policy-document "$trust" --max-session-duration 7200 --query Role.Arn --output text)
aws iam wait role-exists --role-name worker
policy=$(aws iam create-policy --policy-name reading --policy-document "$trust" --query Policy.Arn --output text)
aws iam wait policy-exists --policy-arn "$policy"
aws iam get-policy-version --policy-arn "$policy" --version-id v1 --query PolicyVersion.Document.Version --output text | has -x 2012-10-17
aws iam attach-role-policy --role-name worker --policy-arn "$policy"
aws iam put-role-policy --role-name worker --policy-name own --policy-document "$trust"
aws iam list-attached-role-policies --role-name worker --query 'AttachedPolicies[].PolicyName' --output text | has -x reading
aws iam list-role-policies --role-name worker --query PolicyNames --output text | has -x own
aws iam tag-role --role-name worker --tags Key=team,Value=a
aws iam list-role-tags --role-name worker --query 'Tags[0].Value' --output text | has -x a
aws iam untag-role --role-name worker --tag-keys team
aws iam update-role --role-name worker --description 'does the work'
aws iam list-roles --query 'Roles[?Description==`does the work`].Arn' --output text | has -x "$role"
refused DeleteConflict aws iam delete-policy --policy-arn "$policy"

read -r AWS_ACCESS_KEY_ID_OF_SESSION secret token <<< "$(aws sts assume-role --role-arn "$role" --role-session-name cli --duration-seconds 7200 \
  --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text)"
session() { AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID_OF_SESSION AWS_SECRET_ACCESS_KEY=$secret AWS_SESSION_TOKEN=$token "$@"; }
session aws sts get-caller-identity --query Arn --output text | has -x "arn:aws:sts::$account:assumed-role/worker/cli"
token=another refused UnrecognizedClientException session aws sagemaker list-models
aws sts get-session-token --query Credentials.AccessKeyId --output text | has ^ASIA

queue() {
  local url receipt
  url=$(sqs create-queue --queue-name work --attributes VisibilityTimeout=60 --query QueueUrl --output text)
  sqs get-queue-url --queue-name work --query QueueUrl --output text | has -x "$url"
  sqs set-queue-attributes --queue-url "$url" --attributes ReceiveMessageWaitTimeSeconds=1
  sqs send-message --queue-url "$url" --message-body one > "$WORK/sent"
  sqs send-message-batch --queue-url "$url" --entries Id=a,MessageBody=two Id=b,MessageBody=three --query 'length(Successful)' | has -x 2
  receipt=$(sqs receive-message --queue-url "$url" --query 'Messages[0].ReceiptHandle' --output text)
  sqs change-message-visibility --queue-url "$url" --receipt-handle "$receipt" --visibility-timeout 0
  receipt=$(sqs receive-message --queue-url "$url" --query 'Messages[0].ReceiptHandle' --output text)
  sqs delete-message --queue-url "$url" --receipt-handle "$receipt"
  sqs get-queue-attributes --queue-url "$url" --attribute-names All --query Attributes.ApproximateNumberOfMessages --output text | has -x 2
  sqs purge-queue --queue-url "$url"
  sqs list-queues --query QueueUrls --output text | has -x "$url"
  sqs delete-queue --queue-url "$url"
  refused AWS.SimpleQueueService.NonExistentQueue sqs get-queue-url --queue-name work
}

zip() { # FILE ARCHIVE
  python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[2], "w").write(sys.argv[1], "code.py")' "$1" "$2"
}

lambda() {
  printf 'def handler(event, context):\n    print("asked for", event["n"])\n    return event["n"] * 2\n' > "$WORK/one.py"
  printf 'def handler(event, context):\n    raise ValueError("no")\n' > "$WORK/two.py"
  zip "$WORK/one.py" "$WORK/one.zip"
  zip "$WORK/two.py" "$WORK/two.zip"
  aws lambda create-function --function-name double --runtime "python$PYTHON_VERSION" --handler code.handler --role "$role" --zip-file fileb://"$WORK/one.zip" > "$WORK/made"
  aws lambda wait function-active-v2 --function-name double
  test "$(aws lambda invoke --function-name double --payload '{"n": 21}' "$WORK/answer" --query StatusCode)" = 200
  test "$(cat "$WORK/answer")" = 42
  aws lambda get-function-configuration --function-name double --query State --output text | has -x Active
  stream=$(aws logs describe-log-streams --log-group-name /aws/lambda/double --query 'logStreams[0].logStreamName' --output text)
  aws logs get-log-events --log-group-name /aws/lambda/double --log-stream-name "$stream" --start-from-head --query 'events[].[message]' --output text > "$WORK/log"
  head -1 "$WORK/log" | has '^START RequestId: '
  grep -qx 'asked for 21' "$WORK/log"
  tail -1 "$WORK/log" | has 'Billed Duration'
  aws lambda update-function-code --function-name double --zip-file fileb://"$WORK/two.zip" > "$WORK/made"
  aws lambda update-function-configuration --function-name double --timeout 9 --query Timeout | has -x 9
  aws lambda wait function-updated-v2 --function-name double
  test "$(aws lambda invoke --function-name double --payload '{}' "$WORK/answer" --query FunctionError --output text)" = Unhandled
  grep -q ValueError "$WORK/answer"
  aws lambda list-functions --query 'Functions[].FunctionName' --output text | has -x double
  aws logs list-log-groups --query 'logGroups[].logGroupName' --output text | has -x /aws/lambda/double
  aws lambda delete-function --function-name double
  refused ResourceNotFoundException aws lambda get-function --function-name double
}

queue & first=$!
lambda & second=$!
wait $first
wait $second
aws iam detach-role-policy --role-name worker --policy-arn "$policy"
aws iam delete-policy --policy-arn "$policy"
aws iam delete-role-policy --role-name worker --policy-name own
aws iam delete-role --role-name worker
refused NoSuchEntity aws iam delete-role --role-name worker
refused NoSuchEntity aws iam get-policy --policy-arn "$policy"
