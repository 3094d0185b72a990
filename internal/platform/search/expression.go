package search

import (
	"reflect"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// maxConditions is how many filters, nested filters and subexpressions an expression has at most, as with the service.
const maxConditions = 50

// A condition says whether a record fits.
type condition func(reflect.Value) bool

// compiler turns the expressions of a search over one kind into conditions.
type compiler struct {
	resource string
	shape    reflect.Type
	count    int
	tags     bool              // whether a tag is asked for
	equal    map[string]string // members that every record must have a value of
}

// expression compiles one level. sure says whether every record must satisfy it.
func (c *compiler) expression(e *awsapi.SearchExpression, sure bool) (condition, error) {
	if e == nil {
		return func(reflect.Value) bool { return true }, nil
	}
	or := awsapi.Val(e.Operator) == awsapi.BooleanOperatorOr
	sure = sure && !or
	var all []condition
	add := func(one condition, err error) error {
		if c.count++; err == nil && c.count > maxConditions {
			err = awsapi.Validation("SearchExpression has more than %d filters, nested filters and subexpressions.", maxConditions)
		}
		all = append(all, one)
		return err
	}
	for i := range e.Filters {
		f := &e.Filters[i]
		if err := add(c.filter(c.shape, f, *f.Name)); err != nil {
			return nil, err
		}
		if sure && operatorOf(f) == awsapi.OperatorEquals {
			c.equal[*f.Name] = awsapi.Val(f.Value)
		}
	}
	for i := range e.NestedFilters {
		if err := add(c.nested(&e.NestedFilters[i])); err != nil {
			return nil, err
		}
	}
	for i := range e.SubExpressions {
		if err := add(c.expression(&e.SubExpressions[i], sure)); err != nil {
			return nil, err
		}
	}
	return join(all, or), nil
}

func join(all []condition, or bool) condition {
	return func(v reflect.Value) bool {
		for _, one := range all {
			if one(v) == or {
				return or
			}
		}
		return !or || len(all) == 0
	}
}

func operatorOf(f *awsapi.Filter) string {
	if f.Operator == nil {
		return awsapi.OperatorEquals
	}
	return *f.Operator
}

// check says what is wrong with a property name.
func (c *compiler) check(shape reflect.Type, name, path string) (kind string, err error) {
	kind, ok := typeAt(shape, path)
	if !ok {
		return "", awsapi.Validation("Unknown property name: '%s' is not a property of %s that can be searched.", name, c.resource)
	}
	return kind, nil
}

func (c *compiler) filter(shape reflect.Type, f *awsapi.Filter, path string) (condition, error) {
	kind, err := c.check(shape, *f.Name, path)
	if err != nil {
		return nil, err
	}
	c.tags = c.tags || mentionsTags(path)
	test, err := testOf(f, kind)
	if err != nil {
		return nil, err
	}
	return func(v reflect.Value) bool { return test(valuesAt(v, path)) }, nil
}

func mentionsTags(path string) bool {
	head, _, _ := strings.Cut(path, ".")
	return strings.EqualFold(head, "Tags")
}

// nested compiles filters that one entry of a list has to satisfy together.
func (c *compiler) nested(n *awsapi.NestedFilters) (condition, error) {
	name := *n.NestedPropertyName
	t, ok := listAt(c.shape, name)
	if !ok {
		return nil, awsapi.Validation("NestedPropertyName '%s' is not a list of structures of %s.", name, c.resource)
	}
	c.tags = c.tags || mentionsTags(name)
	var all []condition
	for i := range n.Filters {
		f := &n.Filters[i]
		path := *f.Name
		if rest, ok := below(name, path); ok && rest != "" {
			path = rest
		}
		one, err := c.filter(t, f, path)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	c.count += len(n.Filters) - 1
	together := join(all, false)
	return func(v reflect.Value) bool {
		entries := follow(v, name)
		if !entries.IsValid() {
			return false
		}
		for i := range entries.Len() {
			if together(entries.Index(i)) {
				return true
			}
		}
		return false
	}, nil
}

// listAt returns the type of the entries of the list at a path.
func listAt(t reflect.Type, path string) (reflect.Type, bool) {
	for path != "" {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return nil, false
		}
		i, rest, ok := member(t, path)
		if !ok {
			return nil, false
		}
		t, path = t.Field(i).Type, rest
	}
	if t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Struct {
		return nil, false
	}
	return t.Elem(), true
}

// follow goes to the list at a path; the value is invalid where the record has none.
func follow(v reflect.Value, path string) reflect.Value {
	for path != "" {
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if !v.IsValid() {
			return v
		}
		i, rest, _ := member(v.Type(), path)
		v, path = v.Field(i), rest
	}
	return v
}
