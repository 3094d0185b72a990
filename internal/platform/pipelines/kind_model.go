package pipelines

import (
	"encoding/json"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
)

type model struct{}

func (model) operation() string { return "sagemaker:CreateModel" }

func (model) start(r *run, def *definition.Step, row *step, args map[string]any) (string, error) {
	var in awsapi.CreateModelInput
	if err := request(def, args, &in); err != nil {
		return "", err
	}
	in.ModelName, in.Tags = &row.ChildName, r.tags(row, in.Tags)
	out, err := r.svc.Models.CreateModel(r.ctx, &in)
	if err != nil && exists(err) {
		made, err := r.svc.Models.DescribeModel(r.ctx, &awsapi.DescribeModelInput{ModelName: &row.ChildName})
		if err != nil {
			return "", err
		}
		return *made.ModelArn, nil
	}
	if err != nil {
		return "", err
	}
	return *out.ModelArn, nil
}

func (model) observe(r *run, row *step) (observation, error) {
	out, err := r.svc.Models.DescribeModel(r.ctx, &awsapi.DescribeModelInput{ModelName: &row.ChildName})
	if err != nil {
		return observation{}, err
	}
	return observed(out, "Completed", "", false)
}

func (model) stop(*run, *step) error { return nil }

type register struct{}

func (register) operation() string { return "sagemaker:CreateModelPackage" }

// start registers the model. The package's name is given by the registry, so the step's child name goes along as the client token: the
// registry gives the same package again for it.
func (register) start(r *run, def *definition.Step, row *step, args map[string]any) (string, error) {
	var in awsapi.CreateModelPackageInput
	if err := request(def, args, &in); err != nil {
		return "", err
	}
	group := awsapi.Val(in.ModelPackageGroupName)
	if group != "" && !strings.HasPrefix(group, "arn:") {
		_, err := r.svc.Registry.CreateModelPackageGroup(r.ctx, &awsapi.CreateModelPackageGroupInput{ModelPackageGroupName: &group})
		if err != nil && !exists(err) {
			return "", err
		}
	}
	in.ClientToken = new(digest(row.ChildName)[:36])
	if in.MetadataProperties == nil {
		in.MetadataProperties = &awsapi.MetadataProperties{GeneratedBy: &r.exec.ARN}
	}
	out, err := r.svc.Registry.CreateModelPackage(r.ctx, &in)
	if err != nil {
		return "", err
	}
	return *out.ModelPackageArn, nil
}

func (register) observe(r *run, row *step) (observation, error) {
	out, err := r.svc.Registry.DescribeModelPackage(r.ctx, &awsapi.DescribeModelPackageInput{ModelPackageName: &row.Child})
	if err != nil {
		return observation{}, err
	}
	status := awsapi.Val(out.ModelPackageStatus)
	reason := ""
	if status == awsapi.ModelPackageStatusFailed {
		b, err := json.Marshal(out.ModelPackageStatusDetails)
		if err != nil {
			return observation{}, err
		}
		reason = "ClientError: " + string(b)
	}
	return observed(out, status, reason, false)
}

func (register) stop(*run, *step) error { return nil }
