package endpoints

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

// Registry has the model packages that models may be made of.
type Registry interface {
	DescribeModelPackage(context.Context, *awsapi.DescribeModelPackageInput) (*awsapi.DescribeModelPackageOutput, error)
}

// Deps is what the room needs from below and beside it.
type Deps struct {
	DB       *store.DB
	Engine   *durable.Engine
	Objects  object.Store
	Runner   runner.Runner
	World    world.World
	Log      *slog.Logger
	Registry Registry

	Dir     string // folders of hosts
	LogDir  string // logs, by group and stream
	Socket  string // the server's unix socket, for the hosts
	Library string // file of libxgboost
}

// Service serves the operations of the room.
type Service struct {
	Deps
	mu    sync.Mutex
	hosts map[string]*host // that run, by the id of their variant

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

const controller = "endpoint"

// New returns the room's service and registers its controller with the engine.
func New(deps Deps) *Service {
	s := &Service{Deps: deps, hosts: map[string]*host{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	deps.Engine.Handle(controller, durable.KindOptions{Concurrency: 64, MaxAttempts: 1 << 30}, s.reconcile)
	return s
}

// Start removes hosts that no endpoint names, and wakes the controllers of all endpoints, so that they find their hosts again.
func (s *Service) Start(ctx context.Context) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	named := map[string]bool{}
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		return endpointRows.Each(tx, func(e *endpoint) error {
			for _, d := range []*deployment{e.Current, e.Next} {
				if d != nil {
					for _, v := range d.Variants {
						named[v.ID] = true
					}
				}
			}
			return s.Engine.Signal(tx, controller, e.ARN)
		})
	})
	if err != nil {
		return err
	}
	folders, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	for _, f := range folders {
		if !named[f.Name()] {
			s.removeFolder(ctx, filepath.Join(s.Dir, f.Name()))
		}
	}
	return nil
}

// Stop lets go of the hosts, which go on.
func (s *Service) Stop() {
	s.cancel()
	s.wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hosts {
		h.close()
	}
}

// removeFolder ends what runs in a host's folder and removes it.
func (s *Service) removeFolder(ctx context.Context, dir string) {
	if j, err := s.Runner.Attach(ctx, dir); err == nil {
		if err := j.Stop(ctx, "the endpoint is gone"); err != nil {
			s.Log.Warn("stop host of an endpoint", "dir", dir, "error", err)
		}
		if _, err := j.Wait(ctx); err == nil && j.Remove() == nil {
			return
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		s.Log.Warn("remove folder of an endpoint", "dir", dir, "error", err)
	}
}

// model is the row of a model, with what its container came to.
type model struct {
	awsapi.DescribeModelOutput
	Image, DataURL string
	Environment    map[string]string
}

// endpoint is the row of an endpoint.
type endpoint struct {
	Name, ARN         string
	Scope             store.Scope
	Status, Reason    string
	Config            string      // the configuration that is asked for
	Current, Next     *deployment // what serves, and what is to serve
	Created, Modified time.Time
}

// A deployment is what one configuration asks for.
type deployment struct {
	Config   string
	Variants []variant
}

// A variant is a model behind an endpoint, with its share of the requests. ID names its host's folder; a host that replaces another gets a new one.
type variant struct {
	Name, ID      string
	Model         string
	Image         string
	DataURL       string
	Environment   map[string]string
	InstanceType  string
	Weight        float32
	Instances     int32
	Restarts      int
	LastStart     time.Time
	HealthTimeout time.Duration
}

var (
	modelRows = store.NewCollection("model", func(m *model) store.Index { return store.Index{Created: m.CreationTime.Time} })

	configRows = store.NewCollection("endpoint-config", func(c *awsapi.DescribeEndpointConfigOutput) store.Index {
		return store.Index{Created: c.CreationTime.Time}
	})
	endpointRows = store.NewCollection("endpoint", func(e *endpoint) store.Index {
		return store.Index{Status: e.Status, Created: e.Created, Modified: e.Modified}
	})
)

// missing is the error of what is not there.
func missing(scope store.Scope, kind, name string) error {
	return awsapi.Validation("Could not find %s \"%s\".", kind, scope.ARN(kind+"/"+name))
}

func getEndpoint(tx *store.Tx, scope store.Scope, name *string) (*endpoint, error) {
	e, err := endpointRows.Get(tx, scope, awsapi.Val(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing(scope, "endpoint", awsapi.Val(name))
	}
	return e, err
}

func (e *endpoint) describe() *awsapi.DescribeEndpointOutput {
	out := &awsapi.DescribeEndpointOutput{EndpointName: &e.Name, EndpointArn: &e.ARN, EndpointConfigName: &e.Config, EndpointStatus: &e.Status,
		FailureReason: awsapi.Optional(e.Reason), CreationTime: awsapi.Stamp(e.Created), LastModifiedTime: awsapi.Stamp(e.Modified)}
	if e.Current == nil {
		return out
	}
	for _, v := range e.Current.Variants {
		out.ProductionVariants = append(out.ProductionVariants, awsapi.ProductionVariantSummary{VariantName: &v.Name, CurrentWeight: &v.Weight, DesiredWeight: &v.Weight,
			CurrentInstanceCount: &v.Instances, DesiredInstanceCount: &v.Instances,
			DeployedImages: []awsapi.DeployedImage{{SpecifiedImage: &v.Image, ResolvedImage: &v.Image, ResolutionTime: awsapi.Stamp(v.LastStart)}}})
	}
	return out
}

// emit appends the event of an endpoint's status.
func emit(tx *store.Tx, e *endpoint, what string) error {
	return tx.Emit(store.Event{Type: "Endpoint." + what, Resource: e.ARN, Data: awsapi.Encode(e.describe())})
}

// client is what requests to a host go through.
func newClient(transport *http.Transport) *http.Client { return &http.Client{Transport: transport} }
