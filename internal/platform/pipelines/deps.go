package pipelines

import (
	"context"
	"log/slog"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

// Deps is what the room needs from below and beside it.
type Deps struct {
	DB      *store.DB
	Engine  *durable.Engine
	Objects object.Store
	World   world.World
	Log     *slog.Logger

	Jobs        Jobs
	Tuning      Tuning
	Registry    Registry
	Models      Models
	Experiments Experiments
	Features    FeatureGroups
	Runtimes    Runtimes // may be nil: no image gets a Python world

	// What may be nil: a definition with a step that needs it is refused.
	Transforms Transforms
	Functions  Functions
	Queues     Queues
}

// unserved says why a step type cannot be executed by the rooms that there are, or "".
func (d *Deps) unserved(stepType string) string {
	switch {
	case stepType == definition.Transform && d.Transforms == nil:
		return "batch transform jobs are not served"
	case stepType == definition.Lambda && d.Functions == nil:
		return "there is no Lambda service behind this endpoint"
	case stepType == definition.Callback && d.Queues == nil:
		return "there is no SQS queue behind this endpoint"
	}
	return ""
}

// Transforms runs the jobs of Transform steps.
type Transforms interface {
	CreateTransformJob(context.Context, *awsapi.CreateTransformJobRequest) (*awsapi.CreateTransformJobResponse, error)
	DescribeTransformJob(context.Context, *awsapi.DescribeTransformJobRequest) (*awsapi.DescribeTransformJobResponse, error)
	StopTransformJob(context.Context, *awsapi.StopTransformJobRequest) error
}

// Functions runs the functions of Lambda steps.
type Functions interface {
	// Begin invokes a function with an event, under a name. Where there is an invocation of that name, it is the one.
	Begin(ctx context.Context, functionARN, name string, event []byte) error
	// Result says what an invocation has come to: its payload is the JSON that the function returned, or where failure is not "" one that
	// describes what went wrong. The owner in the context of Begin is signalled when it is done.
	Result(ctx context.Context, name string) (done bool, failure string, payload []byte, err error)
	// Cancel ends an invocation; one that is done is left alone.
	Cancel(ctx context.Context, name string) error
	// CodeDigest changes with the function's code and settings.
	CodeDigest(ctx context.Context, functionARN string) (string, error)
	// Image is the image whose Python world the function runs in.
	Image(ctx context.Context, functionARN string) (string, error)
}

// Queues takes the messages of Callback steps.
type Queues interface {
	// Send puts a message on a queue in the caller's transaction. The error's code is QueueDoesNotExist where there is no such queue.
	Send(tx *store.Tx, scope store.Scope, queueURL, body string) error
}

// Jobs runs the jobs of Processing and Training steps.
type Jobs interface {
	CreateProcessingJob(context.Context, *awsapi.CreateProcessingJobRequest) (*awsapi.CreateProcessingJobResponse, error)
	DescribeProcessingJob(context.Context, *awsapi.DescribeProcessingJobRequest) (*awsapi.DescribeProcessingJobResponse, error)
	StopProcessingJob(context.Context, *awsapi.StopProcessingJobRequest) error
	CreateTrainingJob(context.Context, *awsapi.CreateTrainingJobRequest) (*awsapi.CreateTrainingJobResponse, error)
	DescribeTrainingJob(context.Context, *awsapi.DescribeTrainingJobRequest) (*awsapi.DescribeTrainingJobResponse, error)
	StopTrainingJob(context.Context, *awsapi.StopTrainingJobRequest) error
}

// Tuning runs the jobs of Tuning steps.
type Tuning interface {
	CreateHyperParameterTuningJob(context.Context, *awsapi.CreateHyperParameterTuningJobRequest) (*awsapi.CreateHyperParameterTuningJobResponse, error)
	DescribeHyperParameterTuningJob(context.Context, *awsapi.DescribeHyperParameterTuningJobRequest) (*awsapi.DescribeHyperParameterTuningJobResponse, error)
	StopHyperParameterTuningJob(context.Context, *awsapi.StopHyperParameterTuningJobRequest) error
	ListTrainingJobsForHyperParameterTuningJob(context.Context, *awsapi.ListTrainingJobsForHyperParameterTuningJobRequest) (*awsapi.ListTrainingJobsForHyperParameterTuningJobResponse, error)
}

// Registry takes the models of RegisterModel steps.
type Registry interface {
	CreateModelPackageGroup(context.Context, *awsapi.CreateModelPackageGroupInput) (*awsapi.CreateModelPackageGroupOutput, error)
	CreateModelPackage(context.Context, *awsapi.CreateModelPackageInput) (*awsapi.CreateModelPackageOutput, error)
	DescribeModelPackage(context.Context, *awsapi.DescribeModelPackageInput) (*awsapi.DescribeModelPackageOutput, error)
}

// Models makes the models of Model steps.
type Models interface {
	CreateModel(context.Context, *awsapi.CreateModelInput) (*awsapi.CreateModelOutput, error)
	DescribeModel(context.Context, *awsapi.DescribeModelInput) (*awsapi.DescribeModelOutput, error)
}

// Experiments holds the experiment and the trial that an execution makes.
type Experiments interface {
	CreateExperiment(context.Context, *awsapi.CreateExperimentRequest) (*awsapi.CreateExperimentResponse, error)
	CreateTrial(context.Context, *awsapi.CreateTrialRequest) (*awsapi.CreateTrialResponse, error)
}

// FeatureGroups tells the cache which feature groups a job touched and whether they have changed since.
type FeatureGroups interface {
	// WrittenBy returns the names of the feature groups that a job put records into.
	WrittenBy(ctx context.Context, jobARN string) ([]string, error)
	// ReadBy returns the names of the feature groups whose offline store a job asked for.
	ReadBy(ctx context.Context, jobARN string) ([]string, error)
	// Fingerprint changes when the group is made anew or gets a record; it is "" where there is no such group.
	Fingerprint(ctx context.Context, featureGroup string) (string, error)
}
