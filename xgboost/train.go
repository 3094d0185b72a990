package xgboost

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// TrainOptions say how long to train and what to look at on the way.
type TrainOptions struct {
	// Rounds of boosting, at least 1; with From, beside the rounds it has.
	Rounds int
	// Evals are measured after every round, in this order.
	Evals []Eval
	// EarlyStopping ends the training when a metric no longer improves. Defaults to never.
	EarlyStopping *EarlyStopping
	// Progress is called after every round, on another goroutine than Train's. Defaults to nothing.
	Progress func(Round)
	// Checkpoint saves the model on the way. Defaults to never.
	Checkpoint *Checkpoint
	// From is a model to train further. Defaults to a new one.
	From *Model
}

// Eval is a matrix to measure a model on, under a name for its metrics.
type Eval struct {
	Name string
	Data *Matrix
}

// Round is what is known after a round of boosting.
type Round struct {
	Index   int // from 0; goes on counting after From's rounds
	Rounds  int // how many there shall be at most, From's included
	Metrics []Metric
}

// Metric is one measured value, such as the rmse of the eval named validation.
type Metric struct {
	Eval  string
	Name  string
	Value float64
}

// Checkpoint saves the model every so many rounds. A training that goes on From a checkpoint makes the model of one that was never
// interrupted; one that samples rows or columns draws others than it would have, as it does in Python.
type Checkpoint struct {
	Every int
	// Save gets the number of rounds the model has and the model; its error ends the training.
	Save func(rounds int, m *Model) error
}

// Train fits a model to train. When ctx ends, or a Checkpoint's Save fails, Train returns the model of the rounds that were done beside
// the error; ctx is looked at between rounds.
//
// With EarlyStopping the model has the rounds up to the best one, and its attributes best_iteration and best_score name that one.
func Train(ctx context.Context, p Params, train *Matrix, o TrainOptions) (*Model, error) {
	if err := o.check(p, train); err != nil {
		return nil, err
	}
	unlock, err := lockPlain(train, o.Evals)
	if err != nil {
		return nil, err
	}
	defer unlock()
	t := &training{params: p, train: train, options: o}
	err = onOwnThread(func() error {
		err := t.run(ctx)
		if t.booster != nil {
			t.booster.free()
		}
		return err
	})
	return t.model, err
}

func (o TrainOptions) check(p Params, train *Matrix) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if train == nil || train.handle == nil {
		return errors.New("the training matrix is nil or closed")
	}
	if o.Rounds < 1 {
		return fmt.Errorf("Rounds is %d; at least 1 is needed", o.Rounds)
	}
	if o.Checkpoint != nil && (o.Checkpoint.Every < 1 || o.Checkpoint.Save == nil) {
		return errors.New("a Checkpoint needs Every of at least 1 and a Save")
	}
	seen := map[string]bool{}
	for _, e := range o.Evals {
		if e.Name == "" || strings.ContainsAny(e.Name, "\t\n:") || seen[e.Name] {
			return fmt.Errorf("eval name %q: it must be unique and have no tab, line end or colon", e.Name)
		}
		seen[e.Name] = true
		if e.Data == nil || e.Data.handle == nil {
			return fmt.Errorf("the matrix of eval %q is nil or closed", e.Name)
		}
		if e.Data.cols != train.cols {
			return fmt.Errorf("the matrix of eval %q has %d features where the training matrix has %d", e.Name, e.Data.cols, train.cols)
		}
	}
	if o.EarlyStopping != nil {
		if err := o.EarlyStopping.check(o.Evals); err != nil {
			return err
		}
	}
	return checkQuantile(p, train)
}

// checkQuantile refuses what a matrix of bins cannot serve, in words of the caller's terms.
func checkQuantile(p Params, train *Matrix) error {
	if train.maxBin == 0 {
		return nil
	}
	if method := value(p.TreeMethod, "auto"); method != "auto" && method != "hist" {
		return &ParamError{Name: "tree_method", Value: method, Rule: "a quantile matrix serves hist only; make the data with NewDMatrix"}
	}
	if bins := value(p.MaxBin, defaultMaxBin); bins != train.maxBin {
		return &ParamError{Name: "max_bin", Value: fmt.Sprint(bins), Rule: fmt.Sprintf("the training matrix was made with %d bins", train.maxBin)}
	}
	if value(p.Booster, "gbtree") == "gblinear" {
		return &ParamError{Name: "booster", Value: "gblinear", Rule: "a quantile matrix serves trees only; make the data with NewDMatrix"}
	}
	return nil
}

// lockPlain takes the plain matrices of a training for itself: two trainings over one abort the process inside the library.
func lockPlain(train *Matrix, evals []Eval) (unlock func(), err error) {
	held := map[*Matrix]bool{}
	unlock = func() {
		for m := range held {
			m.training.Unlock()
		}
	}
	matrices := []*Matrix{train}
	for _, e := range evals {
		matrices = append(matrices, e.Data)
	}
	for _, m := range matrices {
		if m.maxBin != 0 || held[m] {
			continue
		}
		if !m.training.TryLock() {
			unlock()
			return nil, ErrMatrixBusy
		}
		held[m] = true
	}
	return unlock, nil
}

// training is one run of Train, on its own thread.
type training struct {
	params  Params
	train   *Matrix
	options TrainOptions
	booster *booster
	first   int // rounds that From brought
	history []Round
	best    best
	model   *Model
}

func (t *training) run(ctx context.Context) error {
	if err := t.start(); err != nil {
		return err
	}
	var stop error
	for i := range t.options.Rounds {
		if stop = ctx.Err(); stop != nil {
			break
		}
		done, err := t.round(t.first + i)
		if err != nil {
			return err
		}
		if stop = t.checkpoint(t.first + i + 1); stop != nil || done {
			break
		}
	}
	if len(t.history) == 0 && t.first == 0 {
		return stop // Nothing was trained, so there is no model.
	}
	if err := t.finish(); err != nil {
		return err
	}
	return stop
}

func (t *training) start() error {
	matrices := []*Matrix{t.train}
	for _, e := range t.options.Evals {
		if e.Data != t.train {
			matrices = append(matrices, e.Data)
		}
	}
	var err error
	if t.booster, err = newBooster(matrices...); err != nil {
		return err
	}
	if t.options.From != nil {
		if err := t.booster.load(t.options.From.data); err != nil {
			return err
		}
		if t.first, err = t.booster.rounds(); err != nil {
			return err
		}
	} else if err := t.booster.name(t.train); err != nil {
		return err
	}
	return t.booster.set(t.params.List())
}

// round trains and measures once. done says that the training need not go on.
func (t *training) round(index int) (done bool, err error) {
	if err := t.booster.update(index, t.train); err != nil {
		return false, err
	}
	round := Round{Index: index, Rounds: t.first + t.options.Rounds}
	if len(t.options.Evals) > 0 {
		line, err := t.booster.eval(index, t.options.Evals)
		if err != nil {
			return false, err
		}
		if round.Metrics, err = parseMetrics(line, t.options.Evals); err != nil {
			return false, err
		}
	}
	t.history = append(t.history, round)
	if stopping := t.options.EarlyStopping; stopping != nil {
		if done, err = t.best.see(round, stopping); err != nil {
			return false, err
		}
	}
	if t.options.Progress != nil {
		t.options.Progress(round)
	}
	return done, nil
}

func (t *training) checkpoint(rounds int) error {
	c := t.options.Checkpoint
	if c == nil || rounds%c.Every != 0 {
		return nil
	}
	data, err := t.booster.save("ubj")
	if err != nil {
		return err
	}
	if err := c.Save(rounds, &Model{data: data, history: t.history[:len(t.history):len(t.history)]}); err != nil {
		return fmt.Errorf("checkpoint after %d rounds: %w", rounds, err)
	}
	return nil
}

// finish makes the model of what was trained, cut to the best round where early stopping watched.
func (t *training) finish() error {
	b := t.booster
	if t.best.found && value(t.params.Booster, "gbtree") != "gblinear" {
		if t.best.round.Index+1 < t.first+len(t.history) {
			cut, err := b.slice(t.best.round.Index + 1)
			if err != nil {
				return err
			}
			defer cut.free()
			b = cut
		}
		if err := t.best.note(b); err != nil {
			return err
		}
	}
	data, err := b.save("ubj")
	if err != nil {
		return err
	}
	t.model = &Model{data: data, history: t.history}
	return nil
}
