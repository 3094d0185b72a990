package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// schemaVersion is the version of the definition schema.
const schemaVersion = "2020-12-01"

type definitionJSON struct {
	Version                  string
	Metadata                 struct{}
	Parameters               []parameter
	PipelineExperimentConfig map[string]any
	Steps                    []stepJSON
}

type stepJSON struct {
	Name          string
	Type          string
	DisplayName   string           `json:",omitempty"`
	Description   string           `json:",omitempty"`
	Arguments     any              `json:",omitempty"`
	DependsOn     []string         `json:",omitempty"`
	CacheConfig   any              `json:",omitempty"`
	RetryPolicies []map[string]any `json:",omitempty"`
	PropertyFiles []fileJSON       `json:",omitempty"`
}

type fileJSON struct{ PropertyFileName, OutputName, FilePath string }

// Build returns the workflow's definition as JSON, the same bytes for the same workflow. The error is of type Problems and lists everything that
// is wrong. Nothing is sent; of the machine only the running program is read, where a step needs its hash and Target does not have it.
func (w *Workflow) Build() ([]byte, error) { return w.build(w.Target) }

func (w *Workflow) build(target Target) ([]byte, error) {
	b := &builder{workflow: w, target: target.withDefaults(), byName: map[string]Step{}, branchOf: map[string]*ConditionStep{}, needs: map[string][]string{}}
	b.names()
	d := definitionJSON{Version: schemaVersion, Parameters: []parameter{}}
	for i, p := range w.parameters {
		b.at(fmt.Sprintf("Parameters[%d]", i), func() { d.Parameters = append(d.Parameters, p.check(b)) })
	}
	d.PipelineExperimentConfig = b.experiment()
	for _, s := range w.steps {
		if b.branchOf[s.Name()] == nil {
			d.Steps = append(d.Steps, b.renderStep(s))
		}
	}
	b.cycles()
	if len(b.problems) > 0 {
		return nil, b.problems
	}
	return encode(d)
}

func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("pipeline: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// A builder turns a workflow into JSON and collects what is wrong on the way.
type builder struct {
	workflow *Workflow
	target   Target
	problems Problems
	byName   map[string]Step
	branchOf map[string]*ConditionStep // the condition that a step stands in
	needs    map[string][]string       // the steps that a step waits for
	step     string                    // the one being rendered, "" outside of steps
	path     []string
}

func (b *builder) problem(path, format string, args ...any) {
	at := slices.Clone(b.path)
	if path != "" {
		at = append(at, path)
	}
	b.problems = append(b.problems, Problem{Step: b.step, Path: strings.Join(at, "."), Message: fmt.Sprintf(format, args...)})
}

// at runs f with the path one part longer.
func (b *builder) at(path string, f func()) {
	b.path = append(b.path, path)
	f()
	b.path = b.path[:len(b.path)-1]
}

func (b *builder) in(path string, f func(*builder) map[string]any) (out map[string]any) {
	b.at(path, func() { out = f(b) })
	return out
}

// value renders a Go scalar or an expression.
func (b *builder) value(path string, v any) (out any) {
	b.at(path, func() {
		switch x := v.(type) {
		case expression:
			n, _ := x.inside()
			if n == nil {
				b.problem("", "the expression is empty")
				return
			}
			out = n.render(b)
		case string:
			out = constant{x}.render(b)
		case bool, int, int32, int64, uint, uint32, uint64:
			out = x
		case float32:
			out = constant{float64(x)}.render(b)
		case float64:
			out = constant{x}.render(b)
		default:
			b.problem("", "a %T is neither text, a number, a bool nor an expression", v)
		}
	})
	return out
}

// or renders an expression, or gives what stands for an empty one.
func (b *builder) or(path string, e expression, instead any) any {
	if n, _ := e.inside(); n == nil {
		return instead
	}
	return b.value(path, e)
}

// text renders a value for a place that takes text only. An expression goes there as the text of its JSON, as the Python SDK sends it; the
// service puts the value's text in its place.
func (b *builder) text(path string, v any) string {
	rendered := b.value(path, v)
	if _, call := rendered.(map[string]any); call {
		text, err := encode(rendered)
		if err != nil {
			b.problem(path, "%v", err)
		}
		return string(text)
	}
	return fmt.Sprint(rendered)
}

func (b *builder) texts(path string, values map[string]any) map[string]any {
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out[name] = b.text(path+"['"+name+"']", values[name])
	}
	return out
}

var argumentName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)

// arguments renders the arguments of a command, in the order of their names.
func (b *builder) arguments(values map[string]any) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !argumentName.MatchString(name) {
			b.problem("Args['"+name+"']", "the name of an argument must satisfy regular expression pattern: %s", argumentName)
		}
		out = append(out, "--"+name, b.text("Args['"+name+"']", values[name]))
	}
	return out
}

func (b *builder) seconds(path string, d time.Duration) int {
	if d < time.Second || d%time.Second != 0 {
		b.problem(path, "%v must be whole seconds, and at least one", d)
	}
	return int(d / time.Second)
}

func (b *builder) experiment() map[string]any {
	out := map[string]any{"ExperimentName": map[string]any{"Get": "Execution.PipelineName"}, "TrialName": map[string]any{"Get": "Execution.PipelineExecutionId"}}
	b.at("PipelineExperimentConfig", func() {
		out["ExperimentName"] = b.or("ExperimentName", b.workflow.Experiment, out["ExperimentName"])
		out["TrialName"] = b.or("TrialName", b.workflow.Trial, out["TrialName"])
	})
	return out
}

// branch renders the steps of a condition's branch; those that cannot stand there have been reported.
func (b *builder) branch(steps []Step) []stepJSON {
	out := []stepJSON{}
	outer, path := b.step, b.path
	for _, s := range steps {
		if s != nil && b.byName[s.Name()] == s {
			out = append(out, b.renderStep(s))
		}
	}
	b.step, b.path = outer, path
	return out
}

func (b *builder) renderStep(s Step) stepJSON {
	b.step, b.path = s.Name(), nil
	base := s.base()
	o := base.options
	out := stepJSON{Name: s.Name(), Type: s.kind(), DisplayName: o.DisplayName, Description: o.Description}
	out.Arguments = s.arguments(b)
	b.step, b.path = s.Name(), nil
	b.checkArguments(s.kind(), out.Arguments)
	for i, other := range slices.Concat(o.DependsOn, base.after) {
		if b.knownStep(fmt.Sprintf("DependsOn[%d]", i), other) && !slices.Contains(out.DependsOn, other.Name()) {
			out.DependsOn = append(out.DependsOn, other.Name())
			b.need(other.Name())
		}
	}
	out.CacheConfig = cacheConfig(b, o.Cache)
	if o.Cache != 0 && !contains(cached, s.kind()) {
		b.problem("Cache", "a %s step cannot be cached", s.kind())
	}
	for i, r := range o.Retry {
		out.RetryPolicies = append(out.RetryPolicies, b.in(fmt.Sprintf("Retry[%d]", i), r.render))
	}
	b.checkFiles(s)
	for _, f := range base.propertyFiles {
		out.PropertyFiles = append(out.PropertyFiles, fileJSON{f.Name, f.Output, f.Path})
	}
	return out
}

var cached = []string{"Processing", "Training", "Tuning", "Transform"}

func contains(list []string, s string) bool { return slices.Contains(list, s) }
