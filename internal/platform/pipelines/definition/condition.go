package definition

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// compare holds the conditions that look at a left and a right value; each gets their order.
var compare = map[string]func(order int) bool{
	"Equals":               func(o int) bool { return o == 0 },
	"GreaterThan":          func(o int) bool { return o > 0 },
	"GreaterThanOrEqualTo": func(o int) bool { return o >= 0 },
	"LessThan":             func(o int) bool { return o < 0 },
	"LessThanOrEqualTo":    func(o int) bool { return o <= 0 },
}

// conditionTypes are all that Type of a condition may say.
var conditionTypes = []string{"Equals", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo", "In", "Not", "Or", "And"}

// Holds says whether all the conditions of a Condition step hold.
func Holds(s *Step, in Scope) (bool, error) {
	list, _ := s.Arguments["Conditions"].([]any)
	return all(list, in)
}

func all(list []any, in Scope) (bool, error) {
	for _, c := range list {
		if ok, err := holds(c, in); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func holds(condition any, in Scope) (bool, error) {
	c, _ := condition.(map[string]any)
	list, _ := c["Conditions"].([]any)
	switch kind, _ := c["Type"].(string); kind {
	case "Not":
		ok, err := holds(c[negated(c)], in)
		return !ok, err
	case "And":
		return all(list, in)
	case "Or":
		for _, one := range list {
			if ok, err := holds(one, in); err != nil || ok {
				return ok, err
			}
		}
		return false, nil
	case "In":
		return isIn(c, in)
	default:
		test, known := compare[kind]
		if !known {
			return false, fmt.Errorf("condition '%s' is unknown; [%s] are known", kind, strings.Join(conditionTypes, ", "))
		}
		left, err := Evaluate(c["LeftValue"], in)
		if err != nil {
			return false, err
		}
		right, err := Evaluate(c["RightValue"], in)
		if err != nil {
			return false, err
		}
		order, err := orderOf(left, right, kind)
		return err == nil && test(order), err
	}
}

// negated is the member of a Not that holds what is negated: the schema's Expression, or Condition, which newer SDKs write.
func negated(c map[string]any) string {
	if _, ok := c["Condition"]; ok {
		return "Condition"
	}
	return "Expression"
}

func isIn(c map[string]any, in Scope) (bool, error) {
	query, err := Evaluate(c["QueryValue"], in)
	if err != nil {
		return false, err
	}
	values, err := Evaluate(c["Values"], in)
	if err != nil {
		return false, err
	}
	list, _ := values.([]any)
	return slices.ContainsFunc(list, func(v any) bool {
		order, err := orderOf(query, v, "Equals")
		return err == nil && order == 0
	}), nil
}

// orderOf compares two values: as numbers where both are, else as text; values of other types are equal or not comparable.
func orderOf(left, right any, kind string) (int, error) {
	l, leftNumber := number(left)
	r, rightNumber := number(right)
	_, leftText := left.(string)
	_, rightText := right.(string)
	switch {
	case leftText && rightText:
		return strings.Compare(left.(string), right.(string)), nil
	case leftNumber && rightNumber:
		return compareNumbers(l, r)
	case kind == "Equals":
		if text(left) == text(right) {
			return 0, nil
		}
		return 1, nil
	}
	return 0, fmt.Errorf("%s cannot compare %s with %s", kind, describe(left), describe(right))
}

func compareNumbers(l, r json.Number) (int, error) {
	if a, err := l.Int64(); err == nil {
		if b, err := r.Int64(); err == nil {
			switch {
			case a < b:
				return -1, nil
			case a > b:
				return 1, nil
			}
			return 0, nil
		}
	}
	a, err := l.Float64()
	if err != nil {
		return 0, fmt.Errorf("'%s' is not a number", l)
	}
	b, err := r.Float64()
	if err != nil {
		return 0, fmt.Errorf("'%s' is not a number", r)
	}
	switch {
	case a < b:
		return -1, nil
	case a > b:
		return 1, nil
	case a == b:
		return 0, nil
	}
	return 0, fmt.Errorf("'%s' and '%s' have no order", l, r)
}

func describe(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "the text '" + text(v) + "'"
	case bool:
		return "the Boolean " + text(v)
	case json.Number:
		return "the number " + text(v)
	}
	return "a structure"
}

// conditions checks the form of a list of conditions.
func (p *parser) conditions(s *Step, list any, path string) {
	items, ok := list.([]any)
	if !ok || len(items) == 0 {
		p.problem(s.Name, path, "must be a list with at least one condition")
		return
	}
	for i, item := range items {
		p.condition(s, item, fmt.Sprintf("%s[%d]", path, i))
	}
}

func (p *parser) condition(s *Step, item any, path string) {
	c, ok := item.(map[string]any)
	if !ok {
		p.problem(s.Name, path, "must be an object with a Type")
		return
	}
	kind, _ := c["Type"].(string)
	var members []string
	switch kind {
	case "Not":
		members = []string{negated(c)}
		p.condition(s, c[members[0]], path+"."+members[0])
	case "Or", "And":
		members = []string{"Conditions"}
		p.conditions(s, c["Conditions"], path+".Conditions")
	case "In":
		members = []string{"QueryValue", "Values"}
		if _, ok := c["Values"].([]any); !ok {
			p.problem(s.Name, path+".Values", "must be a list")
		}
	default:
		members = []string{"LeftValue", "RightValue"}
		if !slices.Contains(conditionTypes, kind) {
			p.problem(s.Name, path+".Type", "Value '%s' must satisfy enum value set: [%s]", kind, strings.Join(conditionTypes, ", "))
			return
		}
	}
	for _, m := range members {
		if c[m] == nil {
			p.problem(s.Name, path+"."+m, "must not be null")
		}
	}
	for m := range c {
		if m != "Type" && !slices.Contains(members, m) {
			p.problem(s.Name, path+"."+m, "unknown member of condition %s; [%s] are known", kind, strings.Join(members, ", "))
		}
	}
}
