# The AWS CLI, unmodified: entities of lineage and the associations between them, an experiment with its trial, and what is suggested for a search.
set -euo pipefail
has() { grep "$@" > /dev/null; } # reads to the end, so that who writes is not cut off
refused() { # CODE COMMAND…
  local code=$1
  shift
  if "$@" > "$WORK/out" 2> "$WORK/refused"; then return 1; fi
  grep -q "($code)" "$WORK/refused" || { cat "$WORK/refused"; return 1; }
}
lineage() {
  local a b c
  a=$(aws sagemaker create-artifact --artifact-name data --artifact-type DataSet --source SourceUri=s3://b/data.csv --query ArtifactArn --output text)
  b=$(aws sagemaker create-action --action-name clean --action-type Cleaning --source SourceUri=s3://b/code --status InProgress --query ActionArn --output text)
  c=$(aws sagemaker create-context --context-name site --context-type Place --source SourceUri=urn:site --query ContextArn --output text)
  aws sagemaker add-association --source-arn "$a" --destination-arn "$b" --association-type ContributedTo > "$WORK/made"
  aws sagemaker add-association --source-arn "$b" --destination-arn "$c" --association-type AssociatedWith > "$WORK/made"
  aws sagemaker update-artifact --artifact-arn "$a" --properties rows=10 > "$WORK/made"
  aws sagemaker update-action --action-name clean --status Completed > "$WORK/made"
  aws sagemaker update-context --context-name site --description here > "$WORK/made"
  aws sagemaker describe-artifact --artifact-arn "$a" --query Properties.rows --output text | has -x 10
  aws sagemaker describe-action --action-name clean --query Status --output text | has -x Completed
  aws sagemaker describe-context --context-name site --query Description --output text | has -x here
  aws sagemaker list-artifacts --artifact-type DataSet --query 'ArtifactSummaries[].ArtifactArn' --output text | has -x "$a"
  aws sagemaker list-actions --action-type Cleaning --query 'ActionSummaries[].ActionName' --output text | has -x clean
  aws sagemaker list-contexts --query 'ContextSummaries[].ContextName' --output text | has -x site
  aws sagemaker list-associations --destination-arn "$b" --query 'AssociationSummaries[].SourceArn' --output text | has -x "$a"
  test "$(aws sagemaker query-lineage --start-arns "$c" --direction Ascendants --include-edges --query 'length(Vertices)')" -ge 2
  group=$(aws sagemaker list-lineage-groups --query 'LineageGroupSummaries[0].LineageGroupName' --output text)
  aws sagemaker describe-lineage-group --lineage-group-name "$group" --query LineageGroupArn --output text | has lineage-group/
  aws sagemaker get-lineage-group-policy --lineage-group-name "$group" > "$WORK/made"
  refused ValidationException aws sagemaker delete-action --action-name clean
  aws sagemaker delete-association --source-arn "$a" --destination-arn "$b" > "$WORK/made"
  aws sagemaker delete-association --source-arn "$b" --destination-arn "$c" > "$WORK/made"
  aws sagemaker delete-artifact --artifact-arn "$a" > "$WORK/made"
  aws sagemaker delete-action --action-name clean > "$WORK/made"
  aws sagemaker delete-context --context-name site > "$WORK/made"
  refused ResourceNotFound aws sagemaker describe-context --context-name site
}
experiments() {
  aws sagemaker create-experiment --experiment-name e --tags Key=team,Value=a > "$WORK/arns"
  aws sagemaker create-trial --trial-name t --experiment-name e > "$WORK/arns"
  aws sagemaker create-trial-component --trial-component-name c --status PrimaryStatus=InProgress --parameters depth={NumberValue=3} > "$WORK/arns"
  aws sagemaker associate-trial-component --trial-name t --trial-component-name c > "$WORK/arns"
  aws sagemaker update-experiment --experiment-name e --display-name shown > "$WORK/arns"
  aws sagemaker update-trial --trial-name t --display-name tried > "$WORK/arns"
  aws sagemaker update-trial-component --trial-component-name c --status PrimaryStatus=Completed > "$WORK/arns"
  aws sagemaker-metrics batch-put-metrics --trial-component-name c --metric-data MetricName=loss,Timestamp=$(date +%s),Step=1,Value=0.5 --query 'length(not_null(Errors,`[]`))' | has -x 0
  test "$(aws sagemaker describe-trial-component --trial-component-name c --query 'Metrics[0].Last')" = 0.5
  aws sagemaker list-experiments --query 'ExperimentSummaries[].DisplayName' --output text | has -x shown
  aws sagemaker list-trials --experiment-name e --query 'TrialSummaries[].DisplayName' --output text | has -x tried
  aws sagemaker list-trial-components --trial-name t --query 'TrialComponentSummaries[].Status.PrimaryStatus' --output text | has -x Completed
  aws sagemaker search --resource ExperimentTrialComponent --search-expression 'Filters=[{Name=Parameters.depth,Operator=GreaterThan,Value=2}]' \
    --query 'Results[].TrialComponent.TrialComponentName' --output text | has -x c
  aws sagemaker get-search-suggestions --resource ExperimentTrialComponent --suggestion-query PropertyNameQuery={PropertyNameHint=Parameters.} \
    --query 'PropertyNameSuggestions[].PropertyName' --output text | tr '\t' '\n' | has -xF Parameters.
  refused ValidationException aws sagemaker delete-experiment --experiment-name e
  aws sagemaker disassociate-trial-component --trial-name t --trial-component-name c > "$WORK/arns"
  aws sagemaker delete-trial-component --trial-component-name c > "$WORK/arns"
  aws sagemaker delete-trial --trial-name t > "$WORK/arns"
  aws sagemaker delete-experiment --experiment-name e > "$WORK/arns"
  refused ResourceNotFound aws sagemaker describe-trial --trial-name t
}
lineage & first=$!
WORK=$(mktemp -d "$WORK/XXXX") && experiments & second=$!
wait $first
wait $second
