package pipeline

import "fmt"

// A Condition is a question that an execution answers with yes or no.
type Condition struct {
	kind        string
	left, right any
	values      []any
	conditions  []Condition
}

// Equals holds where left and right are the same.
func Equals[T Scalar](left, right Expr[T]) Condition {
	return Condition{kind: "Equals", left: left, right: right}
}

// GreaterThan holds where left > right.
func GreaterThan[T string | int | float64](left, right Expr[T]) Condition {
	return Condition{kind: "GreaterThan", left: left, right: right}
}

// GreaterThanOrEqualTo holds where left ≥ right.
func GreaterThanOrEqualTo[T string | int | float64](left, right Expr[T]) Condition {
	return Condition{kind: "GreaterThanOrEqualTo", left: left, right: right}
}

// LessThan holds where left < right.
func LessThan[T string | int | float64](left, right Expr[T]) Condition {
	return Condition{kind: "LessThan", left: left, right: right}
}

// LessThanOrEqualTo holds where left ≤ right.
func LessThanOrEqualTo[T string | int | float64](left, right Expr[T]) Condition {
	return Condition{kind: "LessThanOrEqualTo", left: left, right: right}
}

// In holds where value is one of the others.
func In[T Scalar](value Expr[T], others ...Expr[T]) Condition {
	c := Condition{kind: "In", left: value}
	for _, o := range others {
		c.values = append(c.values, o)
	}
	return c
}

// Not holds where c does not.
func Not(c Condition) Condition { return Condition{kind: "Not", conditions: []Condition{c}} }

// And holds where all of them do.
func And(conditions ...Condition) Condition { return Condition{kind: "And", conditions: conditions} }

// Or holds where one of them does.
func Or(conditions ...Condition) Condition { return Condition{kind: "Or", conditions: conditions} }

func (c Condition) render(b *builder, at string) any {
	out := map[string]any{"Type": c.kind}
	switch c.kind {
	case "":
		b.problem(at, "an empty Condition says nothing; Equals, LessThan, In, Not, And, Or … make one")
	case "Not":
		out["Expression"] = c.conditions[0].render(b, at+".Expression")
	case "And", "Or":
		if len(c.conditions) == 0 {
			b.problem(at, "%s needs at least one condition", c.kind)
		}
		list := []any{}
		for i, one := range c.conditions {
			list = append(list, one.render(b, fmt.Sprintf("%s.Conditions[%d]", at, i)))
		}
		out["Conditions"] = list
	case "In":
		values := []any{}
		for i, v := range c.values {
			values = append(values, b.value(fmt.Sprintf("%s.Values[%d]", at, i), v))
		}
		if len(values) == 0 {
			b.problem(at+".Values", "In needs at least one value")
		}
		out["QueryValue"], out["Values"] = b.value(at+".QueryValue", c.left), values
	default:
		out["LeftValue"], out["RightValue"] = b.value(at+".LeftValue", c.left), b.value(at+".RightValue", c.right)
	}
	return out
}

// ConditionSpec is what a Condition step is made of.
type ConditionSpec struct {
	// If holds where all of its conditions hold. Then are the steps that run in that case, Else those that run otherwise.
	If         []Condition
	Then, Else []Step

	DisplayName, Description string
	DependsOn                []Step
}

// A ConditionStep chooses between steps.
type ConditionStep struct {
	step
	spec ConditionSpec
}

// Condition adds a step that chooses which others run. The steps of its branches are declared on the workflow like all others, before it.
func (w *Workflow) Condition(name string, spec ConditionSpec) *ConditionStep {
	options := StepOptions{DisplayName: spec.DisplayName, Description: spec.Description, DependsOn: spec.DependsOn}
	s := &ConditionStep{step: step{name: name, workflow: w, options: options}, spec: spec}
	w.add(s)
	return s
}

func (s *ConditionStep) kind() string { return "Condition" }

func (s *ConditionStep) arguments(b *builder) any {
	conditions := []any{}
	for i, c := range s.spec.If {
		conditions = append(conditions, c.render(b, fmt.Sprintf("Conditions[%d]", i)))
	}
	if len(conditions) == 0 {
		b.problem("Conditions", "the step has no condition")
	}
	if len(s.spec.Then)+len(s.spec.Else) == 0 {
		b.problem("", "the step has no step in either branch")
	}
	return conditionArguments{Conditions: conditions, IfSteps: b.branch(s.spec.Then), ElseSteps: b.branch(s.spec.Else)}
}

type conditionArguments struct {
	Conditions []any
	IfSteps    []stepJSON
	ElseSteps  []stepJSON
}
