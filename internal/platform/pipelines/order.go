package pipelines

import (
	"fmt"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
)

func (r *run) decide(def *definition.Step, row *step) error {
	holds, err := definition.Holds(def, r)
	if err != nil {
		return r.failNew(row, "ClientError: "+err.Error())
	}
	row.Status, row.Outcome = awsapi.StepStatusSucceeded, "False"
	if holds {
		row.Outcome = "True"
	}
	row.Properties = []byte(fmt.Sprintf(`{"Outcome":%q}`, row.Outcome))
	return r.insert(row)
}

func (r *run) failStep(def *definition.Step, row *step) error {
	message, err := definition.EvaluateText(def.Arguments["ErrorMessage"], r)
	if err != nil {
		message = "ClientError: " + err.Error()
	}
	row.ErrorMessage = cutText(message, 3072)
	return r.failNew(row, message)
}

// ready says whether all that a step needs is done and the branch it stands in is taken.
func (r *run) ready(def *definition.Step) bool {
	for _, name := range def.Needs {
		if row := r.steps[name]; r.runs(name) && (row == nil || row.Status != awsapi.StepStatusSucceeded) {
			return false
		}
	}
	for _, name := range def.Waits {
		if row := r.steps[name]; r.runs(name) && (row == nil || !over(row.Status)) && !r.never(r.def.Step(name)) {
			return false
		}
	}
	return def.Condition == "" || !r.runs(def.Condition) || r.steps[def.Condition].Outcome == map[bool]string{true: "True", false: "False"}[def.Branch]
}

// never says whether a step cannot start any more, because a branch was not taken or what it needs will never be done.
func (r *run) never(def *definition.Step) bool {
	if r.steps[def.Name] != nil {
		return false
	}
	if c := def.Condition; c != "" && r.steps[c] != nil && r.steps[c].Outcome != "" && (r.steps[c].Outcome == "True") != def.Branch {
		return true
	}
	for _, name := range def.Needs {
		if !r.runs(name) {
			continue
		}
		if row := r.steps[name]; row != nil && over(row.Status) && row.Status != awsapi.StepStatusSucceeded || row == nil && r.never(r.def.Step(name)) {
			return true
		}
	}
	return false
}
