package experiments

import (
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

func fromTransform(d *awsapi.DescribeTransformJobResponse) *component {
	name := strings.ToLower(*d.TransformJobName) + "-aws-transform-job"
	c := &component{DescribeTrialComponentResponse: awsapi.DescribeTrialComponentResponse{TrialComponentName: &name, DisplayName: &name,
		Source: &awsapi.TrialComponentSource{SourceArn: d.TransformJobArn, SourceType: new("SageMakerTransformJob")},
		Status: statusOf(d.TransformJobStatus, d.FailureReason), StartTime: d.TransformStartTime, EndTime: d.TransformEndTime,
		Parameters: map[string]awsapi.TrialComponentParameterValue{}, InputArtifacts: map[string]awsapi.TrialComponentArtifact{}, OutputArtifacts: map[string]awsapi.TrialComponentArtifact{}}}
	for k, v := range d.Environment {
		c.Parameters[k] = text(v)
	}
	c.Parameters["SageMaker.ModelName"] = text(awsapi.Val(d.ModelName))
	if r := d.TransformResources; r != nil {
		c.Parameters["SageMaker.InstanceType"] = text(awsapi.Val(r.InstanceType))
		c.Parameters["SageMaker.InstanceCount"] = number(float64(awsapi.Val(r.InstanceCount)))
	}
	if in := d.TransformInput; in != nil && in.DataSource != nil && in.DataSource.S3DataSource != nil {
		c.InputArtifacts["SageMaker.TransformInput"] = artifact(awsapi.Val(in.DataSource.S3DataSource.S3Uri), awsapi.Val(in.ContentType))
	}
	if out := d.TransformOutput; out != nil {
		c.OutputArtifacts["SageMaker.TransformOutput"] = artifact(awsapi.Val(out.S3OutputPath), awsapi.Val(out.Accept))
	}
	return c
}
