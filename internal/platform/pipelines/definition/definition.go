package definition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// SchemaVersion is the only version of the definition schema that exists.
const SchemaVersion = "2020-12-01"

// Limits of the service: AWS publishes 50 steps by default and 500 at most, and 200 parameters.
const (
	maxSteps      = 500
	maxParameters = 200
	maxBytes      = 1 << 20
	maxDepth      = 64
)

// A Definition is a parsed pipeline. It is not changed after Parse.
type Definition struct {
	Parameters []Parameter
	// Experiment names the experiment and the trial of an execution. Its expressions default to the pipeline's name and the
	// execution's id; it is nil where the definition says null, and the execution then belongs to none.
	Experiment *Experiment
	// Steps holds every step, those in the branches of conditions too, in an order in which each comes after what it needs.
	Steps []*Step

	byName map[string]*Step
}

// Experiment is the PipelineExperimentConfig; both members are expressions.
type Experiment struct{ ExperimentName, TrialName any }

// A Step is one node of the graph.
type Step struct {
	Name, Type               string
	DisplayName, Description string
	Path                     string // where it stands in the definition
	// Arguments is the step's request as JSON with expressions in it. A Condition's holds the conditions only.
	Arguments     map[string]any
	DependsOn     []string // names of steps, as written; a condition that is meant stands for its branches too
	Cache         Cache
	Retry         []RetryPolicy
	PropertyFiles []PropertyFile
	// Outputs are what a Lambda or Callback step declares to give.
	Outputs []Output
	// FunctionARN is a Lambda step's function, QueueURL a Callback step's queue.
	FunctionARN, QueueURL string
	// If and Else are the names of the steps that stand directly in a Condition's branches.
	If, Else []string
	// Condition and Branch say which condition, and which of its branches (true: If), this step stands in. Condition is "" outside.
	Condition string
	Branch    bool
	// Refers lists the steps whose properties or files its expressions look into; each is among Needs.
	Refers []string
	// Needs lists every step that must be done before this one: by DependsOn, by reference, by standing in a branch.
	Needs []string
	// Waits lists steps that must be over, done or never to run, before this one: those in the branches of a condition it depends on.
	Waits []string
}

// A PropertyFile is a JSON file that a step writes and that expressions can look into.
type PropertyFile struct {
	PropertyFileName, OutputName, FilePath string
}

// Step returns the step of that name, or nil.
func (d *Definition) Step(name string) *Step { return d.byName[name] }

// PropertyFile returns the property file of that name, or false.
func (s *Step) PropertyFile(name string) (PropertyFile, bool) {
	i := slices.IndexFunc(s.PropertyFiles, func(f PropertyFile) bool { return f.PropertyFileName == name })
	if i < 0 {
		return PropertyFile{}, false
	}
	return s.PropertyFiles[i], true
}

// the wire's form of a step; what is not listed here is no member of a step.
type rawStep struct {
	Name, Type, DisplayName, Description string
	Arguments                            map[string]any
	DependsOn                            []string
	CacheConfig                          *rawCache
	RetryPolicies                        []map[string]any
	PropertyFiles                        []PropertyFile
	OutputParameters                     []Output
	FunctionArn, SqsQueueUrl             string
}

type rawDefinition struct {
	Version                  string
	Metadata                 any
	Parameters               []rawParameter
	PipelineExperimentConfig json.RawMessage
	Steps                    []json.RawMessage
}

// stepName is the pattern that the API's StepName shape has.
var stepName = regexp.MustCompile(`^[A-Za-z0-9\-_]{1,64}$`)

// parser collects what Parse finds.
type parser struct {
	def      *Definition
	problems Problems
}

func (p *parser) problem(step, path, format string, args ...any) {
	p.problems = append(p.problems, Problem{Step: step, Path: path, Message: fmt.Sprintf(format, args...)})
}

// Parse reads a definition. The error is of type Problems and lists everything that is wrong.
func Parse(text string) (*Definition, error) {
	p := &parser{def: &Definition{byName: map[string]*Step{}}}
	var raw rawDefinition
	if len(text) > maxBytes {
		p.problem("", "$", "the definition has %d bytes, at most %d are allowed", len(text), maxBytes)
		return nil, p.problems
	}
	if err := checkDepth([]byte(text)); err != nil {
		p.problem("", "$", "%v", err)
		return nil, p.problems
	}
	if err := decode([]byte(text), &raw, false); err != nil {
		p.problem("", "$", "not valid JSON of a pipeline definition: %v", err)
		return nil, p.problems
	}
	if raw.Version != SchemaVersion {
		p.problem("", "Version", "Value '%s' is not a schema version; it must be '%s'", raw.Version, SchemaVersion)
	}
	if len(raw.Steps) == 0 {
		p.problem("", "Steps", "a pipeline needs at least one step")
	}
	p.parameters(raw.Parameters)
	p.experiment(raw.PipelineExperimentConfig)
	p.steps(raw.Steps, "Steps", nil, false)
	if len(p.def.Steps) > maxSteps {
		p.problem("", "Steps", "the pipeline has %d steps, at most %d are allowed", len(p.def.Steps), maxSteps)
	}
	p.check()
	p.sort()
	if len(p.problems) > 0 {
		return nil, p.problems
	}
	return p.def, nil
}

// decode reads JSON with exact numbers. Strict refuses members that the target does not know.
func decode(data []byte, into any, strict bool) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("text after the end of the JSON value")
	}
	return nil
}

// checkDepth refuses JSON nested so deep that walking it would exhaust a stack.
func checkDepth(data []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("nested deeper than %d levels", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

func (p *parser) experiment(raw json.RawMessage) {
	config := Experiment{
		ExperimentName: map[string]any{"Get": "Execution.PipelineName"},
		TrialName:      map[string]any{"Get": "Execution.PipelineExecutionId"},
	}
	if len(raw) > 0 {
		if string(raw) == "null" {
			return
		}
		var members map[string]any
		if err := decode(raw, &members, false); err != nil {
			p.problem("", "PipelineExperimentConfig", "must be an object with ExperimentName and TrialName, or null")
			return
		}
		for name, value := range members {
			switch name {
			case "ExperimentName":
				config.ExperimentName = value
			case "TrialName":
				config.TrialName = value
			default:
				p.problem("", "PipelineExperimentConfig."+name, "unknown member; ExperimentName and TrialName are known")
			}
		}
	}
	p.def.Experiment = &config
}

// steps reads the steps of one list: the pipeline's own, or a branch of the condition in.
func (p *parser) steps(raws []json.RawMessage, path string, in *Step, branch bool) (names []string) {
	for i, raw := range raws {
		at := fmt.Sprintf("%s[%d]", path, i)
		var r rawStep
		var head struct{ Type string }
		if err := decode(raw, &head, false); err == nil && refused[head.Type] != "" {
			_ = decode(raw, &r, false) // its other members are of no interest
		} else if err := decode(raw, &r, true); err != nil {
			p.problem(r.Name, at, "not a step: %v", err)
			continue
		}
		if !stepName.MatchString(r.Name) {
			p.problem(r.Name, at+".Name", "Value '%s' must satisfy regular expression pattern: %s", r.Name, stepName)
			continue
		}
		if _, twice := p.def.byName[r.Name]; twice {
			p.problem(r.Name, at+".Name", "another step has this name; step names are unique in a pipeline, its branches included")
			continue
		}
		s := &Step{Name: r.Name, Type: r.Type, DisplayName: r.DisplayName, Description: r.Description, Path: at,
			Arguments: r.Arguments, DependsOn: r.DependsOn, PropertyFiles: r.PropertyFiles,
			Outputs: r.OutputParameters, FunctionARN: r.FunctionArn, QueueURL: r.SqsQueueUrl}
		if in != nil {
			s.Condition, s.Branch = in.Name, branch
		}
		p.def.byName[s.Name] = s
		p.def.Steps = append(p.def.Steps, s)
		names = append(names, s.Name)
		p.stepType(s)
		p.cache(s, r.CacheConfig)
		p.retry(s, r.RetryPolicies)
		p.propertyFiles(s)
		p.outputs(s)
		if s.Type == Condition {
			p.branches(s)
		}
	}
	return names
}

// branches takes the steps of a Condition out of its arguments, so that what stays is the conditions.
func (p *parser) branches(s *Step) {
	args := map[string]any{}
	for name, value := range s.Arguments {
		switch name {
		case "Conditions":
			args[name] = value
		case "IfSteps", "ElseSteps":
			list, ok := value.([]any)
			if !ok && value != nil {
				p.problem(s.Name, s.Path+".Arguments."+name, "must be a list of steps")
				continue
			}
			var raws []json.RawMessage
			for _, v := range list {
				raw, err := json.Marshal(v)
				if err != nil {
					p.problem(s.Name, s.Path+".Arguments."+name, "%v", err)
					return
				}
				raws = append(raws, raw)
			}
			names := p.steps(raws, s.Path+".Arguments."+name, s, name == "IfSteps")
			if name == "IfSteps" {
				s.If = names
			} else {
				s.Else = names
			}
		default:
			p.problem(s.Name, s.Path+".Arguments."+name, "unknown member; Conditions, IfSteps and ElseSteps are known")
		}
	}
	s.Arguments = args
}

func (p *parser) propertyFiles(s *Step) {
	seen := map[string]bool{}
	for i, f := range s.PropertyFiles {
		at := fmt.Sprintf("%s.PropertyFiles[%d]", s.Path, i)
		switch {
		case f.PropertyFileName == "" || f.OutputName == "" || f.FilePath == "":
			p.problem(s.Name, at, "PropertyFileName, OutputName and FilePath must not be empty")
		case seen[f.PropertyFileName]:
			p.problem(s.Name, at, "another property file of this step is named '%s'", f.PropertyFileName)
		case s.Type != Processing:
			p.problem(s.Name, at, "only Processing steps have property files, this is a %s step", s.Type)
		case strings.HasPrefix(f.FilePath, "/") || slices.Contains(strings.Split(f.FilePath, "/"), ".."):
			p.problem(s.Name, at+".FilePath", "Value '%s' must be a path inside the output", f.FilePath)
		case !hasOutput(s, f.OutputName):
			p.problem(s.Name, at+".OutputName", "the step has no output named '%s'", f.OutputName)
		}
		seen[f.PropertyFileName] = true
	}
}

func hasOutput(s *Step, name string) bool {
	config, _ := s.Arguments["ProcessingOutputConfig"].(map[string]any)
	outputs, _ := config["Outputs"].([]any)
	return slices.ContainsFunc(outputs, func(o any) bool {
		m, _ := o.(map[string]any)
		return m["OutputName"] == name
	})
}
