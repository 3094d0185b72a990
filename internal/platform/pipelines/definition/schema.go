package definition

import (
	"fmt"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// propertyProblem says why a step cannot have the property that a reference names, or "".
func propertyProblem(s *Step, path []Element) string {
	k, known := Kinds[s.Type]
	if !known {
		return "" // the type itself is a problem already
	}
	if s.Type == Condition && len(path) == 1 && path[0].Name == "Outcome" {
		return ""
	}
	if s.Type == Lambda || s.Type == Callback {
		return outputProblem(s, path)
	}
	at := awsapi.ShapeNamed(k.Properties)
	if at == nil {
		return fmt.Sprintf("step '%s' is a %s step, which has no properties", s.Name, s.Type)
	}
	for i, e := range path {
		next := descend(at, e)
		if extra := extraProperties[s.Type][e.Name]; i == 0 && extra != "" {
			next = awsapi.ShapeNamed(extra)
		}
		if next == nil {
			return fmt.Sprintf("step '%s' is a %s step, which has no property '%s'", s.Name, s.Type, render(path[:i+1]))
		}
		at = next
	}
	return ""
}

func descend(at *awsapi.Shape, e Element) *awsapi.Shape {
	switch {
	case at.Kind == "list" && (e.Key || e.Name == ""), at.Kind == "map" && e.Name != "":
		return &awsapi.Shapes[at.Elem]
	case at.Kind == "structure" && e.Name != "":
		_, next := at.Member(e.Name)
		return next
	}
	return nil
}

// arguments checks a step's arguments against its request, as far as they are not expressions.
func (p *parser) arguments(s *Step) {
	k := Kinds[s.Type]
	if k.Request == "" || s.Arguments == nil {
		return
	}
	if err := awsapi.Check(awsapi.ShapeNamed(k.Request), clone(s.Arguments), awsapi.Options{Optional: k.Optional, Open: isOpen}); err != nil {
		p.problem(s.Name, s.Path+".Arguments", "%s", err.Message)
	}
}

// isOpen says whether a value is an expression, or text with one in it.
func isOpen(v any) bool {
	if text, ok := v.(string); ok {
		_, open := embedded(text)
		return open
	}
	_, _, ok := expression(v)
	return ok
}

// CheckArguments compares evaluated arguments with the request that a step type sends. Members the request does not know are removed.
func CheckArguments(stepType string, args map[string]any) error {
	k := Kinds[stepType]
	if err := awsapi.Check(awsapi.ShapeNamed(k.Request), args, awsapi.Options{Optional: k.Optional}); err != nil {
		return err
	}
	return nil
}

// clone copies a JSON tree: the check removes what it does not know.
func clone(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = clone(e)
		}
		return out
	}
	return v
}
