package lineage

import (
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// transform joins a batch transform job to its model, its input and its output.
func (b *builder) transform(e store.Event) error {
	d, err := decode[awsapi.DescribeTransformJobResponse](e)
	if err != nil {
		return err
	}
	node := b.component(*d.TransformJobName, "-aws-transform-job")
	if in := d.TransformInput; in != nil && in.DataSource != nil && in.DataSource.S3DataSource != nil {
		if err := b.into(node, dataSet, awsapi.Val(in.DataSource.S3DataSource.S3Uri)); err != nil {
			return err
		}
	}
	if err := b.modelInto(node, d.ModelName); err != nil {
		return err
	}
	if d.TransformOutput == nil {
		return nil
	}
	return b.from(node, dataSet, awsapi.Val(d.TransformOutput.S3OutputPath))
}

// modelInto joins the data and the images of a model to a node.
func (b *builder) modelInto(node string, model *string) error {
	ctx := identity.With(b.ctx, identity.Principal{Account: b.scope.Account, Region: b.scope.Region})
	m, err := b.svc.Endpoints.DescribeModel(ctx, &awsapi.DescribeModelInput{ModelName: model})
	if err != nil {
		return ignoreGone(err)
	}
	containers := m.Containers
	if m.PrimaryContainer != nil {
		containers = append(containers, *m.PrimaryContainer)
	}
	for _, c := range containers {
		uri, kind := awsapi.Val(c.ModelDataUrl), modelType
		if c.ModelPackageName != nil {
			uri, kind = *c.ModelPackageName, packageType
		}
		if err := b.into(node, kind, uri); err != nil {
			return err
		}
		if err := b.into(node, imageType, awsapi.Val(c.Image)); err != nil {
			return err
		}
	}
	return nil
}
