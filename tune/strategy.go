package tune

import (
	"errors"
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

// compare orders metrics, the best first and what is no number last.
func (g Goal) compare(a, b float64) int {
	switch {
	case g.Better(a, b) || b != b && a == a:
		return -1
	case g.Better(b, a) || a != a && b == b:
		return 1
	}
	return 0
}

// Params are the values of one trial, by hyper-parameter.
type Params map[string]string

// A Trial is one try and what it came to.
type Trial struct {
	Number  int // from 0
	Params  Params
	Metric  float64
	Err     error     // why there is no metric
	Running bool      // it has not ended: there is no metric yet
	Stopped bool      // it was stopped early; Metric is the last value that it reported
	Reports []float64 // the metric while it ran, one value for each epoch or whatever the objective counts

	report func(metric float64) (stop bool)
}

// Report tells the search the metric of a trial that runs, once an epoch, and says whether the trial is to be stopped: then the objective
// should return the metric that it has. The trial of an objective that Run did not call reports to nobody and goes on.
func (t Trial) Report(metric float64) (stop bool) { return t.report != nil && t.report(metric) }

// scored says whether a trial has ended with a metric.
func (t *Trial) scored() bool { return !t.Running && t.Err == nil }

// A State is what is known when a strategy is asked: all that its choice may depend on.
type State struct {
	Space  Space
	Goal   Goal    // Defaults to Minimize.
	Trials []Trial // those of this search that run or have ended, in any order
	// Earlier are the trials of earlier searches for the same metric on the same data.
	Earlier []Trial
	// Related are the trials of searches on other data, search by search: their metrics can be compared only within a search.
	Related [][]Trial
}

// A Strategy chooses the values of the next trial. Suggest is a function of its arguments: called again with the same, it chooses the same.
type Strategy interface {
	// Suggest chooses the values of trial number. Where there is nothing left to choose, the error is ErrExhausted.
	Suggest(s State, number int) (Params, error)
}

// A Stopper says of a trial that runs whether it is to be stopped, from what it and the others have reported. It is a function of its
// arguments. A Strategy may be a Stopper itself.
type Stopper interface {
	Stop(s State, t Trial) bool
}

// ErrExhausted is given by a strategy that has nothing left to try.
var ErrExhausted = errors.New("every combination of the values has been tried")

// Random chooses every value at random, evenly over its range as the range is scaled. Trial n of a seed is the same whatever else is tried.
type Random struct{ Seed uint64 }

// Suggest implements Strategy.
func (r Random) Suggest(s State, number int) (Params, error) {
	if err := s.Space.Check(); err != nil {
		return nil, err
	}
	p := Params{}
	for _, x := range s.Space {
		h := fnv.New64a() // each hyper-parameter has a sequence of its own, so that adding one leaves the others' values
		h.Write([]byte(x.Name))
		p[x.Name] = x.At(rand.New(rand.NewPCG(r.Seed^h.Sum64(), uint64(number))).Float64())
	}
	return p, nil
}
