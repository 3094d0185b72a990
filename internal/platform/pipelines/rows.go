package pipelines

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/internal/store"
)

// pipeline is the row of a pipeline.
type pipeline struct {
	Name, ARN, DisplayName, Description string
	Definition, RoleARN                 string
	MaxParallel                         int32 // 0: no limit but the service's
	Created, Modified                   time.Time
	LastRun                             *time.Time
	Version                             int64 // of the definition; 0 where the pipeline was made before there were versions
}

// execution is the row of an execution. Its name in the store is its id.
type execution struct {
	ID, ARN, Pipeline, PipelineARN string
	DisplayName, Description       string
	Scope                          store.Scope
	RoleARN                        string
	Definition                     string // frozen when the execution started
	Version                        int64
	Selected                       []string // the steps to run, nil for all of them
	Source                         string   // ARN of the execution whose results stand for the steps that were not selected
	Parameters                     []awsapi.Parameter
	ExperimentName, TrialName      string
	MaxParallel                    int32
	Status, FailureReason          string
	Created, Modified              time.Time
	Event                          int64 // Seq of its last event
}

// step is the row of a step of an execution, from the moment it starts. Its name in the store is "<execution id>/<step name>".
type step struct {
	Execution, Name, Type string
	Order                 int // place among the steps of the execution, by start
	Attempt               int
	Status                string
	FailureReason         string
	Started               time.Time
	Ended                 *time.Time

	Child        string // ARN of the job, model or package that the step made
	ChildName    string
	Outcome      string // of a Condition: True or False
	ErrorMessage string // of a Fail
	// Properties is what references to the step see: the Describe response of its child.
	Properties json.RawMessage
	Token      string // that a Callback waits for
	QueueURL   string // that a Callback's message went to
	Reused     string // ARN of the execution whose result stands for the step, which was not selected
	CacheHit   string // ARN of the execution whose result was taken
	CacheMiss  string // why none was
	Key        *key   // what the cache knows the step by, where it is cached

	Event    int64 // Seq of its last event
	FirstTry time.Time
	RetryAt  *time.Time // the step waits until then for its next attempt
}

var (
	pipelineRows = store.NewCollection("pipeline", func(p *pipeline) store.Index {
		return store.Index{Created: p.Created, Modified: p.Modified}
	})
	executionRows = store.NewCollection("pipeline-execution", func(e *execution) store.Index {
		return store.Index{Status: e.Status, Parent: e.Pipeline, Created: e.Created, Modified: e.Modified}
	})
	stepRows = store.NewCollection("pipeline-execution-step", func(s *step) store.Index {
		return store.Index{Status: s.Status, Parent: s.Execution, Created: s.Started}
	})
)

// over says whether a status of an execution or a step is final.
func over(status string) bool {
	return status == awsapi.StepStatusSucceeded || status == awsapi.StepStatusFailed || status == awsapi.StepStatusStopped
}

func (s *step) row() string { return s.Execution + "/" + s.Name }

func parallelism(max int32) *awsapi.ParallelismConfiguration {
	if max == 0 {
		return nil
	}
	return &awsapi.ParallelismConfiguration{MaxParallelExecutionSteps: new(max)}
}

// optional returns nil for "", so that the wire does not carry empty members.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func stamp(t time.Time) *awsapi.Time { return &awsapi.Time{Time: t} }

func (e *execution) describe() *awsapi.DescribePipelineExecutionResponse {
	out := &awsapi.DescribePipelineExecutionResponse{
		PipelineArn: &e.PipelineARN, PipelineExecutionArn: &e.ARN,
		PipelineExecutionDisplayName: optional(e.DisplayName), PipelineExecutionDescription: optional(e.Description),
		PipelineExecutionStatus: &e.Status, FailureReason: optional(e.FailureReason),
		CreationTime: stamp(e.Created), LastModifiedTime: stamp(e.Modified),
		ParallelismConfiguration: parallelism(e.MaxParallel), RoleArn: optional(e.RoleARN),
	}
	out.PipelineVersionId = number(e.Version)
	if len(e.Selected) > 0 {
		out.SelectiveExecutionConfig = &awsapi.SelectiveExecutionConfig{SourcePipelineExecutionArn: optional(e.Source)}
		for _, name := range e.Selected {
			out.SelectiveExecutionConfig.SelectedSteps = append(out.SelectiveExecutionConfig.SelectedSteps, awsapi.SelectedStep{StepName: &name})
		}
	}
	if e.ExperimentName != "" {
		out.PipelineExperimentConfig = &awsapi.PipelineExperimentConfig{ExperimentName: &e.ExperimentName, TrialName: &e.TrialName}
	}
	return out
}

func (s *step) describe(d *definition.Definition) awsapi.PipelineExecutionStep {
	out := awsapi.PipelineExecutionStep{
		StepName: &s.Name, StepStatus: &s.Status, StartTime: stamp(s.Started),
		FailureReason: optional(s.FailureReason), AttemptCount: new(int32(s.Attempt)), Metadata: s.metadata(),
	}
	if s.Ended != nil {
		out.EndTime = stamp(*s.Ended)
	}
	if s.CacheHit != "" {
		out.CacheHitResult = &awsapi.CacheHitResult{SourcePipelineExecutionArn: &s.CacheHit}
	}
	if s.Reused != "" {
		out.SelectiveExecutionResult = &awsapi.SelectiveExecutionResult{SourcePipelineExecutionArn: &s.Reused}
	}
	if d != nil {
		if def := d.Step(s.Name); def != nil {
			out.StepDisplayName, out.StepDescription = optional(def.DisplayName), optional(def.Description)
		}
	}
	if s.CacheMiss != "" { // the service has no member for it
		text := "Not from the cache: " + s.CacheMiss
		if own := awsapi.Val(out.StepDescription); own != "" {
			text = own + " (" + text + ")"
		}
		out.StepDescription = new(cutText(text, maxDescription))
	}
	return out
}

// maxDescription is the longest description of a step on the wire, in characters.
const maxDescription = 3072

func (s *step) metadata() *awsapi.PipelineExecutionStepMetadata {
	m := &awsapi.PipelineExecutionStepMetadata{}
	switch {
	case s.Type == definition.Condition && s.Outcome != "":
		m.Condition = &awsapi.ConditionStepMetadata{Outcome: &s.Outcome}
	case s.Type == definition.Fail:
		m.Fail = &awsapi.FailStepMetadata{ErrorMessage: &s.ErrorMessage}
	case s.Type == definition.Callback:
		m.Callback = &awsapi.CallbackStepMetadata{CallbackToken: optional(s.Token), SqsQueueUrl: optional(s.QueueURL), OutputParameters: s.outputs()}
	case s.Child == "":
		return nil
	case s.Type == definition.Processing:
		m.ProcessingJob = &awsapi.ProcessingJobStepMetadata{Arn: &s.Child}
	case s.Type == definition.Training:
		m.TrainingJob = &awsapi.TrainingJobStepMetadata{Arn: &s.Child}
	case s.Type == definition.Tuning:
		m.TuningJob = &awsapi.TuningJobStepMetaData{Arn: &s.Child}
	case s.Type == definition.Transform:
		m.TransformJob = &awsapi.TransformJobStepMetadata{Arn: &s.Child}
	case s.Type == definition.Lambda:
		m.Lambda = &awsapi.LambdaStepMetadata{Arn: &s.Child, OutputParameters: s.outputs()}
	case s.Type == definition.Model:
		m.Model = &awsapi.ModelStepMetadata{Arn: &s.Child}
	case s.Type == definition.RegisterModel:
		m.RegisterModel = &awsapi.RegisterModelStepMetadata{Arn: &s.Child}
	}
	return m
}

// outputs are the output parameters of a Callback or Lambda step that has succeeded.
func (s *step) outputs() (list []awsapi.OutputParameter) {
	var p struct{ OutputParameters map[string]any }
	d := json.NewDecoder(bytes.NewReader(s.Properties))
	d.UseNumber()
	if len(s.Properties) == 0 || d.Decode(&p) != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(p.OutputParameters)) {
		list = append(list, awsapi.OutputParameter{Name: &name, Value: new(definition.Text(p.OutputParameters[name]))})
	}
	return list
}

// stepEvent is the data of a PipelineExecutionStep event.
type stepEvent struct {
	PipelineExecutionArn string
	Step                 awsapi.PipelineExecutionStep
}

// emitStep appends the event of a step's status and notes it in the row, which is to be kept after. Its cause is the step's event before, else
// the given one, else the execution's.
func emitStep(tx *store.Tx, e *execution, s *step, cause int64) error {
	data, err := json.Marshal(stepEvent{e.ARN, s.describe(nil)})
	if err != nil {
		return err
	}
	defer func() { s.Event = tx.Emitted() }()
	return tx.Emit(store.Event{Cause: cmp.Or(s.Event, cause, e.Event), Type: "PipelineExecutionStep." + s.Status, Resource: e.ARN + "/step/" + strings.ToLower(s.Name), Data: data})
}

// emitExecution appends the event of an execution's status and notes it in the row, which is to be kept after. Its cause is the given event,
// else the execution's before.
func emitExecution(tx *store.Tx, e *execution, cause int64) error {
	data, err := json.Marshal(e.describe())
	if err != nil {
		return err
	}
	defer func() { e.Event = tx.Emitted() }()
	return tx.Emit(store.Event{Cause: cmp.Or(cause, e.Event), Type: "PipelineExecution." + e.Status, Resource: e.ARN, Data: data})
}
