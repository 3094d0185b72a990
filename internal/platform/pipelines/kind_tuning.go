package pipelines

import (
	"encoding/json"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
)

type tuning struct{}

func (tuning) operation() string { return "sagemaker:CreateHyperParameterTuningJob" }

func (tuning) start(r *run, def *definition.Step, row *step, args map[string]any) (string, error) {
	var in awsapi.CreateHyperParameterTuningJobRequest
	if err := request(def, args, &in); err != nil {
		return "", err
	}
	in.HyperParameterTuningJobName, in.Tags = &row.ChildName, r.tags(row, in.Tags)
	out, err := r.svc.Tuning.CreateHyperParameterTuningJob(r.ctx, &in)
	if err != nil && exists(err) {
		made, err := r.svc.Tuning.DescribeHyperParameterTuningJob(r.ctx, &awsapi.DescribeHyperParameterTuningJobRequest{HyperParameterTuningJobName: &row.ChildName})
		if err != nil {
			return "", err
		}
		return *made.HyperParameterTuningJobArn, nil
	}
	if err != nil {
		return "", err
	}
	return *out.HyperParameterTuningJobArn, nil
}

func (tuning) observe(r *run, row *step) (observation, error) {
	out, err := r.svc.Tuning.DescribeHyperParameterTuningJob(r.ctx, &awsapi.DescribeHyperParameterTuningJobRequest{HyperParameterTuningJobName: &row.ChildName})
	if err != nil {
		return observation{}, err
	}
	o, err := observed(out, awsapi.Val(out.HyperParameterTuningJobStatus), awsapi.Val(out.FailureReason), row.Status == awsapi.StepStatusStopping)
	if err != nil || o.status != awsapi.StepStatusSucceeded {
		return o, err
	}
	o.properties, err = withSummaries(r, row, o.properties)
	return o, err
}

// withSummaries adds TrainingJobSummaries, the training jobs from the best to the worst, which the definition schema knows and the Describe response has not.
func withSummaries(r *run, row *step, properties json.RawMessage) (json.RawMessage, error) {
	var tree map[string]any
	if err := json.Unmarshal(properties, &tree); err != nil {
		return nil, err
	}
	order := awsapi.SortOrderAscending
	out, err := r.svc.Tuning.DescribeHyperParameterTuningJob(r.ctx, &awsapi.DescribeHyperParameterTuningJobRequest{HyperParameterTuningJobName: &row.ChildName})
	if err != nil {
		return nil, err
	}
	if config := out.HyperParameterTuningJobConfig; config != nil && config.HyperParameterTuningJobObjective != nil &&
		awsapi.Val(config.HyperParameterTuningJobObjective.Type) == awsapi.HyperParameterTuningJobObjectiveTypeMaximize {
		order = awsapi.SortOrderDescending
	}
	list, err := r.svc.Tuning.ListTrainingJobsForHyperParameterTuningJob(r.ctx, &awsapi.ListTrainingJobsForHyperParameterTuningJobRequest{
		HyperParameterTuningJobName: &row.ChildName, SortBy: new(awsapi.TrainingJobSortByOptionsFinalObjectiveMetricValue),
		SortOrder: &order, StatusEquals: new(awsapi.TrainingJobStatusCompleted), MaxResults: new(int32(100))})
	if err != nil {
		return nil, err
	}
	tree["TrainingJobSummaries"] = list.TrainingJobSummaries
	return json.Marshal(tree)
}

func (tuning) stop(r *run, row *step) error {
	return stoppable(r.svc.Tuning.StopHyperParameterTuningJob(r.ctx, &awsapi.StopHyperParameterTuningJobRequest{HyperParameterTuningJobName: &row.ChildName}))
}
