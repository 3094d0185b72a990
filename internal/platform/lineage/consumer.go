package lineage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// A builder makes the entities of one event.
type builder struct {
	svc   *Service
	ctx   context.Context
	tx    *store.Tx
	scope store.Scope
	now   time.Time
}

// consume makes what an event means for lineage.
func (s *Service) consume(ctx context.Context, tx *store.Tx, e store.Event) error {
	p := strings.SplitN(e.Resource, ":", 6)
	if len(p) < 6 {
		return nil
	}
	b := &builder{svc: s, ctx: ctx, tx: tx, scope: store.Scope{Region: p[3], Account: p[4]}, now: e.Time}
	follow := map[string]func(store.Event) error{"ProcessingJob.Completed": b.processing, "TrainingJob.Completed": b.training, "TransformJob.Completed": b.transform, "FeatureGroup.Created": b.featureGroup,
		"ModelPackage.Created": b.modelPackage, "ModelPackage.Approved": b.approval, "ModelPackage.Rejected": b.approval, "Endpoint.InService": b.endpoint,
		"PipelineExecution.Executing": b.execution, "PipelineExecutionStep.Succeeded": b.step}[e.Type]
	if follow == nil {
		return nil
	}
	if err := follow(e); err != nil {
		return fmt.Errorf("%s: %w", e.Resource, err)
	}
	return nil
}

// entity makes an action or a context, or changes the one of that name. Names that differ in the case of letters have one ARN, so the ARN decides.
func (b *builder) entity(rows *store.Collection[entity], kind string, e entity) (string, error) {
	e.ARN, e.Created, e.Modified = b.scope.ARN(kind+"/"+strings.ToLower(e.Name)), b.now, b.now
	known, err := rows.GetARN(b.tx, e.ARN)
	switch {
	case err == nil:
		e.Name, e.Created = known.Name, known.Created
		return e.ARN, rows.Put(b.tx, b.scope, e.Name, &e)
	case errors.Is(err, store.ErrNotFound):
		return e.ARN, rows.Insert(b.tx, b.scope, e.Name, e.ARN, &e)
	}
	return "", err
}

func (b *builder) join(source, destination, kind string) error {
	return join(b.tx, b.scope, source, destination, kind, b.now)
}

// into joins the artifact of a URI to a node, from joins a node to it. Such artifacts have no name, so that clients show the URI.
func (b *builder) into(node, kind, uri string) error {
	if uri == "" {
		return nil
	}
	arn, earlier, err := b.artifact(kind, uri, "", nil)
	if err != nil {
		return err
	}
	if earlier != "" { // somebody whom no event tells of has changed what lies there
		if err := b.join(earlier, arn, awsapi.AssociationEdgeTypeDerivedFrom); err != nil {
			return err
		}
	}
	return b.join(arn, node, awsapi.AssociationEdgeTypeContributedTo)
}

func (b *builder) from(node, kind, uri string) error {
	if uri == "" {
		return nil
	}
	arn, _, err := b.artifact(kind, uri, "", nil)
	if err != nil {
		return err
	}
	return b.join(node, arn, awsapi.AssociationEdgeTypeProduced)
}

// The types of artifacts that SageMaker makes.
const (
	dataSet      = "DataSet"
	codeType     = "Code"
	checkpoint   = "Checkpoint"
	tensorBoard  = "TensorBoard"
	imageType    = "Image"
	modelType    = "Model"
	packageType  = "ModelPackage"
	featureGroup = "FeatureGroup"
)

// component is the ARN of the trial component of a job, which is the job's node.
func (b *builder) component(name, suffix string) string {
	return b.scope.ARN("experiment-trial-component/" + strings.ToLower(name) + suffix)
}

func decode[T any](e store.Event) (*T, error) {
	v := new(T)
	return v, json.Unmarshal(e.Data, v)
}

func (b *builder) processing(e store.Event) error {
	d, err := decode[awsapi.DescribeProcessingJobResponse](e)
	if err != nil {
		return err
	}
	node := b.component(*d.ProcessingJobName, "-aws-processing-job")
	if err := b.into(node, imageType, awsapi.Val(d.AppSpecification.ImageUri)); err != nil {
		return err
	}
	for _, in := range d.ProcessingInputs {
		if in.S3Input != nil {
			if err := b.into(node, dataSet, awsapi.Val(in.S3Input.S3Uri)); err != nil {
				return err
			}
		}
	}
	if d.ProcessingOutputConfig != nil {
		for _, out := range d.ProcessingOutputConfig.Outputs {
			if out.S3Output != nil {
				if err := b.from(node, dataSet, awsapi.Val(out.S3Output.S3Uri)); err != nil {
					return err
				}
			}
		}
	}
	return b.features(node, *d.ProcessingJobArn)
}

// features joins a job to the feature groups that it read and wrote, which no request names.
func (b *builder) features(node, jobARN string) error {
	for _, x := range []struct {
		ask  func(context.Context, string) ([]string, error)
		join func(group string) error
	}{
		{b.svc.Features.ReadBy, func(arn string) error { return b.join(arn, node, awsapi.AssociationEdgeTypeContributedTo) }},
		{b.svc.Features.WrittenBy, func(arn string) error { return b.join(node, arn, awsapi.AssociationEdgeTypeProduced) }},
	} {
		groups, err := x.ask(b.ctx, jobARN)
		if err != nil {
			return err
		}
		for _, g := range groups {
			page, err := artifactRows.List(b.tx, b.scope, store.Query{Keys: map[string]string{"group": g}, SortBy: store.ByCreated, Descending: true, Limit: 1})
			if err != nil {
				return err
			}
			for _, a := range page.Items {
				if err := x.join(a.ARN); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *builder) training(e store.Event) error {
	d, err := decode[awsapi.DescribeTrainingJobResponse](e)
	if err != nil {
		return err
	}
	node := b.component(*d.TrainingJobName, "-aws-training-job")
	if err := b.into(node, imageType, awsapi.Val(d.AlgorithmSpecification.TrainingImage)); err != nil {
		return err
	}
	for _, c := range d.InputDataConfig {
		if c.DataSource != nil && c.DataSource.S3DataSource != nil {
			if err := b.into(node, dataSet, awsapi.Val(c.DataSource.S3DataSource.S3Uri)); err != nil {
				return err
			}
		}
	}
	if code := strings.Trim(d.HyperParameters["sagemaker_submit_directory"], `"`); strings.HasPrefix(code, "s3://") {
		if err := b.into(node, codeType, code); err != nil {
			return err
		}
	}
	if c := d.CheckpointConfig; c != nil {
		if err := b.from(node, checkpoint, awsapi.Val(c.S3Uri)); err != nil {
			return err
		}
	}
	if c := d.TensorBoardOutputConfig; c != nil {
		if err := b.from(node, tensorBoard, awsapi.Val(c.S3OutputPath)); err != nil {
			return err
		}
	}
	if d.ModelArtifacts != nil {
		if err := b.from(node, modelType, awsapi.Val(d.ModelArtifacts.S3ModelArtifacts)); err != nil {
			return err
		}
	}
	return b.features(node, *d.TrainingJobArn)
}

func (b *builder) featureGroup(e store.Event) error {
	d, err := decode[awsapi.DescribeFeatureGroupResponse](e)
	if err != nil {
		return err
	}
	uri := *d.FeatureGroupArn
	if d.OfflineStoreConfig != nil {
		uri = awsapi.Val(d.OfflineStoreConfig.S3StorageConfig.ResolvedOutputS3Uri)
	}
	// The content of a feature group is its records, which come and go; the group is the same.
	uri = strings.TrimSuffix(uri, "/")
	a, err := artifactOf(b.tx, b.scope, uri)
	if err != nil {
		return err
	}
	if a == nil {
		a = &entity{Name: *d.FeatureGroupName, ARN: b.scope.ARN("artifact/" + artifactID(uri, featureGroup, nil)), Type: featureGroup, SourceURI: uri,
			Properties: map[string]string{"FeatureGroupArn": *d.FeatureGroupArn}, Created: b.now, Modified: b.now}
		if err := artifactRows.Insert(b.tx, b.scope, lastPart(a.ARN, "artifact"), a.ARN, a); err != nil {
			return err
		}
	}
	a.Group = *d.FeatureGroupName
	return artifactRows.Put(b.tx, b.scope, lastPart(a.ARN, "artifact"), a)
}

func (b *builder) packageNode(d *awsapi.DescribeModelPackageOutput) (string, error) {
	name := awsapi.Val(d.ModelPackageName)
	if d.ModelPackageVersion != nil {
		name = fmt.Sprintf("%s-%d-aws-model-package", *d.ModelPackageGroupName, *d.ModelPackageVersion)
	}
	arn, _, err := b.artifact(packageType, *d.ModelPackageArn, name, map[string]string{"ModelPackageArn": *d.ModelPackageArn})
	return arn, err
}

func (b *builder) modelPackage(e store.Event) error {
	d, err := decode[awsapi.DescribeModelPackageOutput](e)
	if err != nil {
		return err
	}
	node, err := b.packageNode(d)
	if err != nil {
		return err
	}
	if d.InferenceSpecification != nil {
		for _, c := range d.InferenceSpecification.Containers {
			if err := b.into(node, modelType, awsapi.Val(c.ModelDataUrl)); err != nil {
				return err
			}
			if err := b.into(node, imageType, awsapi.Val(c.Image)); err != nil {
				return err
			}
		}
	}
	if d.ModelPackageGroupName == nil {
		return nil
	}
	group := b.scope.ARN("model-package-group/" + strings.ToLower(*d.ModelPackageGroupName))
	arn, err := b.entity(contextRows, "context", entity{Name: *d.ModelPackageGroupName + "-aws-model-package-group", Type: "ModelGroup", SourceURI: group, SourceType: "ARN"})
	if err != nil {
		return err
	}
	return b.join(arn, node, awsapi.AssociationEdgeTypeAssociatedWith)
}

func (b *builder) approval(e store.Event) error {
	d, err := decode[awsapi.DescribeModelPackageOutput](e)
	if err != nil {
		return err
	}
	node, err := b.packageNode(d)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%d-%s-%d", *d.ModelPackageName, awsapi.Val(d.ModelPackageVersion), *d.ModelApprovalStatus, e.Seq)
	arn, err := b.entity(actionRows, "action", entity{Name: name, Type: "Approval", SourceURI: *d.ModelPackageArn, SourceType: "ARN", Status: awsapi.ActionStatusCompleted,
		Description: awsapi.Val(d.ApprovalDescription), Properties: map[string]string{"ModelApprovalStatus": *d.ModelApprovalStatus}})
	if err != nil {
		return err
	}
	return b.join(node, arn, awsapi.AssociationEdgeTypeContributedTo)
}

func (b *builder) endpoint(e store.Event) error {
	d, err := decode[awsapi.DescribeEndpointOutput](e)
	if err != nil {
		return err
	}
	context, err := b.entity(contextRows, "context", entity{Name: *d.EndpointName + "-aws-endpoint", Type: "Endpoint", SourceURI: *d.EndpointArn, SourceType: "ARN"})
	if err != nil {
		return err
	}
	action, err := b.entity(actionRows, "action", entity{Name: *d.EndpointName + "-aws-model-deployment-action", Type: "ModelDeployment", SourceURI: *d.EndpointArn,
		SourceType: "ARN", Status: awsapi.ActionStatusCompleted})
	if err != nil {
		return err
	}
	if err := b.join(action, context, awsapi.AssociationEdgeTypeProduced); err != nil {
		return err
	}
	if err := b.join(context, action, awsapi.AssociationEdgeTypeAssociatedWith); err != nil {
		return err
	}
	ctx := identity.With(b.ctx, identity.Principal{Account: b.scope.Account, Region: b.scope.Region})
	config, err := b.svc.Endpoints.DescribeEndpointConfig(ctx, &awsapi.DescribeEndpointConfigInput{EndpointConfigName: d.EndpointConfigName})
	if err != nil {
		return ignoreGone(err)
	}
	for _, v := range config.ProductionVariants {
		if err := b.modelInto(action, v.ModelName); err != nil {
			return err
		}
		if err := b.from(action, modelType, b.scope.ARN("model/"+*v.ModelName)); err != nil {
			return err
		}
	}
	return nil
}

// ignoreGone lets pass that something was deleted before its event was worked off.
func ignoreGone(err error) error {
	var known *awsapi.Error
	if errors.As(err, &known) && known.Status < 500 {
		return nil
	}
	return err
}

func (b *builder) executionContext(arn string) (string, error) {
	pipeline, id, _ := strings.Cut(lastPart(arn, "pipeline"), "/execution/")
	return b.entity(contextRows, "context", entity{Name: pipeline + "-" + id + "-aws-pipeline-execution", Type: "PipelineExecution", SourceURI: arn, SourceType: "ARN"})
}

func (b *builder) execution(e store.Event) error {
	_, err := b.executionContext(e.Resource)
	return err
}

// step joins the job of a step to the execution.
func (b *builder) step(e store.Event) error {
	d, err := decode[struct {
		PipelineExecutionArn string
		Step                 awsapi.PipelineExecutionStep
	}](e)
	if err != nil || d.Step.Metadata == nil || d.Step.CacheHitResult != nil {
		return err
	}
	node := ""
	switch m := d.Step.Metadata; {
	case m.ProcessingJob != nil:
		node = b.component(lastPart(*m.ProcessingJob.Arn, "processing-job"), "-aws-processing-job")
	case m.TrainingJob != nil:
		node = b.component(lastPart(*m.TrainingJob.Arn, "training-job"), "-aws-training-job")
	case m.TransformJob != nil:
		node = b.component(lastPart(*m.TransformJob.Arn, "transform-job"), "-aws-transform-job")
	default:
		return nil
	}
	context, err := b.executionContext(d.PipelineExecutionArn)
	if err != nil {
		return err
	}
	return b.join(context, node, awsapi.AssociationEdgeTypeAssociatedWith)
}
