package pipeline

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// Quotas of the service.
const (
	maxSteps      = 500
	maxParameters = 200
)

var (
	pipelineName  = regexp.MustCompile(`^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}$`)
	stepName      = regexp.MustCompile(`^[A-Za-z0-9\-_]{1,64}$`)
	parameterName = regexp.MustCompile(`^[A-Za-z0-9\-_]{1,256}$`)
)

// names checks every name and notes which steps stand in which branches.
func (b *builder) names() {
	w := b.workflow
	if !pipelineName.MatchString(w.Name) {
		b.problem("Name", "Value '%s' must satisfy regular expression pattern: %s", w.Name, pipelineName)
	}
	if len(w.parameters) > maxParameters {
		b.problem("Parameters", "the workflow has %d parameters, at most %d are allowed", len(w.parameters), maxParameters)
	}
	seen := map[string]bool{}
	for i, p := range w.parameters {
		at := fmt.Sprintf("Parameters[%d].Name", i)
		if !parameterName.MatchString(p.Name) {
			b.problem(at, "Value '%s' must satisfy regular expression pattern: %s", p.Name, parameterName)
		} else if seen[p.Name] {
			b.problem(at, "another parameter is named '%s'", p.Name)
		}
		seen[p.Name] = true
	}
	if len(w.steps) == 0 || len(w.steps) > maxSteps {
		b.problem("Steps", "the workflow has %d steps, 1 to %d are allowed", len(w.steps), maxSteps)
	}
	for _, s := range w.steps {
		b.step = s.Name()
		if !stepName.MatchString(s.Name()) {
			b.problem("Name", "Value '%s' must satisfy regular expression pattern: %s", s.Name(), stepName)
		} else if b.byName[s.Name()] != nil {
			b.problem("Name", "another step has this name; step names are unique in a workflow, branches included")
		}
		b.byName[s.Name()] = s
	}
	for _, s := range w.steps {
		if c, ok := s.(*ConditionStep); ok {
			b.step = s.Name()
			b.branches(c)
		}
	}
	b.step = ""
}

func (b *builder) branches(c *ConditionStep) {
	for name, list := range map[string][]Step{"Then": c.spec.Then, "Else": c.spec.Else} {
		for i, s := range list {
			at := fmt.Sprintf("%s[%d]", name, i)
			if !b.knownStep(at, s) {
				continue
			}
			switch in := b.branchOf[s.Name()]; {
			case s == Step(c) || b.within(c, s):
				b.problem(at, "the condition would stand in its own branch")
			case in != nil:
				b.problem(at, "step '%s' stands in a branch of '%s' already", s.Name(), in.Name())
			default:
				b.branchOf[s.Name()] = c
				b.needs[s.Name()] = append(b.needs[s.Name()], c.Name())
			}
		}
	}
}

// within says whether c stands in a branch of s, at any depth.
func (b *builder) within(c *ConditionStep, s Step) bool {
	for at := b.branchOf[c.Name()]; at != nil; at = b.branchOf[at.Name()] {
		if Step(at) == s {
			return true
		}
	}
	return false
}

// knownStep reports a step that is not one of the workflow's.
func (b *builder) knownStep(path string, s Step) bool {
	switch {
	case s == nil:
		b.problem(path, "the step is nil")
	case b.byName[s.Name()] == nil || s.base().workflow != b.workflow:
		b.problem(path, "step '%s' is not one of this workflow's", s.Name())
	default:
		return true
	}
	return false
}

func (b *builder) need(name string) {
	if b.step != "" && !slices.Contains(b.needs[b.step], name) {
		b.needs[b.step] = append(b.needs[b.step], name)
	}
}

// cycles reports steps that wait for one another.
func (b *builder) cycles() {
	const open, done = 1, 2
	state := map[string]int{}
	var trail []string
	var visit func(name string) bool
	visit = func(name string) bool {
		if state[name] == done || b.byName[name] == nil {
			return true
		}
		if state[name] == open {
			b.step, b.path = name, nil
			from := slices.Index(trail, name)
			b.problem("", "the steps wait for one another in a cycle: %s", strings.Join(append(trail[from:], name), " → "))
			return false
		}
		state[name] = open
		trail = append(trail, name)
		needs := slices.Clone(b.needs[name])
		for _, n := range b.needs[name] {
			if c, ok := b.byName[n].(*ConditionStep); ok && b.branchOf[name] != c {
				needs = append(needs, b.inBranches(c, name)...)
			}
		}
		for _, n := range needs {
			if !visit(n) {
				return false
			}
		}
		trail = trail[:len(trail)-1]
		state[name] = done
		return true
	}
	for _, s := range b.workflow.steps {
		if !visit(s.Name()) {
			return
		}
	}
}

// inBranches lists the steps in the branches of c: who depends on a condition waits for them too. A step that stands there itself does not.
func (b *builder) inBranches(c *ConditionStep, who string) (names []string) {
	for _, s := range slices.Concat(c.spec.Then, c.spec.Else) {
		if s == nil {
			continue
		}
		for at := b.branchOf[who]; at != nil; at = b.branchOf[at.Name()] {
			if at == c {
				return nil
			}
		}
		names = append(names, s.Name())
	}
	return names
}

func (b *builder) checkFiles(s Step) {
	p, ok := s.(*ProcessingStep)
	if !ok {
		return
	}
	seen := map[string]bool{}
	for i, f := range p.propertyFiles {
		at := fmt.Sprintf("PropertyFiles[%d]", i)
		switch {
		case f.Name == "" || strings.ContainsAny(f.Name, ".[] "):
			b.problem(at+".Name", "'%s' cannot be referred to: a name is not empty and has no dot, bracket or space", f.Name)
		case seen[f.Name]:
			b.problem(at+".Name", "another property file is named '%s'", f.Name)
		case f.Path == "" || path.IsAbs(f.Path) || slices.Contains(strings.Split(f.Path, "/"), ".."):
			b.problem(at+".Path", "Value '%s' must be a path inside the output", f.Path)
		case !p.hasOutput(f.Output):
			b.problem(at+".Output", "the step has no output named '%s'", f.Output)
		}
		seen[f.Name] = true
	}
}

func (s *ProcessingStep) hasOutput(name string) bool {
	return slices.ContainsFunc(s.spec.Outputs, func(o Output) bool { return o.Name == name })
}

// requests are the requests whose members a step's arguments are, and what the service adds to them itself.
var requests = map[string]struct{ shape, optional string }{
	"Processing":    {"CreateProcessingJobRequest", "ProcessingJobName"},
	"Training":      {"CreateTrainingJobRequest", "TrainingJobName"},
	"Tuning":        {"CreateHyperParameterTuningJobRequest", "HyperParameterTuningJobName"},
	"Model":         {"CreateModelInput", "ModelName"},
	"RegisterModel": {"CreateModelPackageInput", ""},
	"Transform":     {"CreateTransformJobRequest", "TransformJobName"},
}

// checkArguments compares what is known of a step's arguments now with the constraints of the request that the service will make of them.
func (b *builder) checkArguments(kind string, arguments any) {
	request, ok := requests[kind]
	if !ok {
		return
	}
	text, err := encode(arguments)
	if err != nil {
		b.problem("", "%v", err)
		return
	}
	var tree any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		b.problem("", "%v", err)
		return
	}
	before := len(b.problems) // an argument that could not be rendered has been reported already
	for _, p := range b.problems {
		if p.Step == b.step {
			before = -1
		}
	}
	if err := awsapi.Check(awsapi.ShapeNamed(request.shape), tree, awsapi.Options{Optional: []string{request.optional}, Open: isExpression}); err != nil && before >= 0 {
		b.problem("", "%s", err.Message)
	}
}

// isExpression says whether a value of a definition stands for one that is not known yet.
func isExpression(v any) bool {
	m, ok := v.(map[string]any)
	if text, isText := v.(string); isText && strings.HasPrefix(text, "{") {
		ok = json.Unmarshal([]byte(text), &m) == nil
	}
	if !ok || len(m) != 1 {
		return false
	}
	for name := range m {
		return name == "Get" || strings.HasPrefix(name, "Std:")
	}
	return false
}
