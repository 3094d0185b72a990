package tune

import (
	"fmt"
	"math"
	"slices"
)

// Hyperband tries many random values for a few epochs each and leaves more epochs to those that do well. It is a Strategy and a Stopper, and
// needs trials that report their metric every epoch.
//
// The brackets are those of Li et al., "Hyperband" (JMLR 18, 2018), algorithm 1: with R = Max/Min and S = ⌊log_η R⌋, bracket s = S … 0 has
// ⌈(S+1)/(s+1)·η^s⌉ trials, and its rungs are at Max·η^-s, …, Max/η epochs. Trials fill the brackets by their number, from the one that stops
// earliest to the one that stops none, and then begin again. At a rung a trial goes on if its metric there is among the best 1/η of those
// that the bracket's trials have had there, as soon as there are η of them: the stopping form of Li et al., "A System for Massively Parallel
// Hyperparameter Tuning" (MLSys 2020), in which no trial waits for another. A trial that has reached Max is stopped.
type Hyperband struct {
	Seed uint64
	Min  int // epochs before which no trial is stopped. Defaults to 1.
	Max  int // epochs at which every trial is stopped
	Eta  int // Defaults to 3.
}

// A Bracket is a group of trials that are judged together.
type Bracket struct {
	Trials int   // how many
	Rungs  []int // the epochs at which they are judged, ascending; the last is Max
}

// Check says what is wrong with the limits.
func (h Hyperband) Check() error {
	h = h.filled()
	switch {
	case h.Max < 1:
		return fmt.Errorf("the maximum of the epochs, %d, must be at least 1", h.Max)
	case h.Min < 1 || h.Min > h.Max:
		return fmt.Errorf("the minimum of the epochs, %d, must be from 1 to the maximum, %d", h.Min, h.Max)
	case h.Eta < 2:
		return fmt.Errorf("eta %d must be at least 2", h.Eta)
	}
	return nil
}

func (h Hyperband) filled() Hyperband {
	if h.Min == 0 {
		h.Min = 1
	}
	if h.Eta == 0 {
		h.Eta = 3
	}
	return h
}

// Brackets are those of one round, which has the sum of their trials.
func (h Hyperband) Brackets() (all []Bracket) {
	h = h.filled()
	if h.Check() != nil {
		return nil
	}
	most, power := 0, 1 // η^most is the largest power that is not above Max/Min
	for power*h.Eta <= h.Max/h.Min {
		power *= h.Eta
		most++
	}
	for s := most; s >= 0; s-- {
		b := Bracket{Trials: int(math.Ceil(float64(most+1) * float64(power) / float64(s+1)))}
		for p := power; p >= 1; p /= h.Eta {
			b.Rungs = append(b.Rungs, h.Max/p)
		}
		all = append(all, b)
		power /= h.Eta
	}
	return all
}

// Suggest implements Strategy: the values are those of Random.
func (h Hyperband) Suggest(s State, number int) (Params, error) {
	if err := h.Check(); err != nil {
		return nil, err
	}
	return Random{Seed: h.Seed}.Suggest(s, number)
}

// bracketOf is the place of a trial's bracket among those of a round.
func bracketOf(brackets []Bracket, number int) int {
	total := 0
	for _, b := range brackets {
		total += b.Trials
	}
	number %= total
	for i, b := range brackets {
		if number < b.Trials {
			return i
		}
		number -= b.Trials
	}
	return len(brackets) - 1
}

// Stop implements Stopper.
func (h Hyperband) Stop(s State, t Trial) bool {
	h = h.filled()
	brackets := h.Brackets()
	if len(brackets) == 0 {
		return false
	}
	if len(t.Reports) >= h.Max {
		return true
	}
	mine := bracketOf(brackets, t.Number)
	rung := 0 // the last that the trial has reached
	for _, r := range brackets[mine].Rungs {
		if r <= len(t.Reports) {
			rung = r
		}
	}
	if rung == 0 {
		return false
	}
	at := []float64{t.Reports[rung-1]}
	for _, other := range s.Trials {
		if other.Number != t.Number && len(other.Reports) >= rung && bracketOf(brackets, other.Number) == mine {
			at = append(at, other.Reports[rung-1])
		}
	}
	if len(at) < h.Eta {
		return false
	}
	slices.SortFunc(at, s.Goal.compare)
	return s.Goal.compare(at[len(at)/h.Eta-1], t.Reports[rung-1]) < 0
}
