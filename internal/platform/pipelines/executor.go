package pipelines

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/internal/store"
)

// lookAgain is how long a parked execution waits at most before it looks at its children without having been signalled.
const lookAgain = 30 * time.Second

// reconcile is one pass of the controller: observe, start what is ready, repeat until nothing changes, then park or finish.
func (s *Service) reconcile(ctx context.Context, l *durable.Lease) error {
	r, err := s.load(ctx, l)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted
	}
	if err != nil || over(r.exec.Status) {
		return err
	}
	if r.exec.Status == awsapi.PipelineExecutionStatusStopping {
		if err := r.stopSteps(); err != nil {
			return err
		}
	}
	if err := r.experiment(); err != nil {
		return err
	}
	for {
		observed, err := r.observe()
		if err != nil {
			return err
		}
		started, err := r.startReady()
		if err != nil {
			return err
		}
		if !observed && !started {
			break
		}
	}
	if wait, open := r.open(); open {
		return durable.Park(wait)
	}
	return r.finish()
}

// experiment makes the experiment and the trial of the execution; where they exist, it uses them.
func (r *run) experiment() error {
	if r.exec.ExperimentName == "" || len(r.steps) > 0 {
		return nil
	}
	_, err := r.svc.Experiments.CreateExperiment(r.ctx, &awsapi.CreateExperimentRequest{ExperimentName: &r.exec.ExperimentName})
	if err != nil && !exists(err) {
		return fmt.Errorf("create experiment %s: %w", r.exec.ExperimentName, err)
	}
	_, err = r.svc.Experiments.CreateTrial(r.ctx, &awsapi.CreateTrialRequest{TrialName: &r.exec.TrialName, ExperimentName: &r.exec.ExperimentName})
	if err != nil && !exists(err) {
		return fmt.Errorf("create trial %s: %w", r.exec.TrialName, err)
	}
	return nil
}

// exists says whether err means that what was to be created is there already.
func exists(err error) bool {
	var e *awsapi.Error
	return errors.As(err, &e) && (e.Code == "ResourceInUse" || e.Code == "ConflictException" ||
		e.Code == "ValidationException" && containsFold(e.Message, "already exist"))
}

// observe looks at the child of every step that runs and commits what has come to an end.
func (r *run) observe() (changed bool, err error) {
	for _, def := range r.def.Steps {
		row := r.steps[def.Name]
		if row == nil || over(row.Status) || row.RetryAt != nil {
			continue
		}
		k := kinds[row.Type]
		o, err := k.observe(r, row)
		if err != nil {
			return changed, fmt.Errorf("step %s: %w", row.Name, err)
		}
		if o.status == row.Status || !over(o.status) {
			continue
		}
		changed = true
		if o.status == awsapi.StepStatusFailed && r.exec.Status == awsapi.PipelineExecutionStatusExecuting {
			if again, err := r.retry(def, row, o); err != nil || again {
				return changed, err
			}
		}
		if err := r.end(def, row, o); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// end commits the final status of a step. What its job wrote is noted for the cache in the same transaction.
func (r *run) end(def *definition.Step, row *step, o observation) error {
	now := r.svc.World.Now()
	row.Status, row.FailureReason, row.Properties, row.Ended = o.status, cutText(o.reason, maxReason), o.properties, &now
	if row.Status == awsapi.StepStatusSucceeded && def.Cache.Enabled && row.Key != nil {
		entry, err := r.cacheEntry(row, now)
		if err != nil {
			return err
		}
		return r.commit(row, entry.keep)
	}
	return r.commit(row)
}

// retry applies the step's retry policies to a failure. It says whether the step will be tried again.
func (r *run) retry(def *definition.Step, row *step, o observation) (bool, error) {
	now := r.svc.World.Now()
	for _, policy := range def.Retry {
		if !slices.Contains(policy.ExceptionTypes, o.exception()) {
			continue
		}
		wait, ok := policy.After(row.Attempt, now.Sub(row.FirstTry))
		if !ok {
			continue
		}
		at := now.Add(wait)
		row.again(at)
		row.FailureReason = cutText(o.reason, maxReason)
		return true, r.insert(row)
	}
	return false, nil
}

// again makes a step that ended start once more, not before at.
func (s *step) again(at time.Time) {
	s.Attempt++
	s.Status, s.RetryAt = awsapi.StepStatusStarting, &at
	s.Ended, s.Child, s.ChildName, s.FailureReason, s.Properties, s.Token = nil, "", "", "", nil, ""
}

// startReady starts every step whose turn it is, as far as the limit of parallel steps allows.
func (r *run) startReady() (changed bool, err error) {
	if r.exec.Status != awsapi.PipelineExecutionStatusExecuting || r.failed() {
		return false, nil
	}
	now := r.svc.World.Now()
	running := 0
	for _, row := range r.steps {
		if !over(row.Status) {
			running++
		}
	}
	for _, def := range r.def.Steps {
		row := r.steps[def.Name]
		switch {
		case row == nil && r.runs(def.Name) && r.ready(def):
			if r.exec.MaxParallel > 0 && running >= int(r.exec.MaxParallel) {
				return changed, nil
			}
			row = &step{Execution: r.exec.ID, Name: def.Name, Type: def.Type, Order: len(r.steps), Attempt: 1,
				Status: awsapi.StepStatusStarting, Started: now, FirstTry: now}
			running++
		case row != nil && row.RetryAt != nil && !row.RetryAt.After(now):
		default:
			continue
		}
		if err := r.start(def, row); err != nil {
			return changed, fmt.Errorf("step %s: %w", def.Name, err)
		}
		if changed = true; r.failed() {
			return changed, nil
		}
	}
	return changed, nil
}

// start begins one step. What is wrong with the step itself is its failure; an error means that the pass must be tried again.
func (r *run) start(def *definition.Step, row *step) error {
	row.RetryAt = nil
	switch def.Type {
	case definition.Condition:
		return r.decide(def, row)
	case definition.Fail:
		return r.failStep(def, row)
	}
	args, err := r.arguments(def, row)
	if err != nil {
		return r.failNew(row, "ClientError: "+err.Error())
	}
	if def.Cache.Enabled {
		hit, err := r.fromCache(def, row, args)
		if err != nil {
			return err
		}
		if hit {
			return r.insert(row)
		}
	}
	k := kinds[def.Type]
	row.Child, err = k.start(r, def, row, args)
	var refused *awsapi.Error
	if errors.As(err, &refused) {
		o := observation{status: awsapi.StepStatusFailed, code: refused.Code,
			reason: "ClientError: Failed to invoke " + k.operation() + ". Error Details: " + refused.Message}
		if again, err := r.retry(def, row, o); err != nil || again {
			return err
		}
		if refused.Status < 500 {
			return r.failNew(row, o.reason)
		}
	}
	if err != nil {
		return err
	}
	row.Status = awsapi.StepStatusExecuting
	return r.insert(row)
}

// insert keeps a step that has just started; a step that starts once more is replaced.
func (r *run) insert(row *step) error {
	r.steps[row.Name] = row
	if over(row.Status) && row.Ended == nil {
		now := r.svc.World.Now()
		row.Ended = &now
	}
	return r.lease.Update(r.ctx, func(tx *store.Tx) error {
		if err := emitStep(tx, r.exec, row, r.cause(row)); err != nil {
			return err
		}
		err := stepRows.Insert(tx, r.exec.Scope, row.row(), r.exec.ARN+"/step/"+row.Name, row)
		if errors.Is(err, store.ErrExists) {
			err = stepRows.Put(tx, r.exec.Scope, row.row(), row)
		}
		return err
	})
}

// cause is the event that made a step start: the last of those that it needed to be done.
func (r *run) cause(row *step) (last int64) {
	for _, name := range r.def.Step(row.Name).Needs {
		if needed := r.steps[name]; needed != nil && needed.Reused == "" {
			last = max(last, needed.Event)
		}
	}
	return last
}

// maxReason is how much the API's shape has room for, in characters.
const maxReason = 1024

func (r *run) failNew(row *step, reason string) error {
	row.Status, row.FailureReason = awsapi.StepStatusFailed, cutText(reason, maxReason)
	return r.insert(row)
}

func (r *run) failed() bool {
	for _, row := range r.steps {
		if row.Status == awsapi.StepStatusFailed {
			return true
		}
	}
	return false
}

// open says whether a step still runs or waits, and for how long to park.
func (r *run) open() (wait time.Duration, open bool) {
	wait = lookAgain
	for _, row := range r.steps {
		switch {
		case over(row.Status):
		case row.RetryAt != nil:
			if r.exec.Status == awsapi.PipelineExecutionStatusExecuting && !r.failed() {
				open, wait = true, min(wait, max(row.RetryAt.Sub(r.svc.World.Now()), time.Millisecond))
			}
		default:
			open = true
		}
	}
	return wait, open
}

// finish commits the end of the execution.
func (r *run) finish() error {
	return r.lease.Update(r.ctx, func(tx *store.Tx) error {
		e, err := findExecution(tx, r.exec.ARN) // a Stop may have come in since the pass began
		if err != nil {
			return err
		}
		switch {
		case r.failed():
			e.Status, e.FailureReason = awsapi.PipelineExecutionStatusFailed, "Step failure: One or multiple steps failed."
		case e.Status == awsapi.PipelineExecutionStatusStopping:
			e.Status = awsapi.PipelineExecutionStatusStopped
		default:
			e.Status = awsapi.PipelineExecutionStatusSucceeded
		}
		e.Modified = r.svc.World.Now()
		var last int64
		for _, row := range r.steps {
			last = max(last, row.Event)
		}
		if err := emitExecution(tx, e, last); err != nil {
			return err
		}
		return executionRows.Put(tx, e.Scope, e.ID, e)
	})
}

// stopSteps asks every child that runs to stop; steps that wait for another try end here.
func (r *run) stopSteps() error {
	for _, row := range r.steps {
		switch {
		case over(row.Status) || row.Status == awsapi.StepStatusStopping:
		case row.RetryAt != nil:
			now := r.svc.World.Now()
			row.Status, row.RetryAt, row.Ended = awsapi.StepStatusStopped, nil, &now
			if err := r.commit(row); err != nil {
				return err
			}
		default:
			if err := kinds[row.Type].stop(r, row); err != nil {
				return fmt.Errorf("stop step %s: %w", row.Name, err)
			}
			row.Status = awsapi.StepStatusStopping
			if err := r.commit(row); err != nil {
				return err
			}
		}
	}
	return nil
}

// giveUp ends an execution whose controller failed again and again.
func (s *Service) giveUp(ctx context.Context, tx *store.Tx, arn, reason string) error {
	e, err := findExecution(tx, arn)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || over(e.Status) {
		return err
	}
	e.Status, e.FailureReason, e.Modified = awsapi.PipelineExecutionStatusFailed, cutText("InternalFailure: "+reason, 1300), s.World.Now()
	if err := emitExecution(tx, e, 0); err != nil {
		return err
	}
	return executionRows.Put(tx, e.Scope, e.ID, e)
}
