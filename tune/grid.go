package tune

import (
	"math"
	"slices"
)

// Grid tries every combination of the values, the last hyper-parameter's values first. A Categorical range has its values; an Integer or a
// Continuous one has Steps values from its minimum to its maximum, evenly spaced as the range is scaled, or all whole numbers if they are no
// more than that.
type Grid struct {
	Steps int // Defaults to 5.
}

// Size is how many combinations there are, at most math.MaxInt32.
func (g Grid) Size(space Space) int {
	size := 1
	for _, r := range space {
		if n := len(g.values(r)); size <= math.MaxInt32/n {
			size *= n
		} else {
			return math.MaxInt32
		}
	}
	return size
}

// Suggest implements Strategy.
func (g Grid) Suggest(s State, number int) (Params, error) {
	if err := s.Space.Check(); err != nil {
		return nil, err
	}
	if number >= g.Size(s.Space) {
		return nil, ErrExhausted
	}
	p := Params{}
	for _, r := range slices.Backward(s.Space) {
		v := g.values(r)
		p[r.Name] = v[number%len(v)]
		number /= len(v)
	}
	return p, nil
}

func (g Grid) values(r Range) (values []string) {
	if r.Kind == Categorical {
		for _, v := range r.Values {
			if !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		return values
	}
	steps := g.Steps
	if steps < 1 {
		steps = 5
	}
	if r.Kind == Integer {
		if n := r.Max - r.Min + 1; n <= float64(steps) {
			r.Scaling, steps = Linear, int(n)
		}
	}
	whole := r
	whole.Kind = Continuous // the grid goes from the minimum itself to the maximum
	for i := range steps {
		x := whole.scale(0.5)
		if steps > 1 {
			x = whole.scale(float64(i) / float64(steps-1))
		}
		if r.Kind == Integer {
			x = math.Round(x)
		}
		values = append(values, r.text(clamp(x, r.Min, r.Max)))
	}
	return slices.Compact(values)
}
