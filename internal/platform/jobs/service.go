package jobs

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/container"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/pyhost"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

// Deps is what the room needs from below.
type Deps struct {
	DB         *store.DB
	Engine     *durable.Engine
	Objects    object.Store
	Keys       *identity.Keys
	Runner     runner.Runner
	Python     *pyenv.Manager      // Python worlds of images. Without one only images that need none are served.
	Containers *container.Store    // of docker or podman. Without one no container images are run.
	Series     Series              // Without one only the last value of a metric is kept.
	Forks      *pyhost.ForkServers // Pythons that run already. Without them each script starts its own.
	Support    string              // folder of the Python modules that only managed images have (pysupport.Install)
	Features   Features            // of outputs that go to the feature store
	World      world.World
	Log        *slog.Logger

	Dir     string // folders of running jobs
	LogDir  string // logs, by group and stream
	Socket  string // the server's unix socket, for the hosts
	Library string // file of libxgboost, for the built-in trainer

	Capacity *capacity.Machine // that the jobs share with the other rooms. Defaults to all of this machine.
}

// Service serves the operations of jobs and logs.
type Service struct {
	Deps

	mu      sync.Mutex
	stops   map[string]chan struct{} // by ARN: closed when the job is asked to stop
	adopted map[string]func()        // by ARN: gives back the part of the machine of a job that a server before this one started
}

// atOnce is how many jobs may be in the hands of their controllers: waiting, running or uploading. What runs is bounded by the capacity.
const atOnce = 4096

// New returns the room's service and registers its controllers with the engine.
func New(deps Deps) *Service {
	if deps.Capacity == nil {
		deps.Capacity = capacity.New(0, 0)
	}
	s := &Service{Deps: deps, stops: map[string]chan struct{}{}, adopted: map[string]func(){}}
	for _, kind := range []string{processingKind, trainingKind} {
		deps.Engine.Handle(kind, durable.KindOptions{Concurrency: atOnce, OnDead: func(_ context.Context, tx *store.Tx, arn, reason string) error {
			return s.giveUp(tx, kind, arn, reason)
		}}, func(ctx context.Context, l *durable.Lease) error { return s.control(ctx, kind, l) })
	}
	return s
}

// Start removes the folders of jobs that are not there any more.
func (s *Service) Start(ctx context.Context) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	folders, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	alive, waiting := map[string]bool{}, []*job{}
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		for _, kind := range []string{processingKind, trainingKind} {
			err := rowsOf(kind).Each(tx, func(j *job) error {
				if alive[j.ID] = !j.over(); alive[j.ID] {
					waiting = append(waiting, j)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	// What runs has its part of the machine before anything that waits is given one.
	for _, j := range waiting {
		if _, err := s.Runner.Attach(ctx, filepath.Join(s.Dir, j.ID)); err == nil {
			s.adopted[j.ARN] = s.Capacity.Force(j.need())
		}
	}
	for _, f := range folders {
		if !alive[f.Name()] {
			s.removeFolder(ctx, filepath.Join(s.Dir, f.Name()))
		}
	}
	return nil
}

// removeFolder removes a job's folder, and ends what may still run in it first.
func (s *Service) removeFolder(ctx context.Context, dir string) {
	if j, err := s.Runner.Attach(ctx, dir); err == nil {
		if err := j.Stop(ctx, "the job is gone"); err != nil {
			s.Log.Warn("stop job of a folder", "dir", dir, "error", err)
		}
		if _, err := j.Wait(ctx); err == nil {
			if err := j.Remove(); err == nil {
				return
			}
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		s.Log.Warn("remove folder of a job", "dir", dir, "error", err)
	}
}

// stopped returns the channel that is closed when a job is asked to stop.
func (s *Service) stopped(arn string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.stops[arn]
	if !ok {
		c = make(chan struct{})
		s.stops[arn] = c
	}
	return c
}

func (s *Service) tellStop(arn string) {
	c := s.stopped(arn)
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-c:
	default:
		close(c)
	}
}

// adopt takes the part of the machine for a job that runs already.
func (s *Service) adopt(j *job) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	release, ok := s.adopted[j.ARN]
	delete(s.adopted, j.ARN)
	if !ok { // its controller failed since
		release = s.Capacity.Force(j.need())
	}
	return release
}

func (s *Service) forget(arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.stops, arn)
}

// keep inserts a new job and hands it to its controller.
func (s *Service) keep(ctx context.Context, j *job, tags []awsapi.Tag) error {
	if err := s.fits(j); err != nil {
		return err
	}
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		err := j.rows().Insert(tx, j.Scope, j.Name, j.ARN, j)
		if errors.Is(err, store.ErrExists) {
			return awsapi.InUse("Job name must be unique within an AWS account and region, and a job with this name already exists (%s)", j.ARN)
		}
		if err != nil {
			return err
		}
		if err := tx.SetTags(j.ARN, tags); err != nil {
			return err
		}
		if err := emit(tx, j); err != nil {
			return err
		}
		return s.Engine.Enqueue(tx, j.kind(), j.ARN)
	})
}

// fits checks the cluster that a job asks for.
func (s *Service) fits(j *job) error {
	kind, hosts := j.cluster()
	if _, err := capacity.InstanceOf(kind); err != nil {
		return awsapi.Validation("Value '%s' at 'instanceType' failed to satisfy constraint: %v", kind, err)
	}
	if hosts < 1 || hosts > runner.MaxHosts {
		return awsapi.Validation("Value '%d' at 'instanceCount' failed to satisfy constraint: Member must have value between 1 and %d", hosts, runner.MaxHosts)
	}
	return nil
}

// stop asks a job to stop.
func (s *Service) stop(ctx context.Context, kind string, name *string) error {
	var arn string
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		j, err := find(tx, kind, identity.From(ctx).Scope(), name)
		if err != nil {
			return err
		}
		if j.Status != awsapi.TrainingJobStatusInProgress {
			return awsapi.Validation("The request was rejected because the job is in status %s.", j.Status)
		}
		arn = j.ARN
		j.StopAsked, j.Status = true, awsapi.TrainingJobStatusStopping
		j.turn(awsapi.SecondaryStatusStopping, "Stopping the job", s.World.Now())
		if err := j.rows().Put(tx, j.Scope, j.Name, j); err != nil {
			return err
		}
		if err := emit(tx, j); err != nil {
			return err
		}
		return s.Engine.Signal(tx, kind, arn)
	})
	if err == nil {
		s.tellStop(arn)
	}
	return err
}

// remove deletes a job that has ended.
func (s *Service) remove(ctx context.Context, kind string, name *string) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		j, err := find(tx, kind, identity.From(ctx).Scope(), name)
		if err != nil {
			return err
		}
		if !j.over() {
			return awsapi.InUse("The job %s is %s; only one that has ended can be deleted. Stop it first.", j.ARN, j.Status)
		}
		if err := j.rows().Delete(tx, j.Scope, j.Name); err != nil {
			return err
		}
		what := "TrainingJob.Deleted"
		if kind == processingKind {
			what = "ProcessingJob.Deleted"
		}
		return tx.Emit(store.Event{Type: what, Resource: j.ARN})
	})
}
