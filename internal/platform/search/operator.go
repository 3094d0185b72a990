package search

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// A test says whether the values that a record has of a property satisfy a filter. There may be none, and where there are several, one of
// them is enough; the operators that begin with Not are the opposite of the others.
type test func(values []any) bool

// testOf compiles the operator and the value of a filter on a property of a kind.
func testOf(f *awsapi.Filter, kind string) (test, error) {
	operator, value := operatorOf(f), awsapi.Val(f.Value)
	switch operator {
	case awsapi.OperatorExists:
		return func(values []any) bool { return len(values) > 0 }, valueless(f)
	case awsapi.OperatorNotExists:
		return func(values []any) bool { return len(values) == 0 }, valueless(f)
	}
	if f.Value == nil {
		return nil, awsapi.Validation("The filter on '%s' has no Value; the operator %s needs one.", *f.Name, operator)
	}
	if operator == awsapi.OperatorContains || operator == awsapi.OperatorIn {
		if err := text(f, kind); err != nil {
			return nil, err
		}
	}
	o, err := operandOf(f, kind, value)
	if err != nil {
		return nil, err
	}
	switch operator {
	case awsapi.OperatorEquals:
		return anyOf(func(x any) bool { c, ok := o.compare(x); return ok && c == 0 }), nil
	case awsapi.OperatorNotEquals:
		return not(anyOf(func(x any) bool { c, ok := o.compare(x); return ok && c == 0 })), nil
	case awsapi.OperatorContains:
		return anyOf(func(x any) bool { s, ok := x.(string); return ok && strings.Contains(s, value) }), nil
	case awsapi.OperatorIn:
		parts := strings.Split(value, ",")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		return anyOf(func(x any) bool { s, ok := x.(string); return ok && slices.Contains(parts, s) }), nil
	}
	if kind == "string" || kind == "bool" {
		return nil, awsapi.Validation("The operator %s is not supported for '%s', which is not a number or a timestamp.", operator, *f.Name)
	}
	holds := map[string]func(int) bool{
		awsapi.OperatorGreaterThan:          func(c int) bool { return c > 0 },
		awsapi.OperatorGreaterThanOrEqualTo: func(c int) bool { return c >= 0 },
		awsapi.OperatorLessThan:             func(c int) bool { return c < 0 },
		awsapi.OperatorLessThanOrEqualTo:    func(c int) bool { return c <= 0 },
	}[operator]
	return anyOf(func(x any) bool { c, ok := o.compare(x); return ok && holds(c) }), nil
}

func anyOf(fits func(any) bool) test {
	return func(values []any) bool { return slices.ContainsFunc(values, fits) }
}

func not(t test) test { return func(values []any) bool { return !t(values) } }

func valueless(f *awsapi.Filter) error {
	if f.Value != nil {
		return awsapi.Validation("The filter on '%s' has the operator %s and a Value; that operator takes none.", *f.Name, *f.Operator)
	}
	return nil
}

func text(f *awsapi.Filter, kind string) error {
	if kind != "" && kind != "string" {
		return awsapi.Validation("The operator %s is not supported for '%s', which is not text.", *f.Operator, *f.Name)
	}
	return nil
}

// An operand is the value of a filter, as text and as the number that it may be too.
type operand struct {
	text     string
	number   float64
	isNumber bool
}

// operandOf reads a filter's value as the kind of its property wants it.
func operandOf(f *awsapi.Filter, kind, value string) (operand, error) {
	o := operand{text: value}
	n, numberErr := strconv.ParseFloat(value, 64)
	switch {
	case kind == "timestamp":
		t, ok := moment(value)
		if !ok {
			return o, awsapi.Validation("The Value '%s' of the filter on '%s' is not a timestamp such as 2006-01-02T15:04:05Z.", value, *f.Name)
		}
		o.number, o.isNumber = float64(t.UnixMilli())/1000, true
	case strings.HasPrefix(kind, "int") || strings.HasPrefix(kind, "float"):
		if numberErr != nil {
			return o, awsapi.Validation("The Value '%s' of the filter on '%s' is not a number.", value, *f.Name)
		}
		o.number, o.isNumber = n, true
	case kind != "string" && numberErr == nil:
		o.number, o.isNumber = n, true
	}
	return o, nil
}

func moment(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// compare says where a record's value lies from the operand. Text that is a number is compared as one with a number.
func (o operand) compare(x any) (int, bool) {
	switch x := x.(type) {
	case float64:
		return cmp.Compare(x, o.number), o.isNumber
	case bool:
		return cmp.Compare(strconv.FormatBool(x), strings.ToLower(o.text)), true
	case string:
		if n, err := strconv.ParseFloat(x, 64); err == nil && o.isNumber {
			return cmp.Compare(n, o.number), true
		}
		return strings.Compare(x, o.text), true
	}
	return 0, false
}
