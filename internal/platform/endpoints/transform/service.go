package transform

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

// Models has the models that jobs name.
type Models interface {
	// Serves returns what hosts of a model serve, or the API's error where there is none of that name.
	Serves(tx *store.Tx, scope store.Scope, name string) (serving.Model, error)
}

// Deps is what the room needs.
type Deps struct {
	DB      *store.DB
	Engine  *durable.Engine
	Objects object.Store
	Keys    *identity.Keys
	Hosts   *serving.Hosts
	Models  Models
	World   world.World
	Log     *slog.Logger

	Dir    string // folders of running jobs
	LogDir string // logs, by group and stream

	Capacity *capacity.Machine // that the jobs share with the other rooms. Defaults to all of this machine.
}

// Service serves the operations of batch transform.
type Service struct {
	Deps
	mu    sync.Mutex
	stops map[string]context.CancelCauseFunc // of jobs that run here, by ARN
	found map[string]func()                  // by ARN: gives back the part of the machine of a job whose hosts a server before this one started
}

// controller is the kind of the jobs' tasks.
const controller = "transform-job"

// atOnce is how many jobs may be in the hands of their controllers: waiting or running. What runs is bounded by the capacity.
const atOnce = 4096

// New returns the room's service and registers its controller with the engine.
func New(deps Deps) *Service {
	if deps.Capacity == nil {
		deps.Capacity = capacity.New(0, 0)
	}
	s := &Service{Deps: deps, stops: map[string]context.CancelCauseFunc{}, found: map[string]func(){}}
	deps.Engine.Handle(controller, durable.KindOptions{Concurrency: atOnce, OnDead: s.giveUp}, s.control)
	return s
}

// Start removes what jobs have left that are not there any more.
func (s *Service) Start(ctx context.Context) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	running := map[string]bool{}
	if err := s.DB.View(ctx, func(tx *store.Tx) error {
		return rows.Each(tx, func(j *job) error {
			if running[j.ID] = !j.over(); running[j.ID] && j.Started != nil { // it has its part of the machine before anything that waits is given one
				s.found[j.ARN] = s.Capacity.Force(j.need())
			}
			return nil
		})
	}); err != nil {
		return err
	}
	left, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	for _, f := range left {
		if id, _, _ := strings.Cut(f.Name(), "."); !running[id] {
			s.Hosts.Remove(ctx, filepath.Join(s.Dir, id))
		}
	}
	return nil
}

// job is the row of a transform job.
type job struct {
	ID, Name, ARN  string
	Scope          store.Scope
	Request        *awsapi.CreateTransformJobRequest
	Model          serving.Model // as it was when the job was made
	Owner          durable.Owner
	Maker          string `json:",omitempty"` // ARN of the job whose key made this one, or ""
	Status, Reason string
	StopAsked      bool
	Created        time.Time
	Modified       time.Time
	Started, Ended *time.Time
}

var rows = store.NewCollection(controller, func(j *job) store.Index {
	return store.Index{Status: j.Status, Created: j.Created, Modified: j.Modified}
})

// need is the part of the machine that the job's host takes. One that a running job made shares its maker's part: the maker may wait for it.
func (j *job) need() capacity.Need {
	shape, err := capacity.InstanceOf(awsapi.Val(j.Request.TransformResources.InstanceType))
	if err != nil || j.Maker != "" {
		return capacity.Need{}
	}
	return capacity.Need{CPUs: int64(shape.VCPUs), Memory: shape.Memory}
}

// over says whether a job has ended.
func (j *job) over() bool {
	return j.Status == awsapi.TransformJobStatusCompleted || j.Status == awsapi.TransformJobStatusFailed || j.Status == awsapi.TransformJobStatusStopped
}

func (j *job) describe() *awsapi.DescribeTransformJobResponse {
	in := j.Request
	out := &awsapi.DescribeTransformJobResponse{TransformJobName: &j.Name, TransformJobArn: &j.ARN, TransformJobStatus: &j.Status, FailureReason: awsapi.Optional(j.Reason),
		BatchStrategy: in.BatchStrategy, DataProcessing: in.DataProcessing, Environment: in.Environment, ExperimentConfig: in.ExperimentConfig,
		MaxConcurrentTransforms: in.MaxConcurrentTransforms, MaxPayloadInMB: in.MaxPayloadInMB, ModelClientConfig: in.ModelClientConfig, ModelName: in.ModelName,
		TransformInput: in.TransformInput, TransformOutput: in.TransformOutput, TransformResources: in.TransformResources, CreationTime: awsapi.Stamp(j.Created)}
	if j.Started != nil {
		out.TransformStartTime = awsapi.Stamp(*j.Started)
	}
	if j.Ended != nil {
		out.TransformEndTime = awsapi.Stamp(*j.Ended)
	}
	return out
}

// emit appends the event of a job's status.
func emit(tx *store.Tx, j *job) error {
	return tx.Emit(store.Event{Type: "TransformJob." + j.Status, Resource: j.ARN, Data: awsapi.Encode(j.describe())})
}

func find(tx *store.Tx, scope store.Scope, name *string) (*job, error) {
	j, err := rows.Get(tx, scope, awsapi.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, awsapi.Validation("Could not find requested job with name: %s", awsapi.Val(name))
	}
	return j, err
}

// DescribeTransformJob shows a job.
func (s *Service) DescribeTransformJob(ctx context.Context, in *awsapi.DescribeTransformJobRequest) (*awsapi.DescribeTransformJobResponse, error) {
	var j *job
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		j, err = find(tx, identity.From(ctx).Scope(), in.TransformJobName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return j.describe(), nil
}

// ListTransformJobs lists jobs.
func (s *Service) ListTransformJobs(ctx context.Context, in *awsapi.ListTransformJobsRequest) (*awsapi.ListTransformJobsResponse, error) {
	q := store.Query{NameContains: awsapi.Val(in.NameContains), Status: awsapi.Val(in.StatusEquals), SortBy: store.ByCreated,
		Descending: awsapi.Val(in.SortOrder) != awsapi.SortOrderAscending, Limit: awsapi.PageSize(in.MaxResults), Token: awsapi.Val(in.NextToken),
		CreatedAfter: awsapi.Moment(in.CreationTimeAfter), CreatedBefore: awsapi.Moment(in.CreationTimeBefore),
		ModifiedAfter: awsapi.Moment(in.LastModifiedTimeAfter), ModifiedBefore: awsapi.Moment(in.LastModifiedTimeBefore)}
	switch awsapi.Val(in.SortBy) {
	case awsapi.SortByName:
		q.SortBy = store.ByName
	case awsapi.SortByStatus:
		q.SortBy = store.ByStatus
	}
	out := &awsapi.ListTransformJobsResponse{TransformJobSummaries: []awsapi.TransformJobSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := rows.List(tx, identity.From(ctx).Scope(), q)
		for _, j := range page.Items {
			d := j.describe()
			out.TransformJobSummaries = append(out.TransformJobSummaries, awsapi.TransformJobSummary{TransformJobName: d.TransformJobName, TransformJobArn: d.TransformJobArn,
				CreationTime: d.CreationTime, TransformEndTime: d.TransformEndTime, LastModifiedTime: awsapi.Stamp(j.Modified), TransformJobStatus: d.TransformJobStatus,
				FailureReason: d.FailureReason})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// StopTransformJob asks a job to stop. What it has written stays.
func (s *Service) StopTransformJob(ctx context.Context, in *awsapi.StopTransformJobRequest) error {
	var arn string
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		j, err := find(tx, identity.From(ctx).Scope(), in.TransformJobName)
		if err != nil {
			return err
		}
		if j.Status != awsapi.TransformJobStatusInProgress {
			return awsapi.Validation("The request was rejected because the transform job is in status %s.", j.Status)
		}
		arn = j.ARN
		j.StopAsked, j.Status, j.Modified = true, awsapi.TransformJobStatusStopping, s.World.Now()
		if err := rows.Put(tx, j.Scope, j.Name, j); err != nil {
			return err
		}
		if err := emit(tx, j); err != nil {
			return err
		}
		return s.Engine.Signal(tx, controller, arn)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop := s.stops[arn]; stop != nil {
		stop(errStopped)
	}
	return nil
}
