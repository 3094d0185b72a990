package tuning

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/tune"
)

// tally counts the trials and finds the best: of those that completed, or if none did, of those that were stopped early.
func (j *job) tally(trials []trial, now time.Time) {
	j.Counts, j.Best, j.Modified = counts{}, nil, now
	var stopped *trial
	for i := range trials {
		t := &trials[i]
		switch {
		case t.Finished == nil:
			j.Counts.InProgress++
			continue
		case t.Status == awsapi.TrainingJobStatusCompleted:
			j.Counts.Completed++
		case t.Status == awsapi.TrainingJobStatusStopped:
			j.Counts.Stopped++
		default:
			j.Counts.Failed++
		}
		if t.Metric == nil {
			j.Counts.Unscored++
			continue
		}
		j.Counts.Scored++
		switch {
		case t.Status == awsapi.TrainingJobStatusCompleted:
			j.Best = j.bestOf(j.Best, t)
		case t.Status == awsapi.TrainingJobStatusStopped && t.Early:
			stopped = j.bestOf(stopped, t)
		}
	}
	if j.Best == nil {
		j.Best = stopped
	}
	j.NotImproving = j.notImproving(trials)
}

func (j *job) bestOf(a, b *trial) *trial {
	if a == nil || j.goal().Better(*b.Metric, *a.Metric) {
		kept := *b
		kept.Reports = nil
		return &kept
	}
	return a
}

// leastImprovement is by what part of the best metric another must be better to count: AWS's 1 %.
const leastImprovement = 0.01

// notImproving counts the trials, in the order in which they ended, since the best metric improved by a hundredth.
func (j *job) notImproving(trials []trial) (n int32) {
	var ended []*trial
	for i := range trials {
		if trials[i].Finished != nil && trials[i].Metric != nil {
			ended = append(ended, &trials[i])
		}
	}
	slices.SortFunc(ended, func(a, b *trial) int { return cmp.Or(a.Finished.Compare(*b.Finished), a.Number-b.Number) })
	var best *float64
	for _, t := range ended {
		if best == nil || j.goal().Better(*t.Metric, *best) && math.Abs(*t.Metric-*best) >= leastImprovement*math.Abs(*best) {
			best, n = t.Metric, 0
			continue
		}
		n++
	}
	return n
}

// Why no further trial is started, and those that run are stopped.
type reason string

const (
	goesOn       reason = ""
	stopAsked    reason = "stopped"
	targetMet    reason = "target"
	notImproving reason = "not improving"
	converged    reason = "converged"
	outOfTime    reason = "time"
)

// enough says why the job has had enough of trials.
func (p *pass) enough() (reason, error) {
	j, limits := p.job, p.job.Config.ResourceLimits
	switch {
	case j.Status == awsapi.HyperParameterTuningJobStatusStopping:
		return stopAsked, nil
	case limits.MaxRuntimeInSeconds != nil && p.svc.World.Now().Sub(j.Created) > time.Duration(*limits.MaxRuntimeInSeconds)*time.Second:
		return outOfTime, nil
	}
	c := j.Config.TuningJobCompletionCriteria
	if c == nil {
		return goesOn, nil
	}
	if c.TargetObjectiveMetricValue != nil && j.Best != nil && !j.goal().Better(float64(*c.TargetObjectiveMetricValue), *j.Best.Metric) {
		return targetMet, nil
	}
	if b := c.BestObjectiveNotImproving; b != nil && b.MaxNumberOfTrainingJobsNotImproving != nil && j.NotImproving >= *b.MaxNumberOfTrainingJobsNotImproving {
		return notImproving, nil
	}
	if d := c.ConvergenceDetected; d == nil || awsapi.Val(d.CompleteOnConvergence) != awsapi.CompleteOnConvergenceEnabled {
		return goesOn, nil
	}
	if j.Converged == nil && j.Judged != j.Counts.Scored {
		if err := p.judge(p.hasConverged()); err != nil {
			return goesOn, err
		}
	}
	if p.job.Converged != nil {
		return converged, nil
	}
	return goesOn, nil
}

// hasConverged says whether no definition promises to improve its best metric by a hundredth, as the process of tune.Bayesian sees it.
func (p *pass) hasConverged() bool {
	for i := range p.job.Definitions {
		s := p.job.state(i, p.trials)
		best := math.Inf(1)
		for _, t := range s.Trials {
			if !t.Running && t.Err == nil && (math.IsInf(best, 1) || s.Goal.Better(t.Metric, best)) {
				best = t.Metric
			}
		}
		if math.IsInf(best, 1) || (tune.Bayesian{Seed: p.job.Seed}).Promise(s) >= leastImprovement*math.Abs(best) {
			return false
		}
	}
	return true
}

// judge commits whether the job has converged with the trials that it has.
func (p *pass) judge(converged bool) error {
	now := p.svc.World.Now()
	return p.lease.Update(p.ctx, func(tx *store.Tx) error {
		j, err := jobRows.GetARN(tx, p.job.ARN)
		if err != nil {
			return err
		}
		j.Judged = j.Counts.Scored
		if converged {
			j.Converged, j.Modified = &now, now
		}
		p.job = j
		return jobRows.Put(tx, j.Scope, j.Name, j)
	})
}

// finish commits the end of the job and signals its owner.
func (p *pass) finish(why reason) error {
	now := p.svc.World.Now()
	return p.lease.Update(p.ctx, func(tx *store.Tx) error {
		j, err := jobRows.GetARN(tx, p.job.ARN)
		if err != nil {
			return err
		}
		j.tally(p.trials, now)
		j.Ended = &now
		switch {
		case why == stopAsked || j.Status == awsapi.HyperParameterTuningJobStatusStopping:
			j.Status = awsapi.HyperParameterTuningJobStatusStopped
		case j.Best != nil:
			j.Status = awsapi.HyperParameterTuningJobStatusCompleted
		case why == outOfTime && j.Counts.Failed == 0:
			j.Status, j.Reason = awsapi.HyperParameterTuningJobStatusStopped, "No training job ended within maxRuntimeInSeconds."
		default:
			j.Status, j.Reason = awsapi.HyperParameterTuningJobStatusFailed, failure(j, p.trials)
		}
		return p.svc.end(tx, j)
	})
}

// failure is why a job without a best trial failed, in AWS's words and with the last trial's reason.
func failure(j *job, trials []trial) string {
	if j.Counts.Completed > 0 {
		return fmt.Sprintf("No objective metrics found after running %d training jobs. Please ensure that the custom algorithm is emitting the objective metric "+
			"as defined by the regular expression provided.", len(trials))
	}
	text := fmt.Sprintf("No training job succeeded after %d attempts. Please take a look at the training job failures to get more details.", len(trials))
	if n := len(trials); n > 0 && trials[n-1].Reason != "" {
		text += " The last one: " + trials[n-1].Reason
	}
	return cut(text)
}

// cut is the limit that the API sets to a reason.
func cut(s string) string {
	const limit = 1024
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}

// end keeps a job that has come to its end.
func (s *Service) end(tx *store.Tx, j *job) error {
	if err := jobRows.Put(tx, j.Scope, j.Name, j); err != nil {
		return err
	}
	if err := s.emit(tx, j); err != nil {
		return err
	}
	return j.Owner.Notify(s.Engine, tx)
}

// giveUp ends a job whose controller failed again and again.
func (s *Service) giveUp(_ context.Context, tx *store.Tx, arn, reason string) error {
	j, err := jobRows.GetARN(tx, arn)
	if errors.Is(err, store.ErrNotFound) || err == nil && over(j.Status) {
		return nil
	}
	if err != nil {
		return err
	}
	now := s.World.Now()
	j.Status, j.Reason, j.Ended, j.Modified = awsapi.HyperParameterTuningJobStatusFailed, cut("InternalServerError: "+reason), &now, now
	return s.end(tx, j)
}
