package pipeline

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// parseArgs reads --name value pairs, and --name=value.
func parseArgs(args []string) (map[string]string, error) {
	out := map[string]string{}
	for i := 0; i < len(args); i++ {
		name, isFlag := strings.CutPrefix(args[i], "--")
		if !isFlag || name == "" {
			return nil, fmt.Errorf("argument %d is '%s': arguments are --name value", i+1, args[i])
		}
		name, value, together := strings.Cut(name, "=")
		if !together {
			if i++; i == len(args) {
				return nil, fmt.Errorf("argument --%s has no value", name)
			}
			value = args[i]
		}
		out[name] = value
	}
	return out, nil
}

// Arg is an argument of the step as text.
func (j *Job) Arg(name string) (string, error) {
	v, ok := j.args[name]
	if !ok {
		return "", fmt.Errorf("argument --%s is missing; the step was given %v", name, slices.Sorted(maps.Keys(j.args)))
	}
	return v, nil
}

// Int is an argument of the step as a whole number.
func (j *Job) Int(name string) (int, error) { return readArg(j, name, "a whole number", strconv.Atoi) }

// Float is an argument of the step as a number.
func (j *Job) Float(name string) (float64, error) {
	return readArg(j, name, "a number", func(s string) (float64, error) {
		f, err := strconv.ParseFloat(s, 64)
		if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
			err = strconv.ErrRange
		}
		return f, err
	})
}

// Bool is an argument of the step as true or false.
func (j *Job) Bool(name string) (bool, error) {
	return readArg(j, name, "true or false", strconv.ParseBool)
}

func readArg[T any](j *Job, name, what string, read func(string) (T, error)) (T, error) {
	var zero T
	text, err := j.Arg(name)
	if err != nil {
		return zero, err
	}
	v, err := read(text)
	if err != nil {
		return zero, fmt.Errorf("argument --%s: value '%s' is not %s", name, text, what)
	}
	return v, nil
}

// Bind fills the fields of a struct from the arguments. A field says which with a tag, arg:"train-size"; it is a string, int, float64 or bool.
// A field tagged with ",optional" after the name keeps its value where the argument is missing. The error names every argument that is wrong.
func (j *Job) Bind(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("arguments can be bound to a pointer to a struct, not to a %T", into)
	}
	var wrong []string
	for i := range v.Elem().NumField() {
		tag, tagged := v.Elem().Type().Field(i).Tag.Lookup("arg")
		name, optional := strings.CutSuffix(tag, ",optional")
		if _, given := j.args[name]; !tagged || optional && !given {
			continue
		}
		if err := j.bindField(v.Elem().Field(i), name); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s", strings.Join(wrong, "; "))
	}
	return nil
}

func (j *Job) bindField(field reflect.Value, name string) error {
	var value any
	var err error
	if !field.CanAddr() || !field.CanInterface() {
		return fmt.Errorf("argument --%s: its field is not exported", name)
	}
	switch field.Interface().(type) {
	case string:
		value, err = j.Arg(name)
	case int:
		value, err = j.Int(name)
	case float64:
		value, err = j.Float(name)
	case bool:
		value, err = j.Bool(name)
	default:
		err = fmt.Errorf("argument --%s: a field of type %s cannot hold it; string, int, float64 and bool can", name, field.Type())
	}
	if err == nil {
		field.Set(reflect.ValueOf(value))
	}
	return err
}
