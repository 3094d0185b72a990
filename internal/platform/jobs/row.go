package jobs

import (
	"errors"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/store"
)

// job is the row of a processing or a training job; one of the requests is set.
type job struct {
	ID, Name, ARN string
	Scope         store.Scope
	Processing    *awsapi.CreateProcessingJobRequest
	Training      *awsapi.CreateTrainingJobRequest
	Owner         durable.Owner
	Maker         string // ARN of the job whose key made this one, or ""

	Status, Secondary, Reason, ExitMessage string
	Transitions                            []awsapi.SecondaryStatusTransition
	Metrics                                []awsapi.MetricData
	StopAsked, TimedOut                    bool
	Created, Modified                      time.Time
	Started, Ended                         *time.Time
}

func index(j *job) store.Index {
	return store.Index{Status: j.Status, Created: j.Created, Modified: j.Modified}
}

var (
	processingRows = store.NewCollection("processing-job", index)
	trainingRows   = store.NewCollection("training-job", index)
)

// rows is the collection that a job is in.
func (j *job) rows() *store.Collection[job] { return rowsOf(j.kind()) }

func rowsOf(kind string) *store.Collection[job] {
	if kind == processingKind {
		return processingRows
	}
	return trainingRows
}

// The kinds of job, which are also the kinds of their controllers.
const (
	processingKind = "processing-job"
	trainingKind   = "training-job"
)

// xgboost says whether a job's image is one of XGBoost's.
func (j *job) xgboost() bool {
	return j.Training != nil && xgboostImage.MatchString(awsapi.Val(j.Training.AlgorithmSpecification.TrainingImage))
}

func (j *job) kind() string {
	if j.Processing != nil {
		return processingKind
	}
	return trainingKind
}

// over says whether a job has ended.
func (j *job) over() bool {
	return j.Status == awsapi.TrainingJobStatusCompleted || j.Status == awsapi.TrainingJobStatusFailed || j.Status == awsapi.TrainingJobStatusStopped
}

func (j *job) role() string {
	if j.Processing != nil {
		return awsapi.Val(j.Processing.RoleArn)
	}
	return awsapi.Val(j.Training.RoleArn)
}

func (j *job) environment() map[string]string {
	if j.Processing != nil {
		return j.Processing.Environment
	}
	return j.Training.Environment
}

// cluster is the type and the number of the job's hosts.
func (j *job) cluster() (instanceType string, hosts int) {
	if j.Processing != nil {
		c := j.Processing.ProcessingResources.ClusterConfig
		return awsapi.Val(c.InstanceType), int(awsapi.Val(c.InstanceCount))
	}
	return awsapi.Val(j.Training.ResourceConfig.InstanceType), int(awsapi.Val(j.Training.ResourceConfig.InstanceCount))
}

// The limits that the service sets where the request has none.
const (
	defaultProcessingRuntime = 24 * time.Hour
	defaultTrainingRuntime   = 24 * time.Hour
)

func (j *job) maxRuntime() time.Duration {
	if j.Processing != nil {
		if c := j.Processing.StoppingCondition; c != nil {
			return time.Duration(awsapi.Val(c.MaxRuntimeInSeconds)) * time.Second
		}
		return defaultProcessingRuntime
	}
	if c := j.Training.StoppingCondition; c != nil && c.MaxRuntimeInSeconds != nil {
		return time.Duration(*c.MaxRuntimeInSeconds) * time.Second
	}
	return defaultTrainingRuntime
}

// turn begins a new secondary status.
func (j *job) turn(secondary, message string, now time.Time) {
	j.Modified = now
	if n := len(j.Transitions); n > 0 {
		if j.Secondary == secondary {
			j.Transitions[n-1].StatusMessage = &message
			return
		}
		j.Transitions[n-1].EndTime = awsapi.Stamp(now)
	}
	j.Secondary = secondary
	t := awsapi.SecondaryStatusTransition{Status: &secondary, StartTime: awsapi.Stamp(now), StatusMessage: &message}
	if j.over() {
		t.EndTime = awsapi.Stamp(now)
	}
	j.Transitions = append(j.Transitions, t)
}

// modelURI is where a training job's model goes.
func (j *job) outputURI(file string) string {
	return strings.TrimSuffix(awsapi.Val(j.Training.OutputDataConfig.S3OutputPath), "/") + "/" + j.Name + "/output/" + file
}

// find reads a job by name, or by the name as the ARN has it, in small letters: clients take names out of ARNs.
func find(tx *store.Tx, kind string, scope store.Scope, name *string) (*job, error) {
	j, err := rowsOf(kind).Get(tx, scope, awsapi.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		j, err = rowsOf(kind).GetARN(tx, scope.ARN(kind+"/"+strings.ToLower(awsapi.Val(name))))
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, awsapi.Validation("Could not find requested job with name: %s", awsapi.Val(name))
	}
	return j, err
}

// emit appends the event of a job's status.
func emit(tx *store.Tx, j *job) error {
	if j.Processing != nil {
		return tx.Emit(store.Event{Type: "ProcessingJob." + j.Status, Resource: j.ARN, Data: awsapi.Encode(j.describeProcessing())})
	}
	return tx.Emit(store.Event{Type: "TrainingJob." + j.Status, Resource: j.ARN, Data: awsapi.Encode(j.describeTraining())})
}

func (j *job) describeProcessing() *awsapi.DescribeProcessingJobResponse {
	in := j.Processing
	out := &awsapi.DescribeProcessingJobResponse{ProcessingJobName: &j.Name, ProcessingJobArn: &j.ARN, ProcessingJobStatus: &j.Status,
		ProcessingInputs: in.ProcessingInputs, ProcessingOutputConfig: in.ProcessingOutputConfig, ProcessingResources: in.ProcessingResources,
		StoppingCondition: in.StoppingCondition, AppSpecification: in.AppSpecification, Environment: in.Environment, NetworkConfig: in.NetworkConfig,
		RoleArn: in.RoleArn, ExperimentConfig: in.ExperimentConfig, FailureReason: awsapi.Optional(j.Reason), ExitMessage: awsapi.Optional(j.ExitMessage),
		CreationTime: awsapi.Stamp(j.Created), LastModifiedTime: awsapi.Stamp(j.Modified)}
	if out.StoppingCondition == nil {
		out.StoppingCondition = &awsapi.ProcessingStoppingCondition{MaxRuntimeInSeconds: new(int32(defaultProcessingRuntime / time.Second))}
	}
	if j.Started != nil {
		out.ProcessingStartTime = awsapi.Stamp(*j.Started)
	}
	if j.Ended != nil {
		out.ProcessingEndTime = awsapi.Stamp(*j.Ended)
	}
	return out
}

func (j *job) describeTraining() *awsapi.DescribeTrainingJobResponse {
	in := j.Training
	output := *in.OutputDataConfig
	if output.KmsKeyId == nil {
		output.KmsKeyId = new("") // clients read the member, so it is there
	}
	out := &awsapi.DescribeTrainingJobResponse{TrainingJobName: &j.Name, TrainingJobArn: &j.ARN, TrainingJobStatus: &j.Status, SecondaryStatus: &j.Secondary,
		SecondaryStatusTransitions: j.Transitions, FailureReason: awsapi.Optional(j.Reason), HyperParameters: in.HyperParameters,
		AlgorithmSpecification: in.AlgorithmSpecification, RoleArn: in.RoleArn, InputDataConfig: in.InputDataConfig, OutputDataConfig: &output,
		ResourceConfig: in.ResourceConfig, VpcConfig: in.VpcConfig, StoppingCondition: in.StoppingCondition, CreationTime: awsapi.Stamp(j.Created),
		LastModifiedTime: awsapi.Stamp(j.Modified), FinalMetricDataList: j.Metrics, EnableNetworkIsolation: in.EnableNetworkIsolation,
		EnableInterContainerTrafficEncryption: in.EnableInterContainerTrafficEncryption, EnableManagedSpotTraining: in.EnableManagedSpotTraining,
		CheckpointConfig: in.CheckpointConfig, DebugHookConfig: in.DebugHookConfig, DebugRuleConfigurations: in.DebugRuleConfigurations,
		ExperimentConfig: in.ExperimentConfig, TensorBoardOutputConfig: in.TensorBoardOutputConfig, ProfilerConfig: in.ProfilerConfig,
		ProfilerRuleConfigurations: in.ProfilerRuleConfigurations, Environment: in.Environment, RetryStrategy: in.RetryStrategy,
		RemoteDebugConfig: in.RemoteDebugConfig, InfraCheckConfig: in.InfraCheckConfig,
		ModelArtifacts: &awsapi.ModelArtifacts{S3ModelArtifacts: new(j.outputURI("model.tar.gz"))}, ProfilingStatus: new(awsapi.ProfilingStatusDisabled)}
	if out.StoppingCondition == nil {
		out.StoppingCondition = &awsapi.StoppingCondition{MaxRuntimeInSeconds: new(int32(defaultTrainingRuntime / time.Second))}
	}
	if j.Owner.Kind == "tuning-job" {
		out.TuningJobArn = &j.Owner.Key
	}
	if j.Started != nil {
		out.TrainingStartTime = awsapi.Stamp(*j.Started)
	}
	if j.Ended != nil {
		out.TrainingEndTime = awsapi.Stamp(*j.Ended)
		seconds := int32(0)
		if j.Started != nil {
			seconds = int32(j.Ended.Sub(*j.Started).Seconds() + 0.999)
		}
		out.TrainingTimeInSeconds, out.BillableTimeInSeconds = &seconds, &seconds
	}
	return out
}
