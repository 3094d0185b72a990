package tune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
)

// An Objective tries the values of a trial and returns its metric.
type Objective func(ctx context.Context, t Trial) (metric float64, err error)

// Options of a search.
type Options struct {
	Space    Space
	Strategy Strategy // Defaults to Random.
	Goal     Goal     // Defaults to Minimize.
	Trials   int      // how many to try
	Parallel int      // how many at a time. Defaults to 1.
	// Failures is how many trials may fail before the search is given up. Defaults to all of them.
	Failures int
	// Target ends the search when a metric is at least as good. Defaults to none.
	Target *float64
	// Progress is called after every trial, by one goroutine at a time.
	Progress func(ended Trial, best *Trial)
}

// A Result is what a search came to. Trials are by number.
type Result struct {
	Best   Trial
	Trials []Trial
}

// ErrNoResult is given where every trial failed.
var ErrNoResult = errors.New("no trial gave a metric")

// Run tries trials until there are enough, the target is met, too many have failed, or ctx ends. With what it has by then it returns the error.
func Run(ctx context.Context, objective Objective, o Options) (*Result, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &search{o: o, trials: make([]*Trial, o.Trials)}
	var wg sync.WaitGroup
	for range min(o.Parallel, o.Trials) {
		wg.Go(func() {
			for ctx.Err() == nil {
				t, ok := s.next()
				if !ok {
					return
				}
				if t.Err == nil {
					t.Metric, t.Err = try(ctx, objective, *t)
				}
				if ctx.Err() != nil {
					return // what is cut short by the end of the search is no result
				}
				if s.end(t) {
					cancel()
				}
			}
		})
	}
	wg.Wait()
	return s.result(context.Cause(ctx))
}

func (o *Options) defaults() error {
	if err := o.Space.Check(); err != nil {
		return err
	}
	if o.Trials < 1 {
		return fmt.Errorf("trials %d must be at least 1", o.Trials)
	}
	if o.Strategy == nil {
		o.Strategy = Random{}
	}
	if o.Goal == "" {
		o.Goal = Minimize
	}
	if o.Goal != Minimize && o.Goal != Maximize {
		return fmt.Errorf("goal '%s' must be Minimize or Maximize", o.Goal)
	}
	if o.Parallel < 0 || o.Failures < 0 {
		return fmt.Errorf("parallel %d and failures %d must not be below 0", o.Parallel, o.Failures)
	}
	if o.Target != nil && math.IsNaN(*o.Target) {
		return errors.New("target NaN must be a number")
	}
	o.Parallel = max(o.Parallel, 1)
	if o.Failures == 0 {
		o.Failures = o.Trials
	}
	return nil
}

func try(ctx context.Context, objective Objective, t Trial) (metric float64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	metric, err = objective(ctx, t)
	if err == nil && math.IsNaN(metric) {
		err = errors.New("the metric is not a number")
	}
	return metric, err
}

// A search is the state of Run.
type search struct {
	o Options

	mu      sync.Mutex
	trials  []*Trial
	started int
	ended   []Trial
	best    *Trial
	failed  int
	done    bool // by the target
	lost    error
}

func (s *search) next() (*Trial, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started == len(s.trials) {
		return nil, false
	}
	t := &Trial{Number: s.started}
	s.started++
	t.Params, t.Err = s.o.Strategy.Suggest(s.o.Space, s.ended, t.Number)
	return t, true
}

// end notes a trial and says whether the search is over.
func (s *search) end(t *Trial) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trials[t.Number] = t
	s.ended = append(s.ended, *t)
	switch {
	case t.Err != nil:
		if s.failed++; s.failed >= s.o.Failures && s.failed < len(s.trials) {
			s.lost = fmt.Errorf("%d trials failed, the last one: %w", s.failed, t.Err)
		}
	case s.best == nil || s.better(t):
		s.best = t
		s.done = s.o.Target != nil && !s.o.Goal.Better(*s.o.Target, t.Metric)
	}
	if s.o.Progress != nil {
		s.o.Progress(*t, s.best)
	}
	return s.done || s.lost != nil
}

// better prefers the earlier of two that are equal, so that the best does not depend on which ended first.
func (s *search) better(t *Trial) bool {
	return s.o.Goal.Better(t.Metric, s.best.Metric) || t.Metric == s.best.Metric && t.Number < s.best.Number
}

func (s *search) result(cause error) (*Result, error) {
	r := &Result{}
	var last error
	for _, t := range s.trials {
		if t != nil {
			r.Trials = append(r.Trials, *t)
			last = errors.Join(last, t.Err)
		}
	}
	if s.best != nil {
		r.Best = *s.best
	}
	switch {
	case s.lost != nil:
		return r, s.lost
	case s.done:
		return r, nil
	case cause != nil:
		return r, cause
	case s.best == nil:
		return r, fmt.Errorf("%w: %w", ErrNoResult, last)
	}
	return r, nil
}
