package definition

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Parameter is what StartPipelineExecution may set.
type Parameter struct {
	Name string
	Type string // String, Integer, Float or Boolean
	// Default is a string, json.Number or bool, or nil where every execution must give a value.
	Default any
	Enum    []string
}

type rawParameter struct {
	Name, Type   string
	DefaultValue any
	EnumValues   []any
}

// scalarTypes are the types of parameters and of output parameters.
var scalarTypes = []string{"String", "Integer", "Float", "Boolean"}

var parameterName = regexp.MustCompile(`^[A-Za-z0-9\-_]{1,256}$`)

func (p *parser) parameters(raws []rawParameter) {
	if len(raws) > maxParameters {
		p.problem("", "Parameters", "the pipeline has %d parameters, at most %d are allowed", len(raws), maxParameters)
	}
	seen := map[string]bool{}
	for i, r := range raws {
		at := fmt.Sprintf("Parameters[%d]", i)
		param := Parameter{Name: r.Name, Type: r.Type}
		switch {
		case !parameterName.MatchString(r.Name):
			p.problem("", at+".Name", "Value '%s' must satisfy regular expression pattern: %s", r.Name, parameterName)
		case seen[r.Name]:
			p.problem("", at+".Name", "another parameter is named '%s'", r.Name)
		case !slices.Contains(scalarTypes, r.Type):
			p.problem("", at+".Type", "Value '%s' must satisfy enum value set: [%s]", r.Type, strings.Join(scalarTypes, ", "))
		}
		seen[r.Name] = true
		for _, v := range r.EnumValues {
			param.Enum = append(param.Enum, text(v))
		}
		if r.DefaultValue != nil {
			value, err := param.Value(text(r.DefaultValue))
			if err != nil {
				p.problem("", at+".DefaultValue", "%v", err)
			}
			param.Default = value
		}
		p.def.Parameters = append(p.def.Parameters, param)
	}
}

// Value reads the text that StartPipelineExecution carries as a value of the parameter's type.
func (p Parameter) Value(s string) (any, error) {
	refuse := func(rule string) (any, error) {
		return nil, fmt.Errorf("parameter '%s': value '%s' %s", p.Name, s, rule)
	}
	if len(p.Enum) > 0 && !slices.Contains(p.Enum, s) {
		return refuse("must be one of [" + strings.Join(p.Enum, ", ") + "]")
	}
	switch p.Type {
	case "Integer":
		if _, err := strconv.ParseInt(s, 10, 64); err != nil {
			return refuse("is not an Integer")
		}
		return json.Number(s), nil
	case "Float":
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || !json.Valid([]byte(s)) {
			return refuse("is not a Float")
		}
		return json.Number(s), nil
	case "Boolean":
		switch strings.ToLower(s) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return refuse("is not a Boolean: true and false are")
	}
	return s, nil
}

// Bind gives every parameter its value: the one given, else its default. The error names each parameter that is unknown, missing or of the wrong type.
func (d *Definition) Bind(given map[string]string) (map[string]any, error) {
	var wrong []string
	values := map[string]any{}
	known := map[string]bool{}
	for _, p := range d.Parameters {
		known[p.Name] = true
		s, ok := given[p.Name]
		switch {
		case ok:
			v, err := p.Value(s)
			if err != nil {
				wrong = append(wrong, err.Error())
				continue
			}
			values[p.Name] = v
		case p.Default != nil:
			values[p.Name] = p.Default
		default:
			wrong = append(wrong, fmt.Sprintf("parameter '%s' has no default and no value was given", p.Name))
		}
	}
	for name := range given {
		if !known[name] {
			wrong = append(wrong, fmt.Sprintf("parameter '%s' is not one of the pipeline's", name))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return nil, fmt.Errorf("%s", strings.Join(wrong, "; "))
	}
	return values, nil
}

// text renders a JSON scalar as AWS does where a string is wanted: numbers as written, booleans in lower case.
func text(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case json.Number:
		return x.String()
	case bool:
		return strconv.FormatBool(x)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
