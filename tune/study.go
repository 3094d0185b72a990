package tune

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// A Study is a search that is told what to do step by step, by a program that runs the trials itself: Ask for a trial, Report what it says
// while it runs, Tell what it came to. Any number of trials may run at a time; a strategy knows which. Its methods may be called at once.
type Study struct {
	o Options

	mu     sync.Mutex
	trials []Trial // by number
	best   int     // -1 where there is none yet
	failed int
	lost   error
	done   bool // by the target
}

// NewStudy begins a search. Of the options Parallel and Progress do not count.
func NewStudy(o Options) (*Study, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	return &Study{o: o, best: -1}, nil
}

// Ask chooses the next trial, which runs from then on. When there is nothing left to try the error is ErrExhausted.
func (s *Study) Ask() (Trial, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := Trial{Number: len(s.trials), Running: true}
	if t.Number >= s.o.Trials {
		return t, ErrExhausted
	}
	var err error
	if t.Params, err = s.o.Strategy.Suggest(s.state(), t.Number); err != nil {
		return t, err
	}
	s.trials = append(s.trials, t)
	return t, nil
}

// state is what is known. Its trials are those of the study itself, which strategies only read.
func (s *Study) state() State {
	return State{Space: s.o.Space, Goal: s.o.Goal, Trials: s.trials, Earlier: s.o.Earlier, Related: s.o.Related}
}

var errNotRunning = errors.New("is not one that runs")

func (s *Study) running(number int) (*Trial, error) {
	if number < 0 || number >= len(s.trials) || !s.trials[number].Running {
		return nil, fmt.Errorf("trial %d %w", number, errNotRunning)
	}
	return &s.trials[number], nil
}

// Report notes the metric of a trial that runs and says whether to stop the trial. Once it said so it says so again.
func (s *Study) Report(number int, metric float64) (stop bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.running(number)
	if err != nil {
		return false, err
	}
	t.Reports = append(t.Reports, metric)
	t.Stopped = t.Stopped || s.o.Stopper != nil && s.o.Stopper.Stop(s.state(), *t)
	return t.Stopped, nil
}

// Tell notes the end of a trial: its metric, or why there is none.
func (s *Study) Tell(number int, metric float64, why error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.running(number)
	if err != nil {
		return err
	}
	if why == nil && math.IsNaN(metric) {
		why = errors.New("the metric is not a number")
	}
	t.Running, t.Metric, t.Err = false, metric, why
	switch {
	case why != nil:
		t.Metric = 0
		if s.failed++; s.failed >= s.o.Failures && s.failed < s.o.Trials {
			s.lost = fmt.Errorf("%d trials failed, the last one: %w", s.failed, why)
		}
	case s.best < 0 || s.better(t):
		s.best = number
		s.done = s.o.Target != nil && !s.o.Goal.Better(*s.o.Target, metric)
	}
	return nil
}

// better prefers the earlier of two that are equal, so that the best does not depend on which ended first.
func (s *Study) better(t *Trial) bool {
	best := &s.trials[s.best]
	return s.o.Goal.Better(t.Metric, best.Metric) || t.Metric == best.Metric && t.Number < best.Number
}

// Best is the best trial so far, or nil.
func (s *Study) Best() *Trial {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bestNow()
}

func (s *Study) bestNow() *Trial {
	if s.best < 0 {
		return nil
	}
	t := s.trials[s.best]
	return &t
}

// Trials are those that run or have ended, by number.
func (s *Study) Trials() []Trial {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.trials)
}

// over says whether the target is met or too many trials have failed.
func (s *Study) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done || s.lost != nil
}
