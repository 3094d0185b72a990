package tune

import (
	"hash/fnv"
	"math/rand/v2"
)

// A Goal says which of two metrics is better.
type Goal string

// The goals.
const (
	Minimize Goal = "Minimize"
	Maximize Goal = "Maximize"
)

// Better says whether a is better than b.
func (g Goal) Better(a, b float64) bool {
	if g == Maximize {
		return a > b
	}
	return a < b
}

// Params are the values of one trial, by hyper-parameter.
type Params map[string]string

// A Trial is one try and what it came to.
type Trial struct {
	Number int // from 0
	Params Params
	Metric float64
	Err    error // why there is no metric
}

// A Strategy chooses the values of the next trial. Suggest is a function of its arguments: called again with the same, it chooses the same.
type Strategy interface {
	// Suggest chooses the values of trial number from the space, knowing the trials that have ended.
	Suggest(space Space, ended []Trial, number int) (Params, error)
}

// Random chooses every value at random, evenly over its range as the range is scaled. Trial n of a seed is the same whatever else is tried.
type Random struct{ Seed uint64 }

// Suggest implements Strategy.
func (r Random) Suggest(space Space, _ []Trial, number int) (Params, error) {
	if err := space.Check(); err != nil {
		return nil, err
	}
	p := Params{}
	for _, x := range space {
		h := fnv.New64a() // each hyper-parameter has a sequence of its own, so that adding one leaves the others' values
		h.Write([]byte(x.Name))
		p[x.Name] = x.At(rand.New(rand.NewPCG(r.Seed^h.Sum64(), uint64(number))).Float64())
	}
	return p, nil
}
