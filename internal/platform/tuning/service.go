package tuning

import (
	"context"
	"errors"
	"log/slog"
	"strings"
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
	CheckTrainingJob(*awsapi.CreateTrainingJobRequest) error
	DescribeTrainingJob(context.Context, *awsapi.DescribeTrainingJobRequest) (*awsapi.DescribeTrainingJobResponse, error)
	StopTrainingJob(context.Context, *awsapi.StopTrainingJobRequest) error
	// Reports reads the values of a metric that a job has reported, from a place in its log on, and returns the place to go on from.
	Reports(ctx context.Context, job, metric string, from int64) (values []float64, next int64, err error)
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
	Definitions       []definition
	Several           bool // the definitions came as a list
	WarmStart         *awsapi.HyperParameterTuningJobWarmStartConfig
	ParentBest        *awsapi.HyperParameterTrainingJobSummary // of parents with the same data and algorithm
	Tags              []awsapi.Tag                             // each trial has them too
	Seed              uint64
	Owner             durable.Owner
	Status, Reason    string
	Created, Modified time.Time
	Ended             *time.Time
	Best              *trial
	Counts            counts
	NotImproving      int32 // trials since the best improved by a hundredth
	Converged         *time.Time
	Judged            int32 // how many trials had a metric when it was last looked whether the job has converged
}

// definition is one of the kinds of trial that a job makes.
type definition struct {
	Request   awsapi.HyperParameterTrainingJobDefinition
	Objective awsapi.HyperParameterTuningJobObjective
	Space     tune.Space
	Parents   []parent // what the trials of the parents came to when the job was made
}

// counts are the counters that Describe shows.
type counts struct{ Completed, InProgress, Retryable, Failed, Stopped, Scored, Unscored int32 }

// trial is the row of a trial. Its name in the store is its training job's.
type trial struct {
	Tuning, Job, ARN  string
	Number            int // among all trials of the job
	Definition        int // which one
	Index             int // among the trials of the definition
	Params            map[string]string
	Launched          bool // the training job was made, or refused
	Early             bool // it is to be stopped early
	Status, Reason    string
	Metric            *float64
	Reports           []float64 // the objective while it ran, where early stopping needs it
	LogRead           int64     // how far the log was read for them, in bytes
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
	if errors.Is(err, store.ErrNotFound) { // clients take names out of ARNs, which have small letters
		j, err = jobRows.GetARN(tx, scope.ARN("hyper-parameter-tuning-job/"+strings.ToLower(awsapi.Val(name))))
	}
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

// as gives ctx the identity that a trial is made with, and makes the tuning job the owner of what it creates.
func (j *job) as(ctx context.Context, definition int) context.Context {
	ctx = identity.With(ctx, identity.Principal{Account: j.Scope.Account, Region: j.Scope.Region,
		RoleARN: awsapi.Val(j.Definitions[definition].Request.RoleArn), SessionName: "tuning"})
	return durable.WithOwner(ctx, durable.Owner{Kind: Controller, Key: j.ARN})
}

// goal is the same for all definitions.
func (j *job) goal() tune.Goal { return tune.Goal(awsapi.Val(j.Definitions[0].Objective.Type)) }

// emit appends the event of a tuning job's status.
func (s *Service) emit(tx *store.Tx, j *job) error {
	return tx.Emit(store.Event{Type: "HyperParameterTuningJob." + j.Status, Resource: j.ARN, Data: awsapi.Encode(j.describe(s.World.Now()))})
}
