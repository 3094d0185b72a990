package tuning

import (
	"errors"
	"fmt"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/tune"
)

// observe commits what the trials have come to and stops those that a stopper says to stop. A trial that was chosen and not yet launched when
// a pass was interrupted is launched.
func (p *pass) observe() error {
	for i := range p.trials {
		t := &p.trials[i]
		if t.Finished != nil {
			continue
		}
		if !t.Launched {
			if err := p.launch(t); err != nil {
				return err
			}
			continue
		}
		if err := p.look(t); err != nil {
			return err
		}
	}
	for i := range p.trials {
		t := &p.trials[i]
		if t.Early {
			if err := p.stop(t); err != nil { // it may have been decided by a pass that was interrupted
				return err
			}
		}
	}
	return nil
}

// look compares a trial with its training job.
func (p *pass) look(t *trial) error {
	ctx, d := p.job.as(p.ctx, t.Definition), &p.job.Definitions[t.Definition]
	training, err := p.svc.Jobs.DescribeTrainingJob(ctx, &awsapi.DescribeTrainingJobRequest{TrainingJobName: &t.Job})
	var refused *awsapi.Error
	if errors.As(err, &refused) && refused.Status < 500 { // it has ended and was deleted before it could be looked at
		now := p.svc.World.Now()
		t.Status, t.Reason, t.Finished = awsapi.TrainingJobStatusFailed, refused.Message, &now
		return p.commit(t)
	}
	if err != nil {
		return fmt.Errorf("trial %s: %w", t.Job, err)
	}
	changed, err := p.readReports(t)
	if err != nil {
		return err
	}
	if status := *training.TrainingJobStatus; status != t.Status {
		changed = true
		t.Status, t.Reason = status, awsapi.Val(training.FailureReason)
		if status == awsapi.TrainingJobStatusCompleted || status == awsapi.TrainingJobStatusFailed || status == awsapi.TrainingJobStatusStopped {
			end := p.svc.World.Now()
			if training.TrainingEndTime != nil {
				end = training.TrainingEndTime.Time
			}
			t.Finished = &end
			if t.Metric = metricOf(training, *d.Objective.MetricName); t.Metric != nil {
				*t.Metric = finite(p.job.goal(), *t.Metric)
			}
			if t.Metric == nil && status == awsapi.TrainingJobStatusCompleted {
				t.Reason = fmt.Sprintf("the job reported no metric named '%s'", *d.Objective.MetricName)
			}
		}
	}
	if t.Started == nil && training.TrainingStartTime != nil {
		t.Started, changed = awsapi.Moment(training.TrainingStartTime), true
	}
	if changed && t.Finished == nil && !t.Early {
		t.Early = p.unpromising(t)
	}
	if !changed {
		return nil
	}
	return p.commit(t)
}

func metricOf(d *awsapi.DescribeTrainingJobResponse, name string) *float64 {
	for _, m := range d.FinalMetricDataList {
		if awsapi.Val(m.MetricName) == name && m.Value != nil {
			return new(float64(*m.Value))
		}
	}
	return nil
}

// maxReports bounds what is kept of a trial; a trial that reports more is judged by these.
const maxReports = 20_000

// readReports adds what a trial has reported since it was looked at last, where a stopper needs it.
func (p *pass) readReports(t *trial) (changed bool, err error) {
	if p.job.stopperOf(t.Definition) == nil || len(t.Reports) >= maxReports {
		return false, nil
	}
	values, next, err := p.svc.Jobs.Reports(p.job.as(p.ctx, t.Definition), t.Job, *p.job.Definitions[t.Definition].Objective.MetricName, t.LogRead)
	if err != nil {
		return false, fmt.Errorf("reports of trial %s: %w", t.Job, err)
	}
	for _, x := range values[:min(len(values), maxReports-len(t.Reports))] {
		t.Reports = append(t.Reports, finite(p.job.goal(), x))
	}
	t.LogRead = next
	return len(values) > 0, nil
}

// unpromising says whether a trial that runs is to be stopped early. One that has reached Hyperband's last epoch is left to end by itself, with
// its artifact, and stopped when it goes beyond.
func (p *pass) unpromising(t *trial) bool {
	stopper := p.job.stopperOf(t.Definition)
	if stopper == nil {
		return false
	}
	if h, ok := stopper.(tune.Hyperband); ok && len(t.Reports) == h.Max {
		return false
	}
	state := p.job.state(t.Definition, p.trials)
	return stopper.Stop(state, t.told())
}
