package pipelines

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/internal/store"
)

// callbackLimit is how long the service waits for the answer to a callback.
const callbackLimit = 7 * 24 * time.Hour

// A callback is a token that was sent out, and the answer to it. Its name in the store is the token.
type callback struct {
	Token, Execution, Step string // Execution is an ARN
	Arguments              map[string]any
	Created                time.Time
	Stopping               bool   // the queue was told that the execution stops
	Answer, Reason         string // Answer is the status of the step, "" while there is none
	Outputs                map[string]any
}

var callbackRows = store.NewCollection("pipeline-callback", func(c *callback) store.Index {
	return store.Index{Parent: c.Execution, Created: c.Created}
})

// awaiting executes Callback steps: a message with a token goes to a queue, and the step waits until somebody answers to the token.
type awaiting struct{}

func (awaiting) operation() string { return "sqs:SendMessage" }

// message is what the service puts on the queue.
type message struct {
	Token                string         `json:"token"`
	PipelineExecutionArn string         `json:"pipelineExecutionArn"`
	Arguments            map[string]any `json:"arguments"`
	Status               string         `json:"status"`
}

// start keeps the token and sends the message in one transaction, so that a pass that begins again sends no second one.
func (awaiting) start(r *run, def *definition.Step, row *step, args map[string]any) (string, error) {
	row.Token, row.QueueURL = digest(row.ChildName)[:10], def.QueueURL
	return "", r.lease.Update(r.ctx, func(tx *store.Tx) error {
		c := &callback{Token: row.Token, Execution: r.exec.ARN, Step: row.Name, Arguments: args, Created: r.svc.World.Now()}
		err := callbackRows.Insert(tx, r.exec.Scope, c.Token, r.exec.ARN+"/callback/"+c.Token, c)
		if errors.Is(err, store.ErrExists) {
			return nil
		}
		if err != nil {
			return err
		}
		return r.tell(tx, row, args, awsapi.StepStatusExecuting)
	})
}

func (r *run) tell(tx *store.Tx, row *step, args map[string]any, status string) error {
	body, err := json.Marshal(message{row.Token, r.exec.ARN, args, status})
	if err != nil {
		return err
	}
	return r.svc.Queues.Send(tx, r.exec.Scope, row.QueueURL, string(body))
}

func (awaiting) observe(r *run, row *step) (observation, error) {
	var c *callback
	err := r.svc.DB.View(r.ctx, func(tx *store.Tx) (err error) {
		c, err = callbackRows.Get(tx, r.exec.Scope, row.Token)
		return err
	})
	switch {
	case err != nil:
		return observation{}, err
	case c.Answer == "" && r.svc.World.Now().Sub(c.Created) > callbackLimit:
		return observation{status: awsapi.StepStatusFailed, reason: "ClientError: No response to the callback came within 7 days."}, nil
	case c.Answer == "":
		return observation{status: row.Status}, nil
	case row.Status == awsapi.StepStatusStopping:
		return observation{status: awsapi.StepStatusStopped, reason: c.Reason}, nil
	}
	properties, err := definition.OutputProperties(c.Outputs)
	return observation{status: c.Answer, reason: c.Reason, properties: properties}, err
}

// stop tells the queue. As in the service, the step ends when the answer comes.
func (awaiting) stop(r *run, row *step) error {
	return r.lease.Update(r.ctx, func(tx *store.Tx) error {
		c, err := callbackRows.Get(tx, r.exec.Scope, row.Token)
		if err != nil || c.Stopping || c.Answer != "" {
			return err
		}
		c.Stopping = true
		if err := callbackRows.Put(tx, r.exec.Scope, c.Token, c); err != nil {
			return err
		}
		err = r.tell(tx, row, c.Arguments, awsapi.StepStatusStopping)
		if awsapi.IsCode(err, "QueueDoesNotExist") { // nobody is there to answer
			c.Answer, c.Reason = awsapi.StepStatusStopped, "ClientError: the queue of the callback does not exist any more"
			return callbackRows.Put(tx, r.exec.Scope, c.Token, c)
		}
		return err
	})
}

// SendPipelineExecutionStepSuccess ends the Callback step that waits for the token, with its outputs.
func (s *Service) SendPipelineExecutionStepSuccess(ctx context.Context, in *awsapi.SendPipelineExecutionStepSuccessRequest) (*awsapi.SendPipelineExecutionStepSuccessResponse, error) {
	arn, err := s.answer(ctx, *in.CallbackToken, func(def *definition.Step, c *callback) error {
		c.Answer, c.Outputs = awsapi.StepStatusSucceeded, map[string]any{}
		for _, p := range in.OutputParameters {
			out, ok := def.OutputNamed(awsapi.Val(p.Name))
			if !ok {
				return awsapi.Validation("OutputParameters: step '%s' declares no output parameter named '%s'", def.Name, awsapi.Val(p.Name))
			}
			value, err := out.Value(awsapi.Val(p.Value))
			if err != nil {
				return awsapi.Validation("OutputParameters: %v", err)
			}
			c.Outputs[out.OutputName] = value
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.SendPipelineExecutionStepSuccessResponse{PipelineExecutionArn: &arn}, nil
}

// SendPipelineExecutionStepFailure fails the Callback step that waits for the token.
func (s *Service) SendPipelineExecutionStepFailure(ctx context.Context, in *awsapi.SendPipelineExecutionStepFailureRequest) (*awsapi.SendPipelineExecutionStepFailureResponse, error) {
	arn, err := s.answer(ctx, *in.CallbackToken, func(_ *definition.Step, c *callback) error {
		c.Answer, c.Reason = awsapi.StepStatusFailed, awsapi.Val(in.FailureReason)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.SendPipelineExecutionStepFailureResponse{PipelineExecutionArn: &arn}, nil
}

// answer keeps what fn makes the answer to a token, and tells the execution. A token is answered once; the same answer again changes nothing.
func (s *Service) answer(ctx context.Context, token string, fn func(*definition.Step, *callback) error) (arn string, err error) {
	scope := identity.From(ctx).Scope()
	return arn, s.DB.Update(ctx, func(tx *store.Tx) error {
		c, err := callbackRows.Get(tx, scope, token)
		if errors.Is(err, store.ErrNotFound) {
			return awsapi.NotFound("There is no Callback step that waits for the token '%s'.", token)
		}
		if err != nil {
			return err
		}
		arn = c.Execution
		e, err := getExecution(tx, &c.Execution)
		if err != nil {
			return err
		}
		d, err := s.parse(e.Definition)
		if err != nil {
			return err
		}
		before := *c
		if err := fn(d.Step(c.Step), c); err != nil {
			return err
		}
		if before.Answer != "" {
			if before.Answer == c.Answer && before.Reason == c.Reason {
				return nil
			}
			return awsapi.Conflict("The Callback step '%s' of execution '%s' was answered before: it is %s.", c.Step, c.Execution, before.Answer)
		}
		if over(e.Status) {
			return awsapi.Conflict("Execution '%s' is %s; its Callback step '%s' waits for no answer.", e.ARN, e.Status, c.Step)
		}
		if err := callbackRows.Put(tx, scope, token, c); err != nil {
			return err
		}
		return s.Engine.Signal(tx, controller, e.ARN)
	})
}

// forgetCallbacks drops the tokens of an execution.
func forgetCallbacks(tx *store.Tx, e *execution) error {
	for {
		page, err := callbackRows.List(tx, e.Scope, store.Query{Parent: e.ARN, SortBy: store.ByName, Limit: 100})
		if err != nil || len(page.Items) == 0 {
			return err
		}
		for _, c := range page.Items {
			if err := callbackRows.Delete(tx, e.Scope, c.Token); err != nil {
				return err
			}
		}
	}
}
