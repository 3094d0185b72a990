package tuning

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
	"github.com/mobula-ml/mobula/tune"
)

// Jobs runs the trials.
type Jobs interface {
	CreateTrainingJob(context.Context, *awsapi.CreateTrainingJobRequest) (*awsapi.CreateTrainingJobResponse, error)
	DescribeTrainingJob(context.Context, *awsapi.DescribeTrainingJobRequest) (*awsapi.DescribeTrainingJobResponse, error)
	StopTrainingJob(context.Context, *awsapi.StopTrainingJobRequest) error
}

// Deps is what the room needs from below and beside it.
type Deps struct {
	DB     *store.DB
	Engine *durable.Engine
	World  world.World
	Log    *slog.Logger
	Jobs   Jobs
}

// Service serves the operations of tuning jobs.
type Service struct{ Deps }

// Controller is the kind under which the durable engine knows tuning jobs, and by which a training job knows that it is a trial of one.
const Controller = "tuning-job"

// New returns the room's service and registers its controller with the engine.
func New(deps Deps) *Service {
	s := &Service{deps}
	deps.Engine.Handle(Controller, durable.KindOptions{Concurrency: 8, OnDead: s.giveUp}, s.reconcile)
	return s
}

// job is the row of a tuning job.
type job struct {
	Name, ARN         string
	Scope             store.Scope
	Config            awsapi.HyperParameterTuningJobConfig
	Definition        awsapi.HyperParameterTrainingJobDefinition
	Space             tune.Space
	Seed              uint64
	Owner             durable.Owner
	Status, Reason    string
	Created, Modified time.Time
	Ended             *time.Time
	Best              *trial
	Counts            counts
}

// counts are the counters that Describe shows.
type counts struct{ Completed, InProgress, Failed, Stopped, Scored, Unscored int32 }

// trial is the row of a trial. Its name in the store is its training job's.
type trial struct {
	Tuning, Job, ARN  string
	Number            int
	Params            map[string]string
	Status, Reason    string
	Metric            *float64
	Created           time.Time
	Started, Finished *time.Time
}

var (
	jobRows = store.NewCollection("tuning-job", func(j *job) store.Index {
		return store.Index{Status: j.Status, Created: j.Created, Modified: j.Modified}
	})
	trialRows = store.NewCollection("tuning-trial", func(t *trial) store.Index {
		return store.Index{Status: t.Status, Parent: t.Tuning, Created: t.Created}
	})
)

func over(status string) bool {
	return status == awsapi.HyperParameterTuningJobStatusCompleted || status == awsapi.HyperParameterTuningJobStatusFailed || status == awsapi.HyperParameterTuningJobStatusStopped
}

func find(tx *store.Tx, scope store.Scope, name *string) (*job, error) {
	j, err := jobRows.Get(tx, scope, awsapi.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, awsapi.NotFound("Amazon SageMaker can't find a tuning job with name %s in %s.", awsapi.Val(name), scope.Region)
	}
	return j, err
}

// trialsOf returns the trials of a job by their number; a job has at most a few hundred.
func trialsOf(tx *store.Tx, j *job) (out []trial, err error) {
	q := store.Query{Parent: j.Name, SortBy: store.ByName, Limit: 100}
	for {
		page, err := trialRows.List(tx, j.Scope, q)
		if err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if q.Token = page.Next; q.Token == "" {
			return out, nil
		}
	}
}

// as gives ctx the identity that a tuning job acts with, and makes it the owner of what it creates.
func (j *job) as(ctx context.Context) context.Context {
	ctx = identity.With(ctx, identity.Principal{Account: j.Scope.Account, Region: j.Scope.Region, RoleARN: awsapi.Val(j.Definition.RoleArn), SessionName: "tuning"})
	return durable.WithOwner(ctx, durable.Owner{Kind: Controller, Key: j.ARN})
}

func (j *job) goal() tune.Goal { return tune.Goal(awsapi.Val(j.objective().Type)) }

func (j *job) objective() *awsapi.HyperParameterTuningJobObjective {
	return j.Config.HyperParameterTuningJobObjective
}

func (t *trial) describe(j *job) *awsapi.HyperParameterTrainingJobSummary {
	out := &awsapi.HyperParameterTrainingJobSummary{TrainingJobName: &t.Job, TrainingJobArn: &t.ARN, TuningJobName: &j.Name,
		TrainingJobDefinitionName: j.Definition.DefinitionName, CreationTime: awsapi.Stamp(t.Created), TrainingJobStatus: &t.Status,
		TunedHyperParameters: t.Params, FailureReason: awsapi.Optional(t.Reason), ObjectiveStatus: new(awsapi.ObjectiveStatusPending)}
	if t.Started != nil {
		out.TrainingStartTime = awsapi.Stamp(*t.Started)
	}
	if t.Finished != nil {
		out.TrainingEndTime = awsapi.Stamp(*t.Finished)
		out.ObjectiveStatus = new(awsapi.ObjectiveStatusFailed)
	}
	if t.Metric != nil {
		out.ObjectiveStatus = new(awsapi.ObjectiveStatusSucceeded)
		out.FinalHyperParameterTuningJobObjectiveMetric = &awsapi.FinalHyperParameterTuningJobObjectiveMetric{
			MetricName: j.objective().MetricName, Value: new(float32(*t.Metric)), Type: j.objective().Type}
	}
	return out
}

func (j *job) describe() *awsapi.DescribeHyperParameterTuningJobResponse {
	out := &awsapi.DescribeHyperParameterTuningJobResponse{HyperParameterTuningJobName: &j.Name, HyperParameterTuningJobArn: &j.ARN,
		HyperParameterTuningJobConfig: &j.Config, TrainingJobDefinition: &j.Definition, HyperParameterTuningJobStatus: &j.Status,
		CreationTime: awsapi.Stamp(j.Created), LastModifiedTime: awsapi.Stamp(j.Modified), FailureReason: awsapi.Optional(j.Reason)}
	out.TrainingJobStatusCounters, out.ObjectiveStatusCounters = j.Counts.describe()
	if j.Ended != nil {
		out.HyperParameterTuningEndTime = awsapi.Stamp(*j.Ended)
	}
	if j.Best != nil {
		out.BestTrainingJob = j.Best.describe(j)
		out.OverallBestTrainingJob = out.BestTrainingJob
	}
	return out
}

func (c counts) describe() (*awsapi.TrainingJobStatusCounters, *awsapi.ObjectiveStatusCounters) {
	return &awsapi.TrainingJobStatusCounters{Completed: &c.Completed, InProgress: &c.InProgress, RetryableError: new(int32(0)), NonRetryableError: &c.Failed, Stopped: &c.Stopped},
		&awsapi.ObjectiveStatusCounters{Succeeded: &c.Scored, Pending: &c.InProgress, Failed: &c.Unscored}
}

// emit appends the event of a tuning job's status.
func emit(tx *store.Tx, j *job) error {
	return tx.Emit(store.Event{Type: "HyperParameterTuningJob." + j.Status, Resource: j.ARN, Data: awsapi.Encode(j.describe())})
}
