package pipelines

import (
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
)

type processing struct{}

func (processing) operation() string { return "sagemaker:CreateProcessingJob" }

func (processing) start(r *run, def *definition.Step, row *step, args map[string]any) (string, error) {
	var in awsapi.CreateProcessingJobRequest
	if err := request(def, args, &in); err != nil {
		return "", err
	}
	in.ProcessingJobName, in.Tags = &row.ChildName, r.tags(row, in.Tags)
	if in.ExperimentConfig == nil {
		in.ExperimentConfig = r.experimentConfig()
	}
	out, err := r.svc.Jobs.CreateProcessingJob(r.ctx, &in)
	if err != nil && exists(err) {
		made, err := r.svc.Jobs.DescribeProcessingJob(r.ctx, &awsapi.DescribeProcessingJobRequest{ProcessingJobName: &row.ChildName})
		if err != nil {
			return "", err
		}
		return *made.ProcessingJobArn, nil
	}
	if err != nil {
		return "", err
	}
	return *out.ProcessingJobArn, nil
}

func (processing) observe(r *run, row *step) (observation, error) {
	out, err := r.svc.Jobs.DescribeProcessingJob(r.ctx, &awsapi.DescribeProcessingJobRequest{ProcessingJobName: &row.ChildName})
	if err != nil {
		return observation{}, err
	}
	reason := awsapi.Val(out.FailureReason)
	if reason == "" {
		reason = awsapi.Val(out.ExitMessage)
	}
	return observed(out, awsapi.Val(out.ProcessingJobStatus), reason, row.Status == awsapi.StepStatusStopping)
}

func (processing) stop(r *run, row *step) error {
	return stoppable(r.svc.Jobs.StopProcessingJob(r.ctx, &awsapi.StopProcessingJobRequest{ProcessingJobName: &row.ChildName}))
}
