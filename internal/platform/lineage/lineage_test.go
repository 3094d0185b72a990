package lineage_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/lineage"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/store"
)

// touched answers what a job read and wrote, by its ARN.
type touched struct{ wrote, read map[string][]string }

func (f touched) WrittenBy(_ context.Context, job string) ([]string, error) { return f.wrote[job], nil }
func (f touched) ReadBy(_ context.Context, job string) ([]string, error)    { return f.read[job], nil }

// noComponents knows no trial components, as when the events of lineage are worked off first.
type noComponents struct{}

func (noComponents) ComponentByARN(_ *store.Tx, arn string) (*awsapi.DescribeTrialComponentResponse, error) {
	return nil, awsapi.NotFound("%s", arn)
}

// served has one endpoint configuration, of one model of a model package.
type served struct{ pkg string }

func (s served) DescribeEndpointConfig(context.Context, *awsapi.DescribeEndpointConfigInput) (*awsapi.DescribeEndpointConfigOutput, error) {
	return &awsapi.DescribeEndpointConfigOutput{ProductionVariants: []awsapi.ProductionVariant{{ModelName: new("m")}}}, nil
}

func (s served) DescribeModel(context.Context, *awsapi.DescribeModelInput) (*awsapi.DescribeModelOutput, error) {
	return &awsapi.DescribeModelOutput{PrimaryContainer: &awsapi.ContainerDefinition{ModelPackageName: &s.pkg}}, nil
}

const (
	csv     = "s3://data/transactions.csv"
	offline = "s3://data/features/offline/data"
	split   = "s3://data/split/train"
	model   = "s3://data/model/model.tar.gz"
	image   = "mobula/runtime"
)

func arn(resource string) string {
	return store.Scope{Account: "123456789012", Region: "us-east-1"}.ARN(resource)
}

func input(name, uri string) awsapi.ProcessingInput {
	return awsapi.ProcessingInput{InputName: &name, S3Input: &awsapi.ProcessingS3Input{S3Uri: &uri}}
}

// flow is the events of a workflow from a file to an endpoint.
func flow() []store.Event {
	ev := func(kind, resource string, d any) store.Event {
		return store.Event{Type: kind, Resource: arn(resource), Data: awsapi.Encode(d)}
	}
	return []store.Event{
		ev("FeatureGroup.Created", "feature-group/fg", &awsapi.DescribeFeatureGroupResponse{FeatureGroupArn: new(arn("feature-group/fg")), FeatureGroupName: new("fg"),
			OfflineStoreConfig: &awsapi.OfflineStoreConfig{S3StorageConfig: &awsapi.S3StorageConfig{S3Uri: new("s3://data/features"), ResolvedOutputS3Uri: new(offline)}}}),
		ev("ProcessingJob.Completed", "processing-job/ingest", &awsapi.DescribeProcessingJobResponse{ProcessingJobArn: new(arn("processing-job/ingest")), ProcessingJobName: new("Ingest"),
			AppSpecification: &awsapi.AppSpecification{ImageUri: new(image)}, ProcessingInputs: []awsapi.ProcessingInput{input("csv", csv)}}),
		ev("ProcessingJob.Completed", "processing-job/split", &awsapi.DescribeProcessingJobResponse{ProcessingJobArn: new(arn("processing-job/split")), ProcessingJobName: new("split"),
			AppSpecification: &awsapi.AppSpecification{ImageUri: new(image)}, ProcessingOutputConfig: &awsapi.ProcessingOutputConfig{Outputs: []awsapi.ProcessingOutput{
				{OutputName: new("train"), S3Output: &awsapi.ProcessingS3Output{S3Uri: new(split)}}}}}),
		ev("TrainingJob.Completed", "training-job/train", &awsapi.DescribeTrainingJobResponse{TrainingJobArn: new(arn("training-job/train")), TrainingJobName: new("train"),
			AlgorithmSpecification: &awsapi.AlgorithmSpecification{TrainingImage: new(image)}, ModelArtifacts: &awsapi.ModelArtifacts{S3ModelArtifacts: new(model)},
			// The slash at the end names the same prefix as without.
			InputDataConfig: []awsapi.Channel{{ChannelName: new("train"), DataSource: &awsapi.DataSource{S3DataSource: &awsapi.S3DataSource{S3Uri: new(split + "/")}}}}}),
		ev("ModelPackage.Created", "model-package/g/1", &awsapi.DescribeModelPackageOutput{ModelPackageArn: new(arn("model-package/g/1")), ModelPackageName: new("g"),
			ModelPackageGroupName: new("g"), ModelPackageVersion: new(int32(1)), InferenceSpecification: &awsapi.InferenceSpecification{
				Containers: []awsapi.ModelPackageContainerDefinition{{Image: new(image), ModelDataUrl: new(model)}}}}),
		ev("Endpoint.InService", "endpoint/live", &awsapi.DescribeEndpointOutput{EndpointArn: new(arn("endpoint/live")), EndpointName: new("Live"), EndpointConfigName: new("c")}),
	}
}

func open(t *testing.T, env *platformtest.Env) *lineage.Service {
	t.Helper()
	s := lineage.New(lineage.Deps{DB: env.DB, Objects: env.Objects, Components: noComponents{}, World: env.World, Log: env.Log, Endpoints: served{arn("model-package/g/1")}, Features: touched{
		wrote: map[string][]string{arn("processing-job/ingest"): {"fg"}}, read: map[string][]string{arn("processing-job/split"): {"fg"}}}})
	if err := s.Start(env.Ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func emit(t *testing.T, env *platformtest.Env, events ...store.Event) {
	t.Helper()
	for _, e := range events {
		if err := env.DB.Update(env.Ctx, func(tx *store.Tx) error { return tx.Emit(e) }); err != nil {
			t.Fatal(err)
		}
	}
}

func hasContext(env *platformtest.Env, s *lineage.Service, name string) func() bool {
	return func() bool {
		_, err := s.DescribeContext(env.Ctx, &awsapi.DescribeContextRequest{ContextName: &name})
		return err == nil
	}
}

// back walks from a node against the direction of the associations and returns what it meets.
func back(t *testing.T, env *platformtest.Env, s *lineage.Service, from string, met map[string]bool) map[string]bool {
	t.Helper()
	out, err := s.ListAssociations(env.Ctx, &awsapi.ListAssociationsRequest{DestinationArn: &from})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range out.AssociationSummaries {
		if !met[*a.SourceArn] {
			met[*a.SourceArn] = true
			back(t, env, s, *a.SourceArn, met)
		}
	}
	return met
}

func artifactARN(t *testing.T, env *platformtest.Env, s *lineage.Service, uri string) string {
	t.Helper()
	out, err := s.ListArtifacts(env.Ctx, &awsapi.ListArtifactsRequest{SourceUri: &uri})
	if err != nil || len(out.ArtifactSummaries) != 1 {
		t.Fatalf("artifacts of %s: %v, %v, want one", uri, out, err)
	}
	return *out.ArtifactSummaries[0].ArtifactArn
}

func edges(t *testing.T, env *platformtest.Env, s *lineage.Service) (n int) {
	t.Helper()
	in := &awsapi.ListAssociationsRequest{MaxResults: new(int32(3))}
	for {
		out, err := s.ListAssociations(env.Ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		n += len(out.AssociationSummaries)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return n
		}
	}
}

func TestTheWayBackFromAnEndpointToTheFileHasNoHole(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	emit(t, env, flow()...)
	platformtest.Eventually(t, "the endpoint's context", hasContext(env, s, "Live-aws-endpoint"))
	met := back(t, env, s, arn("context/live-aws-endpoint"), map[string]bool{})
	for _, uri := range []string{csv, offline, split, model, arn("model-package/g/1")} {
		if !met[artifactARN(t, env, s, uri)] {
			t.Errorf("%s is not on the way back: %v", uri, met)
		}
	}
	if node := arn("experiment-trial-component/ingest-aws-processing-job"); !met[node] {
		t.Errorf("the ingestion job is not on the way back")
	}
}

func TestEventsThatComeAgainAddNothing(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	emit(t, env, flow()...)
	platformtest.Eventually(t, "the endpoint's context", hasContext(env, s, "Live-aws-endpoint"))
	before := edges(t, env, s)
	s.Stop()
	s = open(t, env)
	emit(t, env, flow()...)
	emit(t, env, store.Event{Type: "PipelineExecution.Executing", Resource: arn("pipeline/p/execution/abcdefghijkl"), Data: []byte(`{}`)})
	platformtest.Eventually(t, "the last event", hasContext(env, s, "p-abcdefghijkl-aws-pipeline-execution"))
	if after := edges(t, env, s); after != before || before == 0 {
		t.Errorf("associations: %d, after the same events again %d", before, after)
	}
}

// A name in other letters has the same ARN; it must not hold up every event after it.
func TestANameThatComesAgainInOtherLetters(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	again := store.Event{Type: "Endpoint.InService", Resource: arn("endpoint/live"), Data: awsapi.Encode(&awsapi.DescribeEndpointOutput{
		EndpointArn: new(arn("endpoint/live")), EndpointName: new("LIVE"), EndpointConfigName: new("c")})}
	emit(t, env, append(flow(), again, store.Event{Type: "PipelineExecution.Executing", Resource: arn("pipeline/p/execution/abcdefghijkl"), Data: []byte(`{}`)})...)
	platformtest.Eventually(t, "the event after", hasContext(env, s, "p-abcdefghijkl-aws-pipeline-execution"))
}

func TestWrongReferences(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	a, err := s.CreateArtifact(env.Ctx, &awsapi.CreateArtifactRequest{Source: &awsapi.ArtifactSource{SourceUri: new(csv)}, ArtifactType: new("DataSet")})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := s.CreateArtifact(env.Ctx, &awsapi.CreateArtifactRequest{Source: &awsapi.ArtifactSource{SourceUri: new(csv)}, ArtifactType: new("DataSet")}); err != nil || *a.ArtifactArn != *b.ArtifactArn {
		t.Errorf("the same source again: %v, %v", b, err)
	}
	nowhere := arn("artifact/" + strings.Repeat("0", 32))
	for name, call := range map[string]func() error{
		"associate": func() error {
			_, err := s.AddAssociation(env.Ctx, &awsapi.AddAssociationRequest{SourceArn: a.ArtifactArn, DestinationArn: &nowhere})
			return err
		},
		"dissociate": func() error {
			_, err := s.DeleteAssociation(env.Ctx, &awsapi.DeleteAssociationRequest{SourceArn: a.ArtifactArn, DestinationArn: &nowhere})
			return err
		},
		"delete": func() error {
			_, err := s.DeleteArtifact(env.Ctx, &awsapi.DeleteArtifactRequest{ArtifactArn: &nowhere})
			return err
		},
	} {
		var e *awsapi.Error
		if err := call(); !errors.As(err, &e) || !awsapi.IsNotFound(err) || !strings.Contains(e.Message, nowhere) {
			t.Errorf("%s: %v, want ResourceNotFound that names %s", name, err, nowhere)
		}
	}
	if n := edges(t, env, s); n != 0 {
		t.Errorf("%d associations, want none", n)
	}
}
