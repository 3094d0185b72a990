package pipelines

import (
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/internal/store"
)

// runs says whether the execution is to run a step: all of them, unless some were selected.
func (r *run) runs(name string) bool {
	return len(r.exec.Selected) == 0 || slices.Contains(r.exec.Selected, name)
}

// selection applies a SelectiveExecutionConfig to an execution that is being made: it checks the selected steps, takes the parameters of the
// source where none were given, and returns the rows of the steps whose results are reused.
func (s *Service) selection(tx *store.Tx, e *execution, d *definition.Definition, config *awsapi.SelectiveExecutionConfig) ([]*step, error) {
	if config == nil {
		return nil, nil
	}
	for i, one := range config.SelectedSteps {
		name := awsapi.Val(one.StepName)
		if d.Step(name) == nil {
			return nil, awsapi.Validation("SelectiveExecutionConfig.SelectedSteps[%d]: pipeline '%s' has no step named '%s'", i, e.Pipeline, name)
		}
		if !slices.Contains(e.Selected, name) {
			e.Selected = append(e.Selected, name)
		}
	}
	if err := gap(d, e.Selected); err != nil {
		return nil, err
	}
	reused := referred(d, e.Selected)
	if config.SourcePipelineExecutionArn == nil {
		if len(reused) > 0 {
			return nil, awsapi.Validation("SelectiveExecutionConfig.SourcePipelineExecutionArn must be given: the selected steps refer to steps that are not selected: [%s]",
				strings.Join(reused, ", "))
		}
		return nil, nil
	}
	source, err := getExecution(tx, config.SourcePipelineExecutionArn)
	if err != nil {
		return nil, err
	}
	if source.PipelineARN != e.PipelineARN {
		return nil, awsapi.Validation("SelectiveExecutionConfig.SourcePipelineExecutionArn: execution '%s' is not one of pipeline '%s'", source.ARN, e.Pipeline)
	}
	if !over(source.Status) {
		return nil, awsapi.Validation("SelectiveExecutionConfig.SourcePipelineExecutionArn: execution '%s' is %s; it must be Succeeded, Failed or Stopped", source.ARN, source.Status)
	}
	e.Source = source.ARN
	e.Parameters = overridden(source.Parameters, e.Parameters, d)
	return takeOver(tx, e, source, reused)
}

// gap refuses a selection that leaves out a step on the way from one selected step to another.
func gap(d *definition.Definition, selected []string) error {
	after := map[string]bool{}  // steps that need a selected one
	for _, s := range d.Steps { // each comes after what it needs
		for _, name := range s.Needs {
			if !slices.Contains(selected, name) && !after[name] {
				continue
			}
			after[s.Name] = true
			if slices.Contains(selected, s.Name) && !slices.Contains(selected, name) {
				return awsapi.Validation("SelectiveExecutionConfig.SelectedSteps: step '%s' lies between selected steps and must be selected too", name)
			}
		}
	}
	return nil
}

// referred lists the steps outside the selection that the selected ones look into.
func referred(d *definition.Definition, selected []string) (names []string) {
	for _, s := range d.Steps {
		if !slices.Contains(selected, s.Name) {
			continue
		}
		for _, name := range s.Refers {
			if !slices.Contains(selected, name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// overridden is the parameters of a source execution with those given now in their place; those that the pipeline no longer has are left out.
func overridden(source, given []awsapi.Parameter, d *definition.Definition) []awsapi.Parameter {
	out := slices.Clone(given)
	for _, p := range source {
		same := func(x awsapi.Parameter) bool { return awsapi.Val(x.Name) == awsapi.Val(p.Name) }
		known := slices.ContainsFunc(d.Parameters, func(x definition.Parameter) bool { return x.Name == awsapi.Val(p.Name) })
		if known && !slices.ContainsFunc(given, same) {
			out = append(out, p)
		}
	}
	return out
}

// takeOver makes rows of the source's results of the named steps.
func takeOver(tx *store.Tx, e, source *execution, names []string) ([]*step, error) {
	steps, err := stepsOf(tx, source)
	if err != nil {
		return nil, err
	}
	var out []*step
	for _, name := range names {
		i := slices.IndexFunc(steps, func(s *step) bool { return s.Name == name && s.Status == awsapi.StepStatusSucceeded })
		if i < 0 {
			return nil, awsapi.Validation("SelectiveExecutionConfig: step '%s', which the selected steps refer to, did not succeed in execution '%s'", name, source.ARN)
		}
		row := *steps[i]
		row.Execution, row.Order, row.Reused, row.CacheHit, row.CacheMiss, row.Key, row.Event = e.ID, len(out), source.ARN, "", "", nil, 0
		out = append(out, &row)
	}
	return out, nil
}
