package tune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
)

// An Objective tries the values of a trial and returns its metric. It may tell the metric of every epoch with the trial's Report.
type Objective func(ctx context.Context, t Trial) (metric float64, err error)

// Options of a search.
type Options struct {
	Space    Space
	Strategy Strategy // Defaults to Random.
	Goal     Goal     // Defaults to Minimize.
	Trials   int      // how many to try. Defaults to all, where the strategy is Grid.
	Parallel int      // how many at a time. Defaults to 1.
	// Stopper stops trials that do not promise much. Defaults to the strategy if it is one, else to none.
	Stopper Stopper
	// Failures is how many trials may fail before the search is given up. Defaults to all of them.
	Failures int
	// Target ends the search when a metric is at least as good. Defaults to none.
	Target *float64
	// Earlier and Related are the trials of other searches, see State. Default to none.
	Earlier []Trial
	Related [][]Trial
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
	s, err := NewStudy(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var progress sync.Mutex
	for range min(s.o.Parallel, s.o.Trials) {
		wg.Go(func() {
			for ctx.Err() == nil {
				t, err := s.Ask()
				if errors.Is(err, ErrExhausted) {
					return
				}
				if err != nil {
					cancel(fmt.Errorf("choose trial %d: %w", t.Number, err))
					return
				}
				t.report = func(metric float64) bool { stop, _ := s.Report(t.Number, metric); return stop }
				metric, err := try(ctx, objective, t)
				progress.Lock()
				if ctx.Err() == nil { // what is cut short by the end of the search is no result
					s.ended(t.Number, metric, err)
				}
				progress.Unlock()
				if s.over() {
					cancel(nil)
				}
			}
		})
	}
	wg.Wait()
	return s.result(context.Cause(ctx))
}

// ended tells the end of a trial to the study and to whoever follows it.
func (s *Study) ended(number int, metric float64, err error) {
	if s.Tell(number, metric, err) == nil && s.o.Progress != nil {
		s.o.Progress(s.Trials()[number], s.Best())
	}
}

func (o *Options) defaults() error {
	if err := o.Space.Check(); err != nil {
		return err
	}
	if o.Strategy == nil {
		o.Strategy = Random{}
	}
	if g, ok := o.Strategy.(Grid); ok && o.Trials == 0 {
		o.Trials = g.Size(o.Space)
	}
	if o.Trials < 1 {
		return fmt.Errorf("trials %d must be at least 1", o.Trials)
	}
	if c, ok := o.Strategy.(interface{ Check() error }); ok {
		if err := c.Check(); err != nil {
			return err
		}
	}
	if o.Stopper == nil {
		o.Stopper, _ = o.Strategy.(Stopper)
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
	return objective(ctx, t)
}

// result is what the study has come to; cause is why its context ended, or nil.
func (s *Study) result(cause error) (*Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &Result{}
	var last error
	for _, t := range s.trials {
		if !t.Running {
			r.Trials = append(r.Trials, t)
			last = errors.Join(last, t.Err)
		}
	}
	best := s.bestNow()
	if best != nil {
		r.Best = *best
	}
	switch {
	case s.lost != nil:
		return r, s.lost
	case s.done:
		return r, nil
	case cause != nil:
		return r, cause
	case best == nil:
		return r, fmt.Errorf("%w: %w", ErrNoResult, last)
	}
	return r, nil
}
