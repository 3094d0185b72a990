package definition

import (
	"fmt"
	"slices"
	"strings"
)

// check looks at everything that refers to something else, and notes for each step what it needs.
func (p *parser) check() {
	if e := p.def.Experiment; e != nil {
		outside := func(path string, r reference) {
			if r.kind == refProperty || r.kind == refFile {
				p.problem("", path, "the experiment is named before any step runs; it cannot refer to step '%s'", r.step)
			} else {
				p.reference(nil, path, r)
			}
		}
		bad := func(path, message string) { p.problem("", path, "%s", message) }
		walkExpressions(e.ExperimentName, "PipelineExperimentConfig.ExperimentName", outside, bad)
		walkExpressions(e.TrialName, "PipelineExperimentConfig.TrialName", outside, bad)
	}
	for _, s := range p.def.Steps {
		visit := func(path string, r reference) { p.reference(s, path, r) }
		bad := func(path, message string) { p.problem(s.Name, path, "%s", message) }
		walkExpressions(s.Arguments, s.Path+".Arguments", visit, bad)
		if s.Type == Condition {
			p.conditions(s, s.Arguments["Conditions"], s.Path+".Arguments.Conditions")
		}
		for i, name := range s.DependsOn {
			// A dependency may be written as the step's name or as "Steps.<name>".
			other := p.def.byName[strings.TrimPrefix(name, "Steps.")]
			at := fmt.Sprintf("%s.DependsOn[%d]", s.Path, i)
			if other == nil {
				p.problem(s.Name, at, "there is no step named '%s'", name)
				continue
			}
			s.DependsOn[i] = other.Name
			s.need(other.Name)
			if other.Type == Condition {
				s.Waits = append(s.Waits, p.def.within(other)...)
			}
		}
		if s.Condition != "" {
			s.need(s.Condition)
		}
		p.arguments(s)
	}
}

// within lists the steps in the branches of a condition, at any depth.
func (d *Definition) within(s *Step) (names []string) {
	for _, name := range slices.Concat(s.If, s.Else) {
		names = append(append(names, name), d.within(d.byName[name])...)
	}
	return names
}

func (s *Step) need(name string) {
	if !slices.Contains(s.Needs, name) {
		s.Needs = append(s.Needs, name)
	}
}

// reference checks that what r names exists.
func (p *parser) reference(s *Step, path string, r reference) {
	stepName := ""
	if s != nil {
		stepName = s.Name
	}
	switch r.kind {
	case refParameter:
		if !slices.ContainsFunc(p.def.Parameters, func(x Parameter) bool { return x.Name == r.name }) {
			p.problem(stepName, path, "there is no parameter named '%s'", r.name)
		}
		return
	case refExecution:
		return
	}
	other := p.def.byName[r.step]
	if other == nil {
		p.problem(stepName, path, "there is no step named '%s'", r.step)
		return
	}
	s.need(other.Name)
	if !slices.Contains(s.Refers, other.Name) {
		s.Refers = append(s.Refers, other.Name)
	}
	if r.kind == refFile {
		if _, ok := other.PropertyFile(r.name); !ok {
			p.problem(stepName, path, "step '%s' declares no property file named '%s'", r.step, r.name)
		}
		return
	}
	if why := propertyProblem(other, r.path); why != "" {
		p.problem(stepName, path, "%s", why)
	}
}

// sort orders the steps so that each comes after what it needs, in the order of the definition where that leaves a choice.
func (p *parser) sort() {
	const (
		unseen = iota
		open
		done
	)
	state := map[string]int{}
	var order []*Step
	var trail []string
	var visit func(s *Step) bool
	visit = func(s *Step) bool {
		switch state[s.Name] {
		case done:
			return true
		case open:
			from := slices.Index(trail, s.Name)
			p.problem(s.Name, s.Path, "the steps depend on one another in a cycle: %s", strings.Join(append(trail[from:], s.Name), " → "))
			return false
		}
		state[s.Name] = open
		trail = append(trail, s.Name)
		for _, n := range slices.Concat(s.Needs, s.Waits) {
			if !visit(p.def.byName[n]) {
				return false
			}
		}
		trail = trail[:len(trail)-1]
		state[s.Name] = done
		order = append(order, s)
		return true
	}
	for _, s := range p.def.Steps {
		if !visit(s) {
			return
		}
	}
	p.def.Steps = order
}
