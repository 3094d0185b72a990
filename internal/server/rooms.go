package server

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/container"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/account"
	"github.com/mobula-ml/mobula/internal/platform/endpoints"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/transform"
	"github.com/mobula-ml/mobula/internal/platform/experiments"
	"github.com/mobula-ml/mobula/internal/platform/featurestore"
	"github.com/mobula-ml/mobula/internal/platform/functions"
	"github.com/mobula-ml/mobula/internal/platform/jobs"
	"github.com/mobula-ml/mobula/internal/platform/lineage"
	"github.com/mobula-ml/mobula/internal/platform/logs"
	"github.com/mobula-ml/mobula/internal/platform/pipelines"
	"github.com/mobula-ml/mobula/internal/platform/queues"
	"github.com/mobula-ml/mobula/internal/platform/registry"
	"github.com/mobula-ml/mobula/internal/platform/search"
	"github.com/mobula-ml/mobula/internal/platform/tuning"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/pyhost"
	"github.com/mobula-ml/mobula/internal/pysupport"
	"github.com/mobula-ml/mobula/internal/wire"
	"github.com/mobula-ml/mobula/xgboost"
)

// rooms are the platform's.
type rooms struct {
	features    *featurestore.Service
	jobs        *jobs.Service
	experiments *experiments.Service
	pipelines   *pipelines.Service
	endpoints   *endpoints.Service
	transform   *transform.Service
	lineage     *lineage.Service
	all         []any
}

// openRooms makes the rooms and tells them of one another.
func (s *Server) openRooms(ctx context.Context, later func(func())) (err error) {
	r := &s.rooms
	// The feature store writes past the hook; everybody else reads through it, so that what is acknowledged is there to be read.
	if r.features, err = featurestore.New(ctx, featurestore.Deps{DB: s.db, Objects: s.objects, World: s.World, Log: s.Log, Path: filepath.Join(s.Data, "features.db")}); err != nil {
		return err
	}
	later(r.features.Stop)
	objects := object.WithBeforeRead(s.objects, r.features.Flush)
	if s.python, err = pyenv.Open(pyenv.Options{Dir: s.Cache, Table: filepath.Join(s.Data, "runtimes.toml"), World: s.World}); err != nil {
		return err
	}
	containers := container.Open(filepath.Join(s.python.Dir(), "images"))
	support, err := pysupport.Install(filepath.Join(s.Data, "pysupport"))
	if err != nil {
		return err
	}
	forks := pyhost.NewForkServers(filepath.Join(s.Data, "forkservers"), s.Log)
	later(forks.Close)
	library, err := xgboost.LibraryPath()
	if err != nil {
		s.Log.Warn("the built-in XGBoost image cannot train", "error", err)
	}
	s.capacity = capacity.New(s.CPUs, s.MemoryMiB<<20)
	r.experiments = experiments.New(experiments.Deps{DB: s.db, World: s.World, Log: s.Log})
	r.jobs = jobs.New(jobs.Deps{DB: s.db, Series: r.experiments, Features: r.features, Engine: s.engine, Objects: objects, Keys: s.keys, Runner: s.runner, Python: s.python, Containers: containers, Support: support, Forks: forks,
		World: s.World, Log: s.Log, Dir: filepath.Join(s.Data, "jobs"), LogDir: s.logDir(), Socket: s.socket, Library: library, Capacity: s.capacity})
	trials := tuning.New(tuning.Deps{DB: s.db, Engine: s.engine, World: s.World, Log: s.Log, Jobs: r.jobs})
	models := registry.New(registry.Deps{DB: s.db, Objects: objects, World: s.World})
	s.openServing(objects, models, serving.Deps{Containers: containers, Library: library, Support: support, Forks: forks})
	code := functions.New(functions.Deps{DB: s.db, Engine: s.engine, Objects: objects, Keys: s.keys, Runner: s.runner, Python: s.python, Forks: forks, World: s.World, Log: s.Log,
		Dir: filepath.Join(s.Data, "functions"), LogDir: s.logDir(), Socket: s.socket, Capacity: s.capacity})
	waiting := &queues.Service{DB: s.db, World: s.World}
	r.pipelines = pipelines.New(pipelines.Deps{DB: s.db, Engine: s.engine, Objects: objects, World: s.World, Log: s.Log, Jobs: r.jobs, Tuning: trials,
		Registry: models, Models: r.endpoints, Experiments: r.experiments, Features: r.features, Functions: code, Queues: waiting, Transforms: r.transform, Runtimes: s.python})
	r.lineage = lineage.New(lineage.Deps{DB: s.db, Objects: s.objects, World: s.World, Log: s.Log, Features: r.features, Endpoints: r.endpoints,
		Components: r.experiments})
	r.all = []any{r.features, r.jobs, trials, models, r.experiments, r.pipelines, r.endpoints, r.transform, r.lineage, code, waiting, &account.Service{DB: s.db, World: s.World, Keys: s.keys},
		&logs.Service{Dir: s.logDir()}, search.New(search.Deps{DB: s.db, Listers: r.listers(trials, models), SourceDetail: r.jobs.SourceDetail})}

	s3 := object.Handler(s.objects, object.HandlerOptions{BeforeRead: r.features.Flush, World: s.World, Log: s.Log,
		Account: func(ctx context.Context) string { return identity.From(ctx).Account }})
	s.handler = wire.New(wire.Config{Keys: s.keys, Services: r.all, S3: s3, Own: s.own(), World: s.World, Log: s.Log, Ready: func(context.Context) error {
		if !s.ready.Load() {
			return errors.New("the server is starting or stopping")
		}
		return nil
	}})
	return nil
}

// openServing makes the rooms whose hosts answer predictions.
func (s *Server) openServing(objects object.Store, models *registry.Service, deps serving.Deps) {
	deps.Objects, deps.Runner, deps.Keys, deps.Python, deps.Log, deps.Socket = objects, s.runner, s.keys, s.python, s.Log, s.socket
	hosts := &serving.Hosts{Deps: deps}
	s.rooms.endpoints = endpoints.New(endpoints.Deps{DB: s.db, Engine: s.engine, Objects: objects, Keys: s.keys, Hosts: hosts, World: s.World, Log: s.Log, Registry: models,
		Dir: filepath.Join(s.Data, "endpoints"), LogDir: s.logDir(), EndHosts: s.EndHosts, Capacity: s.capacity})
	s.rooms.transform = transform.New(transform.Deps{DB: s.db, Engine: s.engine, Objects: objects, Keys: s.keys, Hosts: hosts, Models: s.rooms.endpoints, World: s.World,
		Log: s.Log, Dir: filepath.Join(s.Data, "transform"), LogDir: s.logDir(), Capacity: s.capacity})
}

// listers are what Search looks through.
func (r *rooms) listers(trials *tuning.Service, models *registry.Service) map[string]search.Lister {
	return map[string]search.Lister{
		awsapi.ResourceTypeTrainingJob:              r.jobs.SearchTrainingJobs,
		awsapi.ResourceTypeHyperParameterTuningJob:  trials.SearchJobs,
		awsapi.ResourceTypeExperiment:               r.experiments.SearchExperiments,
		awsapi.ResourceTypeExperimentTrial:          r.experiments.SearchTrials,
		awsapi.ResourceTypeExperimentTrialComponent: r.experiments.SearchComponents,
		awsapi.ResourceTypeModel:                    r.endpoints.SearchModels,
		awsapi.ResourceTypeEndpoint:                 r.endpoints.SearchEndpoints,
		awsapi.ResourceTypeModelPackage:             models.SearchPackages,
		awsapi.ResourceTypeModelPackageGroup:        models.SearchGroups,
		awsapi.ResourceTypePipeline:                 r.pipelines.SearchPipelines,
		awsapi.ResourceTypePipelineExecution:        r.pipelines.SearchExecutions,
		awsapi.ResourceTypeFeatureGroup:             r.features.SearchGroups,
		awsapi.ResourceTypeFeatureMetadata:          r.features.SearchFeatures,
	}
}

func (s *Server) logDir() string { return filepath.Join(s.Data, "logs") }

// startRooms starts what runs by itself. The engine comes last: its controllers use all the rooms.
func (s *Server) startRooms(ctx context.Context, later func(func())) error {
	if err := s.rooms.features.Start(ctx); err != nil {
		return err
	}
	if err := s.rooms.jobs.Start(ctx); err != nil {
		return err
	}
	if err := s.rooms.endpoints.Start(ctx); err != nil {
		return err
	}
	later(s.rooms.endpoints.Stop)
	if err := s.rooms.transform.Start(ctx); err != nil {
		return err
	}
	if err := s.rooms.experiments.Start(ctx); err != nil {
		return err
	}
	later(s.rooms.experiments.Stop)
	if err := s.rooms.lineage.Start(ctx); err != nil {
		return err
	}
	later(s.rooms.lineage.Stop)
	if err := s.engine.Start(ctx); err != nil {
		return err
	}
	later(s.engine.Stop)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); s.sweep(ctx) }()
	later(func() { cancel(); <-done })
	return nil
}

// sweepEvery is how often what nothing names any more is looked for.
const sweepEvery = time.Hour

// sweep removes uploaded programs that nothing names any more.
func (s *Server) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		bucket := "sagemaker-" + s.Region + "-" + s.Account
		n, err := s.rooms.pipelines.SweepBinaries(ctx, s.keys.Self().Scope(), bucket)
		switch {
		case err != nil && ctx.Err() == nil:
			s.Log.Error("sweep uploaded programs", "error", err)
		case n > 0:
			s.Log.Info("swept uploaded programs that nothing names", "number", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
