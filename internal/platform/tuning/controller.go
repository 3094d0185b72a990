package tuning

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/tune"
)

// How long a parked tuning job waits at most before it looks at its trials without having been signalled: sooner where it may stop them early.
const (
	lookAgain = 30 * time.Second
	lookEarly = 300 * time.Millisecond
)

// A pass is one call of the controller.
type pass struct {
	svc    *Service
	ctx    context.Context
	lease  *durable.Lease
	job    *job
	trials []trial
}

// reconcile looks at the trials that run, starts more as far as the limits allow, and ends the job when there are no more.
func (s *Service) reconcile(ctx context.Context, l *durable.Lease) error {
	p := &pass{svc: s, ctx: ctx, lease: l}
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		if p.job, err = jobRows.GetARN(tx, l.Key); err == nil {
			p.trials, err = trialsOf(tx, p.job)
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted
	}
	if err != nil || over(p.job.Status) {
		return err
	}
	if err := p.observe(); err != nil {
		return err
	}
	why, err := p.enough()
	if err != nil {
		return err
	}
	if why == goesOn {
		err = p.startTrials()
	} else {
		err = p.stopTrials()
	}
	if err != nil {
		return err
	}
	if p.running() > 0 {
		return durable.Park(p.wait())
	}
	return p.finish(why)
}

// running counts the trials that have not ended.
func (p *pass) running() (n int) {
	for _, t := range p.trials {
		if t.Finished == nil {
			n++
		}
	}
	return n
}

// wait is how long to park: until the time limit at the latest.
func (p *pass) wait() time.Duration {
	again := lookAgain
	if p.job.stopperOf(0) != nil {
		again = lookEarly
	}
	if max := p.job.Config.ResourceLimits.MaxRuntimeInSeconds; max != nil && p.job.Status == awsapi.HyperParameterTuningJobStatusInProgress {
		left := time.Duration(*max)*time.Second - p.svc.World.Now().Sub(p.job.Created)
		if left > 0 {
			return min(again, left.Round(time.Millisecond)+10*time.Millisecond)
		}
	}
	return again
}

// commit keeps a trial and what it means for the job.
func (p *pass) commit(t *trial) error {
	return p.lease.Update(p.ctx, func(tx *store.Tx) error {
		err := trialRows.Insert(tx, p.job.Scope, t.Job, t.ARN+"#trial", t)
		if errors.Is(err, store.ErrExists) {
			err = trialRows.Put(tx, p.job.Scope, t.Job, t)
		}
		if err != nil {
			return err
		}
		j, err := jobRows.GetARN(tx, p.job.ARN) // a Stop may have come in since the pass began
		if err != nil {
			return err
		}
		j.tally(p.trials, p.svc.World.Now())
		p.job = j
		return jobRows.Put(tx, j.Scope, j.Name, j)
	})
}

// startTrials chooses trials and launches them as far as the limits allow. One that an interrupted pass chose has been launched by observe.
func (p *pass) startTrials() error {
	limits := p.job.Config.ResourceLimits
	for len(p.trials) < int(*limits.MaxNumberOfTrainingJobs) && p.running() < int(*limits.MaxParallelTrainingJobs) {
		if p.job.Status != awsapi.HyperParameterTuningJobStatusInProgress {
			return nil // a Stop came in; it has signalled, so that the next pass is at once
		}
		t, err := p.choose()
		if errors.Is(err, tune.ErrExhausted) {
			return nil
		}
		if err != nil {
			return err
		}
		p.trials = append(p.trials, *t)
		t = &p.trials[len(p.trials)-1]
		if err := p.commit(t); err != nil {
			return err
		}
		if err := p.launch(t); err != nil {
			return err
		}
	}
	return nil
}

// choose asks the strategy for the next trial. The definitions take turns; those of a grid come one after the other, each to its end.
func (p *pass) choose() (*trial, error) {
	j, number := p.job, len(p.trials)
	t := &trial{Tuning: j.Name, Number: number, Status: awsapi.TrainingJobStatusInProgress, Created: p.svc.World.Now(),
		Definition: number % len(j.Definitions), Index: number / len(j.Definitions),
		Job: fmt.Sprintf("%s-%03d-%08x", j.Name, number+1, uint32(seedOf(fmt.Sprint(j.ARN, j.Created.UnixNano(), number))))}
	if g, ok := j.strategyOf(0).(tune.Grid); ok {
		t.Definition, t.Index = 0, number
		for t.Definition < len(j.Definitions)-1 && t.Index >= g.Size(j.Definitions[t.Definition].Space) {
			t.Index -= g.Size(j.Definitions[t.Definition].Space)
			t.Definition++
		}
	}
	t.ARN = j.Scope.ARN("training-job/" + t.Job)
	var err error
	t.Params, err = j.strategyOf(t.Definition).Suggest(j.state(t.Definition, p.trials), t.Index)
	return t, err
}

// launch makes the training job of a trial, unless an interrupted pass did. A job that is refused is a trial that failed.
func (p *pass) launch(t *trial) error {
	_, err := p.svc.Jobs.CreateTrainingJob(p.job.as(p.ctx, t.Definition), p.job.request(t))
	var refused *awsapi.Error
	switch {
	case err == nil || awsapi.IsCode(err, "ResourceInUse"):
	case errors.As(err, &refused) && refused.Status < 500:
		now := p.svc.World.Now()
		t.Status, t.Reason, t.Finished = awsapi.TrainingJobStatusFailed, refused.Message, &now
	default:
		return fmt.Errorf("trial %s: %w", t.Job, err)
	}
	t.Launched = true
	return p.commit(t)
}

// request is the training job of a trial.
func (j *job) request(t *trial) *awsapi.CreateTrainingJobRequest {
	definition := &j.Definitions[t.Definition]
	d := &definition.Request
	params := definition.static()
	maps.Copy(params, t.Params)
	return &awsapi.CreateTrainingJobRequest{TrainingJobName: &t.Job, HyperParameters: params, RoleArn: d.RoleArn, InputDataConfig: d.InputDataConfig,
		AlgorithmSpecification: &awsapi.AlgorithmSpecification{TrainingImage: d.AlgorithmSpecification.TrainingImage, AlgorithmName: d.AlgorithmSpecification.AlgorithmName,
			TrainingInputMode: d.AlgorithmSpecification.TrainingInputMode, MetricDefinitions: d.AlgorithmSpecification.MetricDefinitions},
		OutputDataConfig: d.OutputDataConfig, ResourceConfig: definition.cluster(), StoppingCondition: d.StoppingCondition, VpcConfig: d.VpcConfig,
		EnableNetworkIsolation: d.EnableNetworkIsolation, EnableManagedSpotTraining: d.EnableManagedSpotTraining,
		EnableInterContainerTrafficEncryption: d.EnableInterContainerTrafficEncryption, CheckpointConfig: d.CheckpointConfig,
		RetryStrategy: d.RetryStrategy, Environment: d.Environment, Tags: j.Tags}
}

// stopTrials asks the trials that run to stop.
func (p *pass) stopTrials() error {
	for i := range p.trials {
		if err := p.stop(&p.trials[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) stop(t *trial) error {
	if t.Finished != nil || t.Status == awsapi.TrainingJobStatusStopping {
		return nil
	}
	err := p.svc.Jobs.StopTrainingJob(p.job.as(p.ctx, t.Definition), &awsapi.StopTrainingJobRequest{TrainingJobName: &t.Job})
	var refused *awsapi.Error
	if err != nil && !errors.As(err, &refused) { // a job that has ended meanwhile cannot be stopped
		return fmt.Errorf("stop trial %s: %w", t.Job, err)
	}
	return nil
}
