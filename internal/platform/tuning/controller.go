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

// lookAgain is how long a parked tuning job waits at most before it looks at its trials without having been signalled.
const lookAgain = 30 * time.Second

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
	p := &pass{svc: s, lease: l}
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
	p.ctx = p.job.as(ctx)
	if err := p.observe(); err != nil {
		return err
	}
	why := p.enough()
	if why != "" {
		if err := p.stopTrials(); err != nil {
			return err
		}
	} else if err := p.startTrials(); err != nil {
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

// observe commits what the trials have come to.
func (p *pass) observe() error {
	for i := range p.trials {
		t := &p.trials[i]
		if t.Finished != nil {
			continue
		}
		d, err := p.svc.Jobs.DescribeTrainingJob(p.ctx, &awsapi.DescribeTrainingJobRequest{TrainingJobName: &t.Job})
		if err != nil {
			return fmt.Errorf("trial %s: %w", t.Job, err)
		}
		if awsapi.Val(d.TrainingJobStatus) == t.Status {
			continue
		}
		t.Status, t.Reason, t.Started = *d.TrainingJobStatus, awsapi.Val(d.FailureReason), awsapi.Moment(d.TrainingStartTime)
		if t.Status == awsapi.TrainingJobStatusCompleted || t.Status == awsapi.TrainingJobStatusFailed || t.Status == awsapi.TrainingJobStatusStopped {
			end := p.svc.World.Now()
			if d.TrainingEndTime != nil {
				end = d.TrainingEndTime.Time
			}
			t.Finished = &end
			t.Metric = metricOf(d, *p.job.objective().MetricName)
			if t.Metric == nil && t.Status == awsapi.TrainingJobStatusCompleted {
				t.Reason = fmt.Sprintf("the job reported no metric named '%s'", *p.job.objective().MetricName)
			}
		}
		if err := p.commit(t); err != nil {
			return err
		}
	}
	return nil
}

func metricOf(d *awsapi.DescribeTrainingJobResponse, name string) *float64 {
	for _, m := range d.FinalMetricDataList {
		if awsapi.Val(m.MetricName) == name && m.Value != nil {
			return new(float64(*m.Value))
		}
	}
	return nil
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

// tally counts the trials and finds the best.
func (j *job) tally(trials []trial, now time.Time) {
	j.Counts, j.Best, j.Modified = counts{}, nil, now
	for _, t := range trials {
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
		if t.Status == awsapi.TrainingJobStatusCompleted && (j.Best == nil || j.goal().Better(*t.Metric, *j.Best.Metric)) {
			j.Best = &t
		}
	}
}

// enough says why no further trial is to be started and those that run are to be stopped, or "".
func (p *pass) enough() string {
	limits := p.job.Config.ResourceLimits
	target := (*float32)(nil)
	if c := p.job.Config.TuningJobCompletionCriteria; c != nil {
		target = c.TargetObjectiveMetricValue
	}
	switch {
	case p.job.Status == awsapi.HyperParameterTuningJobStatusStopping:
		return "stopped"
	case target != nil && p.job.Best != nil && !p.job.goal().Better(float64(*target), *p.job.Best.Metric):
		return "target"
	case limits.MaxRuntimeInSeconds != nil && p.svc.World.Now().Sub(p.job.Created) > time.Duration(*limits.MaxRuntimeInSeconds)*time.Second:
		return "time"
	}
	return ""
}

// wait is how long to park: until the time limit at the latest.
func (p *pass) wait() time.Duration {
	if max := p.job.Config.ResourceLimits.MaxRuntimeInSeconds; max != nil {
		left := time.Duration(*max)*time.Second - p.svc.World.Now().Sub(p.job.Created)
		return min(lookAgain, left.Round(time.Millisecond)+10*time.Millisecond)
	}
	return lookAgain
}

func (p *pass) stopTrials() error {
	for i := range p.trials {
		t := &p.trials[i]
		if t.Finished != nil || t.Status == awsapi.TrainingJobStatusStopping {
			continue
		}
		err := p.svc.Jobs.StopTrainingJob(p.ctx, &awsapi.StopTrainingJobRequest{TrainingJobName: &t.Job})
		var refused *awsapi.Error
		if err != nil && !errors.As(err, &refused) { // a job that has ended meanwhile cannot be stopped
			return fmt.Errorf("stop trial %s: %w", t.Job, err)
		}
	}
	return nil
}

func (p *pass) startTrials() error {
	limits := p.job.Config.ResourceLimits
	for len(p.trials) < int(*limits.MaxNumberOfTrainingJobs) && p.running() < int(*limits.MaxParallelTrainingJobs) {
		t, err := p.start(len(p.trials))
		if err != nil {
			return err
		}
		p.trials = append(p.trials, *t)
		if err := p.commit(t); err != nil {
			return err
		}
	}
	return nil
}

// start makes the training job of a trial, or finds the one that an interrupted pass made. A job that is refused is a trial that failed.
func (p *pass) start(number int) (*trial, error) {
	now := p.svc.World.Now()
	t := &trial{Tuning: p.job.Name, Number: number, Status: awsapi.TrainingJobStatusInProgress, Created: now,
		Job: fmt.Sprintf("%s-%03d-%08x", p.job.Name, number+1, uint32(seedOf(fmt.Sprint(p.job.ARN, p.job.Created.UnixNano(), number))))}
	var ended []tune.Trial
	for _, e := range p.trials {
		if e.Finished != nil && e.Metric != nil {
			ended = append(ended, tune.Trial{Number: e.Number, Params: e.Params, Metric: *e.Metric})
		}
	}
	var err error
	if t.Params, err = strategies[*p.job.Config.Strategy](p.job.Seed).Suggest(p.job.Space, ended, number); err != nil {
		return nil, err
	}
	t.ARN = p.job.Scope.ARN("training-job/" + t.Job)
	_, err = p.svc.Jobs.CreateTrainingJob(p.ctx, p.request(t))
	var refused *awsapi.Error
	switch {
	case err == nil || awsapi.IsCode(err, "ResourceInUse"):
	case errors.As(err, &refused) && refused.Status < 500:
		t.Status, t.Reason, t.Finished = awsapi.TrainingJobStatusFailed, refused.Message, &now
	default:
		return nil, fmt.Errorf("trial %s: %w", t.Job, err)
	}
	return t, nil
}

func (p *pass) request(t *trial) *awsapi.CreateTrainingJobRequest {
	d := &p.job.Definition
	params := map[string]string{"_tuning_objective_metric": *p.job.objective().MetricName}
	maps.Copy(params, d.StaticHyperParameters)
	maps.Copy(params, t.Params)
	in := &awsapi.CreateTrainingJobRequest{TrainingJobName: &t.Job, HyperParameters: params, RoleArn: d.RoleArn, InputDataConfig: d.InputDataConfig,
		AlgorithmSpecification: &awsapi.AlgorithmSpecification{TrainingImage: d.AlgorithmSpecification.TrainingImage, AlgorithmName: d.AlgorithmSpecification.AlgorithmName,
			TrainingInputMode: d.AlgorithmSpecification.TrainingInputMode, MetricDefinitions: d.AlgorithmSpecification.MetricDefinitions},
		OutputDataConfig: d.OutputDataConfig, ResourceConfig: d.ResourceConfig, StoppingCondition: d.StoppingCondition, VpcConfig: d.VpcConfig,
		EnableNetworkIsolation: d.EnableNetworkIsolation, CheckpointConfig: d.CheckpointConfig, RetryStrategy: d.RetryStrategy, Environment: d.Environment}
	if r := d.HyperParameterTuningResourceConfig; r != nil && in.ResourceConfig == nil {
		in.ResourceConfig = &awsapi.ResourceConfig{InstanceType: r.InstanceType, InstanceCount: r.InstanceCount, VolumeSizeInGB: r.VolumeSizeInGB, VolumeKmsKeyId: r.VolumeKmsKeyId}
	}
	return in
}

// finish commits the end of the job and signals its owner.
func (p *pass) finish(why string) error {
	now := p.svc.World.Now()
	return p.lease.Update(p.ctx, func(tx *store.Tx) error {
		j, err := jobRows.GetARN(tx, p.job.ARN)
		if err != nil {
			return err
		}
		j.tally(p.trials, now)
		j.Ended = &now
		switch {
		case why == "stopped" || j.Status == awsapi.HyperParameterTuningJobStatusStopping:
			j.Status = awsapi.HyperParameterTuningJobStatusStopped
		case j.Best == nil:
			j.Status, j.Reason = awsapi.HyperParameterTuningJobStatusFailed, "No training job succeeded"+lastReason(p.trials)
		default:
			j.Status = awsapi.HyperParameterTuningJobStatusCompleted
		}
		return p.svc.end(tx, j)
	})
}

func lastReason(trials []trial) string {
	if len(trials) == 0 || trials[len(trials)-1].Reason == "" {
		return "."
	}
	return "; the last one: " + trials[len(trials)-1].Reason
}

// end keeps a job that has come to its end.
func (s *Service) end(tx *store.Tx, j *job) error {
	if err := jobRows.Put(tx, j.Scope, j.Name, j); err != nil {
		return err
	}
	if err := emit(tx, j); err != nil {
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
	j.Status, j.Reason, j.Ended, j.Modified = awsapi.HyperParameterTuningJobStatusFailed, "InternalServerError: "+reason[:min(len(reason), 900)], &now, now
	return s.end(tx, j)
}
