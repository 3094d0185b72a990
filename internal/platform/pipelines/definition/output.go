package definition

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// An Output is a value that a Lambda or Callback step declares to give.
type Output struct {
	OutputName, OutputType string // the type is String, Integer, Float or Boolean
}

// OutputNamed returns the declared output of that name, or false.
func (s *Step) OutputNamed(name string) (Output, bool) {
	i := slices.IndexFunc(s.Outputs, func(o Output) bool { return o.OutputName == name })
	if i < 0 {
		return Output{}, false
	}
	return s.Outputs[i], true
}

// Value reads a value that a function or a callback gave as one of the output's type.
func (o Output) Value(given any) (any, error) {
	v, err := Parameter{Name: o.OutputName, Type: o.OutputType}.Value(text(given))
	if err != nil {
		return nil, fmt.Errorf("output %w", err)
	}
	return v, nil
}

// Text renders a value as output parameters carry it.
func Text(v any) string { return text(v) }

// maxOutputs is the API's limit of a step's output parameters.
const maxOutputs = 50

var (
	functionARN = regexp.MustCompile(`^arn:aws[a-z\-]*:lambda:[a-z0-9\-]+:\d{12}:function:[a-zA-Z0-9\-_]{1,64}(:[a-zA-Z0-9\-_$]+)?$`)
	queueURL    = regexp.MustCompile(`^https?://[^/]+/(\d{12}/)?[A-Za-z0-9_\-]{1,80}(\.fifo)?$`)
)

// outputs checks what only Lambda and Callback steps have.
func (p *parser) outputs(s *Step) {
	if refused[s.Type] != "" {
		return
	}
	if s.Type != Lambda && s.Type != Callback {
		for member, given := range map[string]bool{"OutputParameters": len(s.Outputs) > 0, "FunctionArn": s.FunctionARN != "", "SqsQueueUrl": s.QueueURL != ""} {
			if given {
				p.problem(s.Name, s.Path+"."+member, "a %s step has no %s", s.Type, member)
			}
		}
		return
	}
	if s.Type == Lambda && !functionARN.MatchString(s.FunctionARN) {
		p.problem(s.Name, s.Path+".FunctionArn", "Value '%s' is not the ARN of a function", s.FunctionARN)
	}
	if s.Type == Callback && !queueURL.MatchString(s.QueueURL) {
		p.problem(s.Name, s.Path+".SqsQueueUrl", "Value '%s' is not the URL of a queue", s.QueueURL)
	}
	if len(s.Outputs) > maxOutputs {
		p.problem(s.Name, s.Path+".OutputParameters", "the step has %d output parameters, at most %d are allowed", len(s.Outputs), maxOutputs)
	}
	seen := map[string]bool{}
	for i, o := range s.Outputs {
		at := fmt.Sprintf("%s.OutputParameters[%d]", s.Path, i)
		if o.OutputName == "" {
			p.problem(s.Name, at+".OutputName", "must not be empty")
		}
		if seen[o.OutputName] {
			p.problem(s.Name, at+".OutputName", "another output of this step is named '%s'", o.OutputName)
		}
		if !slices.Contains(scalarTypes, o.OutputType) {
			p.problem(s.Name, at+".OutputType", "Value '%s' must satisfy enum value set: [%s]", o.OutputType, strings.Join(scalarTypes, ", "))
		}
		seen[o.OutputName] = true
	}
}

// outputProblem says why a Lambda or Callback step cannot have the property that a reference names, or "".
func outputProblem(s *Step, path []Element) string {
	if len(path) != 2 || path[0].Name != "OutputParameters" || path[1].Name == "" {
		return fmt.Sprintf("step '%s' is a %s step, which has no property '%s'; OutputParameters['<name>'] is what it has", s.Name, s.Type, render(path))
	}
	if _, ok := s.OutputNamed(path[1].Name); !ok {
		return fmt.Sprintf("step '%s' declares no output parameter named '%s'", s.Name, path[1].Name)
	}
	return ""
}

// OutputProperties is what references to a Lambda or Callback step see.
func OutputProperties(values map[string]any) (json.RawMessage, error) {
	return json.Marshal(map[string]any{"OutputParameters": values})
}
