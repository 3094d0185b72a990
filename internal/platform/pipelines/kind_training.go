package pipelines

import (
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
)

type training struct{}

func (training) operation() string { return "sagemaker:CreateTrainingJob" }

func (training) start(r *run, def *definition.Step, row *step, args map[string]any) (string, error) {
	var in awsapi.CreateTrainingJobRequest
	if err := request(def, args, &in); err != nil {
		return "", err
	}
	in.TrainingJobName, in.Tags = &row.ChildName, r.tags(row, in.Tags)
	if in.ExperimentConfig == nil {
		in.ExperimentConfig = r.experimentConfig()
	}
	out, err := r.svc.Jobs.CreateTrainingJob(r.ctx, &in)
	if err != nil && exists(err) {
		made, err := r.svc.Jobs.DescribeTrainingJob(r.ctx, &awsapi.DescribeTrainingJobRequest{TrainingJobName: &row.ChildName})
		if err != nil {
			return "", err
		}
		return *made.TrainingJobArn, nil
	}
	if err != nil {
		return "", err
	}
	return *out.TrainingJobArn, nil
}

func (training) observe(r *run, row *step) (observation, error) {
	out, err := r.svc.Jobs.DescribeTrainingJob(r.ctx, &awsapi.DescribeTrainingJobRequest{TrainingJobName: &row.ChildName})
	if err != nil {
		return observation{}, err
	}
	return observed(out, awsapi.Val(out.TrainingJobStatus), awsapi.Val(out.FailureReason), row.Status == awsapi.StepStatusStopping)
}

func (training) stop(r *run, row *step) error {
	return stoppable(r.svc.Jobs.StopTrainingJob(r.ctx, &awsapi.StopTrainingJobRequest{TrainingJobName: &row.ChildName}))
}
