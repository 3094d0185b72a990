package pipeline

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A parameter is what an execution may be started with.
type parameter struct {
	Name         string
	Type         string
	DefaultValue any   `json:",omitempty"`
	EnumValues   []any `json:",omitempty"`
}

// A ParameterOption changes a parameter.
type ParameterOption func(*parameter)

// OneOf lists the only values that a String parameter may have.
func OneOf(values ...string) ParameterOption {
	return func(p *parameter) {
		for _, v := range values {
			p.EnumValues = append(p.EnumValues, v)
		}
	}
}

// Required leaves a parameter without a default: every execution must give it a value.
func Required() ParameterOption { return func(p *parameter) { p.DefaultValue = nil } }

// String declares a parameter that holds text.
func (w *Workflow) String(name, def string, options ...ParameterOption) Expr[string] {
	return declare(w, name, def, options)
}

// Integer declares a parameter that holds a whole number.
func (w *Workflow) Integer(name string, def int, options ...ParameterOption) Expr[int] {
	return declare(w, name, def, options)
}

// Float declares a parameter that holds a number.
func (w *Workflow) Float(name string, def float64, options ...ParameterOption) Expr[float64] {
	return declare(w, name, def, options)
}

// Boolean declares a parameter that is true or false.
func (w *Workflow) Boolean(name string, def bool, options ...ParameterOption) Expr[bool] {
	return declare(w, name, def, options)
}

func declare[T Scalar](w *Workflow, name string, def T, options []ParameterOption) Expr[T] {
	p := &parameter{Name: name, Type: typeName[T](), DefaultValue: def}
	for _, o := range options {
		o(p)
	}
	w.parameters = append(w.parameters, p)
	return Expr[T]{reference{path: "Parameters." + name, want: p.Type, owner: w}}
}

// check reports what is wrong with a parameter's declaration and returns it as it travels.
func (p *parameter) check(b *builder) parameter {
	out := *p
	if len(p.EnumValues) > 0 && p.Type != "String" {
		b.problem("EnumValues", "only String parameters have a list of values, '%s' is of type %s", p.Name, p.Type)
	} else if p.DefaultValue != nil && len(p.EnumValues) > 0 && !slices.Contains(p.EnumValues, p.DefaultValue) {
		b.problem("DefaultValue", "the default '%v' of '%s' is not one of %v", p.DefaultValue, p.Name, p.EnumValues)
	}
	if p.DefaultValue != nil {
		out.DefaultValue = b.value("DefaultValue", p.DefaultValue)
	}
	return out
}

// value reads what an execution is to be started with as the text that travels.
func (p *parameter) value(v any) (string, error) {
	text := fmt.Sprint(v)
	refuse := func(rule string) (string, error) {
		return "", fmt.Errorf("parameter '%s': value '%s' %s", p.Name, text, rule)
	}
	if len(p.EnumValues) > 0 && !slices.Contains(p.EnumValues, any(text)) {
		return refuse(fmt.Sprintf("is not one of %v", p.EnumValues))
	}
	switch p.Type {
	case "Integer":
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return refuse("is not an Integer")
		}
	case "Float":
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || !json.Valid([]byte(text)) {
			return refuse("is not a Float")
		}
	case "Boolean":
		if lower := strings.ToLower(text); lower != "true" && lower != "false" {
			return refuse("is not a Boolean: true and false are")
		}
	}
	return text, nil
}

// CheckParameters says what is wrong with the values that an execution is to be started with: names that the workflow does not declare, values
// of another type, and parameters that have neither a default nor a value. Values are strings, numbers or bools.
func (w *Workflow) CheckParameters(values map[string]any) error {
	_, err := w.bind(values)
	return err
}

// bind returns the values as they travel.
func (w *Workflow) bind(values map[string]any) (map[string]string, error) {
	var wrong []string
	out, known := map[string]string{}, map[string]bool{}
	for _, p := range w.parameters {
		known[p.Name] = true
		v, given := values[p.Name]
		if !given && p.DefaultValue == nil {
			wrong = append(wrong, fmt.Sprintf("parameter '%s' has no default and no value was given", p.Name))
		}
		if !given {
			continue
		}
		text, err := p.value(v)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		out[p.Name] = text
	}
	for name := range values {
		if !known[name] {
			wrong = append(wrong, fmt.Sprintf("parameter '%s' is not one of the pipeline's", name))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return nil, fmt.Errorf("%s", strings.Join(wrong, "; "))
	}
	return out, nil
}
