package tune

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Scaling says how the values of a range are spread.
type Scaling string

// The scalings. Auto is Linear, but for Bayesian, which learns from the trials whether Linear or Logarithmic fits better.
const (
	Auto               Scaling = "Auto"
	Linear             Scaling = "Linear"
	Logarithmic        Scaling = "Logarithmic"        // evenly over the orders of magnitude; values above 0
	ReverseLogarithmic Scaling = "ReverseLogarithmic" // evenly over the orders of magnitude of 1-x; values from 0 to below 1
)

// A Range is what one hyper-parameter may be. Kind says which members count.
type Range struct {
	Name     string
	Kind     Kind
	Min, Max float64  // both included; whole numbers where Kind is Integer
	Scaling  Scaling  // Defaults to Auto.
	Values   []string // of a Categorical range
}

// A Kind of range.
type Kind string

// The kinds of range.
const (
	Integer     Kind = "Integer"
	Continuous  Kind = "Continuous"
	Categorical Kind = "Categorical"
)

// Int returns a range of whole numbers.
func Int(name string, min, max int64) Range {
	return Range{Name: name, Kind: Integer, Min: float64(min), Max: float64(max)}
}

// Float returns a range of numbers.
func Float(name string, min, max float64) Range {
	return Range{Name: name, Kind: Continuous, Min: min, Max: max}
}

// Choice returns a range of named values.
func Choice(name string, values ...string) Range {
	return Range{Name: name, Kind: Categorical, Values: values}
}

// A Space is what may be tried: one range for each hyper-parameter.
type Space []Range

// maxInteger is the largest whole number whose neighbours a float64 still tells apart.
const maxInteger = 1 << 53

// Check says what is wrong with a space, naming the range, the value and the rule.
func (s Space) Check() error {
	seen := map[string]bool{}
	for i, r := range s {
		switch {
		case r.Name == "":
			return fmt.Errorf("range %d has no name", i+1)
		case seen[r.Name]:
			return fmt.Errorf("range %s is given twice", r.Name)
		}
		seen[r.Name] = true
		if err := r.check(); err != nil {
			return fmt.Errorf("range %s: %w", r.Name, err)
		}
	}
	return nil
}

func (r Range) check() error {
	if r.Kind == Categorical {
		if len(r.Values) == 0 {
			return fmt.Errorf("a Categorical range needs at least one value")
		}
		return nil
	}
	switch {
	case r.Kind != Integer && r.Kind != Continuous:
		return fmt.Errorf("kind '%s' must be Integer, Continuous or Categorical", r.Kind)
	case math.IsNaN(r.Min) || math.IsInf(r.Min, 0) || math.IsNaN(r.Max) || math.IsInf(r.Max, 0):
		return fmt.Errorf("minimum %v and maximum %v must be finite", r.Min, r.Max)
	case r.Min > r.Max:
		return fmt.Errorf("minimum %v must not be above maximum %v", r.Min, r.Max)
	case r.Kind == Integer && (r.Min != math.Trunc(r.Min) || r.Max != math.Trunc(r.Max)):
		return fmt.Errorf("minimum %v and maximum %v must be whole numbers", r.Min, r.Max)
	case r.Kind == Integer && (math.Abs(r.Min) > maxInteger || math.Abs(r.Max) > maxInteger):
		return fmt.Errorf("minimum %v and maximum %v must lie within ±2^53", r.Min, r.Max)
	}
	switch r.Scaling {
	case "", Auto, Linear:
	case Logarithmic:
		if r.Min <= 0 {
			return fmt.Errorf("minimum %v must be above 0 for Logarithmic scaling", r.Min)
		}
	case ReverseLogarithmic:
		if r.Kind != Continuous || r.Min < 0 || r.Max >= 1 {
			return fmt.Errorf("ReverseLogarithmic scaling needs a Continuous range within 0 ≤ x < 1")
		}
	default:
		return fmt.Errorf("scaling '%s' must be one of [%s]", r.Scaling, strings.Join([]string{string(Auto), string(Linear), string(Logarithmic), string(ReverseLogarithmic)}, ", "))
	}
	return nil
}

// At returns the value at u of the range, for u from 0 to below 1, as SageMaker writes it.
func (r Range) At(u float64) string {
	if r.Kind == Categorical {
		return r.Values[min(int(u*float64(len(r.Values))), len(r.Values)-1)]
	}
	return r.text(clamp(r.scale(u), r.Min, r.Max))
}

func (r Range) text(x float64) string {
	if r.Kind == Integer {
		return strconv.FormatInt(int64(math.Round(x)), 10)
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// bounds are those between which u goes: of an Integer range a half further out, so that every whole number gets the same share.
func (r Range) bounds() (low, high float64) {
	if r.Kind != Integer {
		return r.Min, r.Max
	}
	low, high = r.Min-0.5, r.Max+0.5
	if r.Scaling == Logarithmic {
		low = max(low, r.Min/2)
	}
	return low, high
}

func (r Range) scale(u float64) float64 {
	low, high := r.bounds()
	switch r.Scaling {
	case Logarithmic:
		return math.Exp(math.Log(low) + u*(math.Log(high)-math.Log(low)))
	case ReverseLogarithmic:
		return 1 - math.Exp(math.Log(1-low)+u*(math.Log(1-high)-math.Log(1-low)))
	}
	return low + u*(high-low)
}

// bend maps a value to where the scaling is even.
func (r Range) bend(x float64) float64 {
	switch r.Scaling {
	case Logarithmic:
		return math.Log(x)
	case ReverseLogarithmic:
		return -math.Log(1 - x)
	}
	return x
}

func clamp(x, low, high float64) float64 { return math.Max(low, math.Min(high, x)) }

// Place is where a value lies in the range, from 0 to 1: At's inverse. For a Categorical range it is the middle of the value's share.
func (r Range) Place(value string) (float64, error) {
	if r.Kind == Categorical {
		i := slices.Index(r.Values, value)
		if i < 0 {
			return 0, fmt.Errorf("value '%s' of %s must be one of [%s]", value, r.Name, strings.Join(r.Values, ", "))
		}
		return (float64(i) + 0.5) / float64(len(r.Values)), nil
	}
	x, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(x) {
		return 0, fmt.Errorf("value '%s' of %s must be a number", value, r.Name)
	}
	low, high := r.bounds()
	x = clamp(x, r.Min, r.Max)
	from, to := r.bend(low), r.bend(high)
	if from == to {
		return 0.5, nil
	}
	return (r.bend(x) - from) / (to - from), nil
}

// Has says whether a value is one that the range could give.
func (r Range) Has(value string) bool {
	switch r.Kind {
	case Categorical:
		return slices.Contains(r.Values, value)
	case Integer:
		n, err := strconv.ParseInt(value, 10, 64)
		return err == nil && float64(n) >= r.Min && float64(n) <= r.Max
	}
	x, err := strconv.ParseFloat(value, 64)
	return err == nil && x >= r.Min && x <= r.Max
}
