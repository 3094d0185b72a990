package definition

import (
	"fmt"
	"slices"
	"strings"
)

type refKind int

const (
	refParameter refKind = iota // Parameters.X
	refExecution                // Execution.X
	refProperty                 // Steps.S.<path>
	refFile                     // Steps.S.PropertyFiles.F
)

// A reference is what a Get names.
type reference struct {
	kind refKind
	name string // the parameter, variable or property file
	step string
	path []Element
}

func parseReference(argument any) (reference, error) {
	s, ok := argument.(string)
	if !ok {
		return reference{}, fmt.Errorf("the argument of Get must be text")
	}
	root, rest, _ := strings.Cut(s, ".")
	switch root {
	case "Parameters":
		if rest == "" {
			return reference{}, fmt.Errorf("'%s' names no parameter", s)
		}
		return reference{kind: refParameter, name: rest}, nil
	case "Execution":
		if !slices.Contains(ExecutionVariables, rest) {
			return reference{}, fmt.Errorf("'%s' is not a variable of an execution; [%s] are", s, strings.Join(ExecutionVariables, ", "))
		}
		return reference{kind: refExecution, name: rest}, nil
	case "Steps":
		name, property, _ := strings.Cut(rest, ".")
		if name == "" || property == "" {
			return reference{}, fmt.Errorf("'%s' must be Steps.<step>.<property>", s)
		}
		if file, ok := strings.CutPrefix(property, "PropertyFiles."); ok {
			return reference{kind: refFile, step: name, name: file}, nil
		}
		path, err := parsePath(property)
		return reference{kind: refProperty, step: name, path: path}, err
	}
	return reference{}, fmt.Errorf("'%s' must begin with Parameters., Execution. or Steps.", s)
}

func jsonGetReference(m map[string]any) (reference, error) {
	name, argument, ok := expression(m["PropertyFile"])
	if !ok || name != fnGet {
		return reference{}, fmt.Errorf("%s needs a PropertyFile, which must be a Get, or an S3Uri", fnJSONGet)
	}
	ref, err := parseReference(argument)
	if err == nil && ref.kind != refFile {
		err = fmt.Errorf("PropertyFile of %s must be Steps.<step>.PropertyFiles.<name>", fnJSONGet)
	}
	return ref, err
}

// walkExpressions calls visit for every Get in v, and bad for every expression that cannot be one.
func walkExpressions(v any, path string, visit func(path string, r reference), bad func(path, message string)) {
	switch x := v.(type) {
	case string:
		if inner, ok := embedded(x); ok {
			walkExpressions(inner, path, visit, bad)
		}
	case []any:
		for i, e := range x {
			walkExpressions(e, fmt.Sprintf("%s[%d]", path, i), visit, bad)
		}
	case map[string]any:
		name, argument, ok := expression(x)
		if !ok {
			for k, e := range x {
				walkExpressions(e, path+"."+k, visit, bad)
			}
			return
		}
		walkCall(name, argument, path+"."+name, visit, bad)
	}
}

func walkCall(name string, argument any, path string, visit func(string, reference), bad func(string, string)) {
	found := func(r reference, err error) {
		if err != nil {
			bad(path, err.Error())
			return
		}
		visit(path, r)
	}
	m, _ := argument.(map[string]any)
	switch name {
	case fnGet:
		found(parseReference(argument))
	case fnJoin:
		values, ok := m["Values"].([]any)
		if _, on := m["On"]; !ok || !on {
			bad(path, "needs On, the text between, and Values, a list")
			return
		}
		walkExpressions(m["On"], path+".On", visit, bad)
		walkExpressions(values, path+".Values", visit, bad)
	case fnJSONGet:
		if at, ok := m["S3Uri"]; ok {
			if m["PropertyFile"] != nil {
				bad(path, "has PropertyFile and S3Uri; it needs one of them")
			}
			walkExpressions(at, path+".S3Uri", visit, bad)
		} else {
			found(jsonGetReference(m))
		}
		switch p := m["Path"].(type) {
		case string:
			if _, err := parsePath(p); err != nil {
				bad(path+".Path", err.Error())
			}
		case nil:
			bad(path, "needs a Path")
		default:
			walkExpressions(p, path+".Path", visit, bad)
		}
	default:
		bad(path, fmt.Sprintf("function '%s' is unknown; %s, %s and %s are known", name, fnGet, fnJoin, fnJSONGet))
	}
}
