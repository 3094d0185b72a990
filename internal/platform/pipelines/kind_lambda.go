package pipelines

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
)

// lambda executes Lambda steps: the function gets the step's arguments as its event, and the members of what it returns are the outputs.
type lambda struct{}

func (lambda) operation() string { return "lambda:Invoke" }

func (lambda) start(r *run, def *definition.Step, row *step, args map[string]any) (string, error) {
	event, err := json.Marshal(args)
	if err != nil {
		return "", err
	}
	return def.FunctionARN, r.svc.Functions.Begin(r.ctx, def.FunctionARN, row.ChildName, event)
}

func (lambda) observe(r *run, row *step) (observation, error) {
	done, failure, payload, err := r.svc.Functions.Result(r.ctx, row.ChildName)
	switch {
	case err != nil:
		return observation{}, err
	case !done:
		return observation{status: row.Status}, nil
	case row.Status == awsapi.StepStatusStopping:
		return observation{status: awsapi.StepStatusStopped}, nil
	case failure != "":
		return observation{status: awsapi.StepStatusFailed, reason: "ClientError: The Lambda function failed (" + failure + "): " + string(payload)}, nil
	}
	values, err := outputsFrom(r.def.Step(row.Name), payload)
	if err != nil {
		return observation{status: awsapi.StepStatusFailed, reason: "ClientError: " + err.Error()}, nil
	}
	properties, err := definition.OutputProperties(values)
	return observation{status: awsapi.StepStatusSucceeded, properties: properties}, err
}

// outputsFrom reads the step's declared outputs out of what its function returned.
func outputsFrom(def *definition.Step, payload []byte) (map[string]any, error) {
	values := map[string]any{}
	if len(def.Outputs) == 0 {
		return values, nil
	}
	var returned map[string]any
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&returned); err != nil || returned == nil {
		return nil, fmt.Errorf("the function must return a JSON object with the step's output parameters; it returned %s", cutText(string(payload), 200))
	}
	for _, out := range def.Outputs {
		given, ok := returned[out.OutputName]
		if !ok || given == nil {
			return nil, fmt.Errorf("the function's result has no output parameter '%s'", out.OutputName)
		}
		value, err := out.Value(given)
		if err != nil {
			return nil, err
		}
		values[out.OutputName] = value
	}
	return values, nil
}

func (lambda) stop(r *run, row *step) error { return r.svc.Functions.Cancel(r.ctx, row.ChildName) }
