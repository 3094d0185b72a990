package pipelines

import (
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
)

type transform struct{}

func (transform) operation() string { return "sagemaker:CreateTransformJob" }

func (transform) start(r *run, def *definition.Step, row *step, args map[string]any) (string, error) {
	var in awsapi.CreateTransformJobRequest
	if err := request(def, args, &in); err != nil {
		return "", err
	}
	in.TransformJobName, in.Tags = &row.ChildName, r.tags(row, in.Tags)
	if in.ExperimentConfig == nil {
		in.ExperimentConfig = r.experimentConfig()
	}
	out, err := r.svc.Transforms.CreateTransformJob(r.ctx, &in)
	if err != nil && exists(err) {
		made, err := r.svc.Transforms.DescribeTransformJob(r.ctx, &awsapi.DescribeTransformJobRequest{TransformJobName: &row.ChildName})
		if err != nil {
			return "", err
		}
		return *made.TransformJobArn, nil
	}
	if err != nil {
		return "", err
	}
	return *out.TransformJobArn, nil
}

func (transform) observe(r *run, row *step) (observation, error) {
	out, err := r.svc.Transforms.DescribeTransformJob(r.ctx, &awsapi.DescribeTransformJobRequest{TransformJobName: &row.ChildName})
	if err != nil {
		return observation{}, err
	}
	return observed(out, awsapi.Val(out.TransformJobStatus), awsapi.Val(out.FailureReason), row.Status == awsapi.StepStatusStopping)
}

func (transform) stop(r *run, row *step) error {
	return stoppable(r.svc.Transforms.StopTransformJob(r.ctx, &awsapi.StopTransformJobRequest{TransformJobName: &row.ChildName}))
}
