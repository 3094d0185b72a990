package definition

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A Scope knows what expressions refer to while an execution runs.
type Scope interface {
	// Parameter returns the value of a parameter of the pipeline.
	Parameter(name string) (any, error)
	// Execution returns a variable of the execution, such as PipelineName.
	Execution(name string) (any, error)
	// Properties returns what a step that is done shows of itself: the JSON of its job's Describe response.
	Properties(step string) (any, error)
	// PropertyFile returns the bytes of a file that a step wrote.
	PropertyFile(step, name string) ([]byte, error)
	// Object returns the bytes of the object at an S3 URI.
	Object(uri string) ([]byte, error)
}

// ExecutionVariables are the names that may follow "Execution.".
var ExecutionVariables = []string{"PipelineName", "PipelineArn", "PipelineExecutionId", "PipelineExecutionArn",
	"StartDateTime", "CurrentDateTime", "TrainingJobName", "ProcessingJobName"}

// The functions of the schema. Each is an object with this one member.
const (
	fnGet     = "Get"
	fnJoin    = "Std:Join"
	fnJSONGet = "Std:JsonGet"
)

// expression returns the function's name and its argument where v is an expression.
func expression(v any) (name string, argument any, ok bool) {
	m, isMap := v.(map[string]any)
	if !isMap || len(m) != 1 {
		return "", nil, false
	}
	for name, argument := range m {
		if name == fnGet || strings.HasPrefix(name, "Std:") {
			return name, argument, true
		}
	}
	return "", nil, false
}

// embedded returns the expression that is written as JSON text inside a string: `"{\"Get\": \"Parameters.X\"}"`.
// The SDK sends variables so in container arguments and in hyper-parameters.
func embedded(s string) (any, bool) {
	t := strings.TrimSpace(s)
	if !strings.HasPrefix(t, "{") || !strings.HasSuffix(t, "}") {
		return nil, false
	}
	var v any
	if checkDepth([]byte(t)) != nil || decode([]byte(t), &v, false) != nil {
		return nil, false
	}
	_, _, ok := expression(v)
	return v, ok
}

// Evaluate returns v with every expression in it replaced by its value. v itself is not changed.
// An expression in place of a JSON value keeps the value's type; one inside a string becomes text.
func Evaluate(v any, in Scope) (any, error) {
	switch x := v.(type) {
	case string:
		if inner, ok := embedded(x); ok {
			value, err := Evaluate(inner, in)
			if err != nil {
				return nil, err
			}
			return text(value), nil
		}
		return x, nil
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			value, err := Evaluate(e, in)
			if err != nil {
				return nil, err
			}
			out[i] = value
		}
		return out, nil
	case map[string]any:
		if name, argument, ok := expression(x); ok {
			return call(name, argument, in)
		}
		out := make(map[string]any, len(x))
		for k, e := range x {
			value, err := Evaluate(e, in)
			if err != nil {
				return nil, err
			}
			out[k] = value
		}
		return out, nil
	}
	return v, nil
}

// EvaluateText is Evaluate for what must be text, such as a name or a message.
func EvaluateText(v any, in Scope) (string, error) {
	value, err := Evaluate(v, in)
	return text(value), err
}

func call(name string, argument any, in Scope) (any, error) {
	switch name {
	case fnGet:
		return get(argument, in)
	case fnJoin:
		m, _ := argument.(map[string]any)
		var parts []string
		values, _ := m["Values"].([]any)
		for _, v := range values {
			part, err := EvaluateText(v, in)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part)
		}
		on, err := EvaluateText(m["On"], in)
		return strings.Join(parts, on), err
	case fnJSONGet:
		return jsonGet(argument, in)
	}
	return nil, fmt.Errorf("function '%s' is unknown; %s, %s and %s are known", name, fnGet, fnJoin, fnJSONGet)
}

func get(argument any, in Scope) (any, error) {
	ref, err := parseReference(argument)
	if err != nil {
		return nil, err
	}
	switch ref.kind {
	case refParameter:
		return in.Parameter(ref.name)
	case refExecution:
		return in.Execution(ref.name)
	case refFile:
		data, err := in.PropertyFile(ref.step, ref.name)
		if err != nil {
			return nil, err
		}
		var v any
		if err := decode(data, &v, false); err != nil {
			return nil, fmt.Errorf("property file '%s' of step '%s' is not JSON: %w", ref.name, ref.step, err)
		}
		return v, nil
	}
	tree, err := in.Properties(ref.step)
	if err != nil {
		return nil, err
	}
	v, err := Walk(tree, ref.path)
	if err != nil {
		return nil, fmt.Errorf("step '%s' has no property '%s': %w", ref.step, render(ref.path), err)
	}
	return v, nil
}

func jsonGet(argument any, in Scope) (any, error) {
	m, _ := argument.(map[string]any)
	pathText, err := EvaluateText(m["Path"], in)
	if err != nil {
		return nil, err
	}
	path, err := parsePath(pathText)
	if err != nil {
		return nil, err
	}
	what, data, err := jsonFile(m, in)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := checkDepth(data); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if err := decode(data, &tree, false); err != nil {
		return nil, fmt.Errorf("%s is not JSON: %w", what, err)
	}
	v, err := Walk(tree, path)
	if err != nil {
		return nil, fmt.Errorf("%s: path '%s': %w", what, pathText, err)
	}
	return v, nil
}

// jsonFile returns the file that a Std:JsonGet looks into, a step's property file or an object in S3, and what errors call it.
func jsonFile(m map[string]any, in Scope) (what string, data []byte, err error) {
	if at, ok := m["S3Uri"]; ok {
		uri, err := EvaluateText(at, in)
		if err != nil {
			return "", nil, err
		}
		if data, err = in.Object(uri); err != nil {
			return "", nil, fmt.Errorf("the file of %s %w", fnJSONGet, err)
		}
		return uri, data, nil
	}
	ref, err := jsonGetReference(m)
	if err != nil {
		return "", nil, err
	}
	data, err = in.PropertyFile(ref.step, ref.name)
	return fmt.Sprintf("property file '%s' of step '%s'", ref.name, ref.step), data, err
}

// number reads a JSON number, or text that is one.
func number(v any) (json.Number, bool) {
	switch x := v.(type) {
	case json.Number:
		return x, true
	case string:
		if json.Valid([]byte(x)) {
			if _, err := json.Number(x).Float64(); err == nil {
				return json.Number(x), true
			}
		}
	}
	return "", false
}
