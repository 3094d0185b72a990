package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// Statuses of executions and steps, as the service names them.
const (
	Executing = "Executing"
	Starting  = "Starting" // steps only
	Stopping  = "Stopping"
	Stopped   = "Stopped"
	Failed    = "Failed"
	Succeeded = "Succeeded"
)

// An Execution is one run of a pipeline, as the service tells it.
type Execution struct {
	ARN, PipelineARN, DisplayName string
	Status                        string
	FailureReason                 string    // "" unless Failed
	Started, Ended                time.Time // Ended is the zero time while it runs
	Seconds                       float64   // from Started to Ended, or to the last change
	Steps                         []StepResult
}

// Done says whether the execution has come to its end.
func (e *Execution) Done() bool { return over(e.Status) }

// Step is the result of a step, or nil where the execution has not come to it.
func (e *Execution) Step(name string) *StepResult {
	for i := range e.Steps {
		if e.Steps[i].Name == name {
			return &e.Steps[i]
		}
	}
	return nil
}

// A StepResult is a step of an execution. Steps that have not begun, and those of a branch that is not taken, have none.
type StepResult struct {
	Name, Status  string
	FailureReason string
	Started       time.Time
	Ended         time.Time // the zero time while it runs
	Seconds       float64   // from Started to Ended, 0 while it runs
	// Cached says that an earlier result stands for this one, CachedFrom that execution's ARN.
	Cached     bool
	CachedFrom string
	// Kind is the step's type: Processing, Training, Tuning, Model, RegisterModel, Condition or Fail, "" where the service does not tell.
	Kind     string
	Resource string // the ARN of what the step made: its job, model or model package
	Outcome  string // of a Condition: True or False
	Attempts int
}

func over(status string) bool { return status == Succeeded || status == Failed || status == Stopped }

// Describe tells how an execution stands, with all its steps in the order in which they began.
func (c *Client) Describe(ctx context.Context, executionARN string) (*Execution, error) {
	return describe(ctx, c.api, executionARN)
}

func describe(ctx context.Context, api *awsapi.Client, executionARN string) (*Execution, error) {
	out, err := api.DescribePipelineExecution(ctx, &awsapi.DescribePipelineExecutionRequest{PipelineExecutionArn: &executionARN})
	if err != nil {
		return nil, fmt.Errorf("describe execution %s: %w", executionARN, err)
	}
	e := &Execution{ARN: executionARN, PipelineARN: awsapi.Val(out.PipelineArn), DisplayName: awsapi.Val(out.PipelineExecutionDisplayName),
		Status: awsapi.Val(out.PipelineExecutionStatus), FailureReason: awsapi.Val(out.FailureReason), Started: moment(out.CreationTime)}
	// The steps are asked for after the status: of an execution that is over, they are all final.
	list := &awsapi.ListPipelineExecutionStepsRequest{PipelineExecutionArn: &executionARN, SortOrder: new("Ascending"), MaxResults: new(int32(100))}
	for {
		page, err := api.ListPipelineExecutionSteps(ctx, list)
		if err != nil {
			return nil, fmt.Errorf("list the steps of execution %s: %w", executionARN, err)
		}
		for i := range page.PipelineExecutionSteps {
			e.Steps = append(e.Steps, stepResult(&page.PipelineExecutionSteps[i]))
		}
		if list.NextToken = page.NextToken; awsapi.Val(page.NextToken) == "" {
			break
		}
	}
	last := moment(out.LastModifiedTime)
	if e.Done() {
		e.Ended = last
	}
	if !e.Started.IsZero() && last.After(e.Started) {
		e.Seconds = last.Sub(e.Started).Seconds()
	}
	return e, nil
}

func moment(t *awsapi.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

func stepResult(s *awsapi.PipelineExecutionStep) StepResult {
	r := StepResult{Name: awsapi.Val(s.StepName), Status: awsapi.Val(s.StepStatus), FailureReason: awsapi.Val(s.FailureReason),
		Started: moment(s.StartTime), Ended: moment(s.EndTime), Attempts: int(awsapi.Val(s.AttemptCount))}
	if !r.Started.IsZero() && r.Ended.After(r.Started) {
		r.Seconds = r.Ended.Sub(r.Started).Seconds()
	}
	if s.CacheHitResult != nil {
		r.Cached, r.CachedFrom = true, awsapi.Val(s.CacheHitResult.SourcePipelineExecutionArn)
	}
	if m := s.Metadata; m != nil {
		switch {
		case m.ProcessingJob != nil:
			r.Kind, r.Resource = "Processing", awsapi.Val(m.ProcessingJob.Arn)
		case m.TrainingJob != nil:
			r.Kind, r.Resource = "Training", awsapi.Val(m.TrainingJob.Arn)
		case m.TuningJob != nil:
			r.Kind, r.Resource = "Tuning", awsapi.Val(m.TuningJob.Arn)
		case m.TransformJob != nil:
			r.Kind, r.Resource = "Transform", awsapi.Val(m.TransformJob.Arn)
		case m.Callback != nil:
			r.Kind, r.Resource = "Callback", awsapi.Val(m.Callback.SqsQueueUrl)
		case m.Lambda != nil:
			r.Kind, r.Resource = "Lambda", awsapi.Val(m.Lambda.Arn)
		case m.Model != nil:
			r.Kind, r.Resource = "Model", awsapi.Val(m.Model.Arn)
		case m.RegisterModel != nil:
			r.Kind, r.Resource = "RegisterModel", awsapi.Val(m.RegisterModel.Arn)
		case m.Condition != nil:
			r.Kind, r.Outcome = "Condition", awsapi.Val(m.Condition.Outcome)
		case m.Fail != nil:
			r.Kind = "Fail"
			if r.FailureReason == "" {
				r.FailureReason = awsapi.Val(m.Fail.ErrorMessage)
			}
		}
	}
	return r
}
