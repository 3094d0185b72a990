package endpoints

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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

// Registry has the model packages that models may be made of.
type Registry interface {
	DescribeModelPackage(context.Context, *awsapi.DescribeModelPackageInput) (*awsapi.DescribeModelPackageOutput, error)
}

// Deps is what the room needs from below and beside it.
type Deps struct {
	DB       *store.DB
	Engine   *durable.Engine
	Objects  object.Store
	Keys     *identity.Keys
	Hosts    *serving.Hosts
	World    world.World
	Log      *slog.Logger
	Registry Registry

	Dir    string // folders of hosts
	LogDir string // logs, by group and stream

	// EndHosts: the hosts end when the service stops, and are started again by the next. Otherwise they stay, so that a restart is no interruption.
	EndHosts bool

	Capacity *capacity.Machine // that the hosts share with the other rooms. Defaults to all of this machine.
}

// Service serves the operations of the room.
type Service struct {
	Deps
	mu     sync.Mutex
	hosts  map[string]*serving.Host // that run, by the id of their instance
	models map[string]*target       // of multi-model variants, by the id of their instance and their name
	next   atomic.Uint64            // the instance that is asked first where several are as free

	turns map[string]chan struct{} // of asynchronous invocations, by endpoint and how many may be at work

	captures captures

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

const controller = "endpoint"

// New returns the room's service and registers its controller with the engine.
func New(deps Deps) *Service {
	if deps.Capacity == nil {
		deps.Capacity = capacity.New(0, 0)
	}
	s := &Service{Deps: deps, hosts: map[string]*serving.Host{}, models: map[string]*target{}, turns: map[string]chan struct{}{}, captures: captures{lines: map[string]*bytes.Buffer{}}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	deps.Engine.Handle(controller, durable.KindOptions{Concurrency: 64, MaxAttempts: 1 << 30}, s.reconcile)
	deps.Engine.Handle(asyncController, durable.KindOptions{Concurrency: asyncAtOnce, MaxAttempts: 1 << 30}, s.invokeLater)
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
				maps.Copy(named, d.ids())
			}
			for i := 0; e.Current != nil && i < len(e.Current.Variants); i++ { // what runs is counted before anything that waits is given room
				for _, one := range e.Current.Variants[i].instances() {
					s.Capacity.Hold(one.ID, e.Current.Variants[i].memory())
				}
			}
			return s.Engine.Signal(tx, controller, e.ARN)
		})
	})
	if err != nil {
		return err
	}
	s.wg.Go(s.writeCaptures)
	folders, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	for _, f := range folders {
		id, further, _ := strings.Cut(f.Name(), ".") // further containers of a model have the id with a number
		switch {
		case !named[id]:
			s.Hosts.Remove(ctx, filepath.Join(s.Dir, id))
		case strings.HasPrefix(further, targetFolder): // one of several models, which is loaded again when it is asked for
			s.Hosts.Remove(ctx, filepath.Join(s.Dir, f.Name()))
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
		h.Close()
	}
	for _, m := range s.models {
		if m.host != nil {
			m.host.Close()
		}
	}
	if s.EndHosts {
		s.endHosts()
	}
}

// endHosts ends all hosts and removes their folders.
func (s *Service) endHosts() {
	folders, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Log.Warn("end the hosts of endpoints", "error", err)
	}
	var wg sync.WaitGroup
	for _, f := range folders {
		wg.Go(func() { s.Hosts.Remove(context.Background(), filepath.Join(s.Dir, f.Name())) })
	}
	wg.Wait()
}

// model is the row of a model, with what its container came to.
type model struct {
	awsapi.DescribeModelOutput
	serving.Container
	More []serving.Container `json:",omitempty"`
}

// serves is the model as hosts serve it.
func (m *model) serves() serving.Model {
	return serving.Model{Container: m.Container, More: m.More, Role: awsapi.Val(m.ExecutionRoleArn)}
}

// endpoint is the row of an endpoint.
type endpoint struct {
	Name, ARN      string
	Scope          store.Scope
	Status, Reason string
	Config         string // the configuration that is asked for
	Policy         string // resource policy, or ""
	// Deployment is how the last change was to be brought out. It is kept, and requests go over at once.
	Deployment        *awsapi.DeploymentConfig `json:",omitempty"`
	Current, Next     *deployment              // what serves, and what is to serve
	Created, Modified time.Time
}

// A deployment is what one configuration asks for.
type deployment struct {
	Config   string
	Variants []variant
	Capture  *awsapi.DataCaptureConfig    `json:",omitempty"`
	Async    *awsapi.AsyncInferenceConfig `json:",omitempty"`
}

// A variant is a model behind an endpoint, with its share of the requests.
type variant struct {
	Name     string
	Model    string
	instance            // the first of its hosts
	Also     []instance `json:",omitempty"` // the others
	serving.Container
	More          []serving.Container                       `json:",omitempty"`
	Role          string                                    `json:",omitempty"`
	Serverless    *awsapi.ProductionVariantServerlessConfig `json:",omitempty"`
	InstanceType  string
	Weight        float32
	Instances     int32 // that are asked for
	HealthTimeout time.Duration
}

// An instance is one of a variant's hosts. ID names its folder; a host that replaces another gets a new one.
type instance struct {
	ID        string
	Restarts  int
	LastStart time.Time
}

// serves is the model that the variant's hosts serve.
func (v *variant) serves() serving.Model {
	return serving.Model{Container: v.Container, More: v.More, Role: v.Role}
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
	called := map[string]string{"endpoint-config": "endpoint configuration"}[kind]
	return awsapi.Validation("Could not find %s \"%s\".", cmp.Or(called, kind), scope.ARN(kind+"/"+name)) // tools know it by these words
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
		FailureReason: awsapi.Optional(e.Reason), CreationTime: awsapi.Stamp(e.Created), LastModifiedTime: awsapi.Stamp(e.Modified), LastDeploymentConfig: e.Deployment}
	if e.Current == nil {
		return out
	}
	out.AsyncInferenceConfig = e.Current.Async
	if c := e.Current.Capture; c != nil {
		status := awsapi.CaptureStatusStopped
		if awsapi.Val(c.EnableCapture) {
			status = awsapi.CaptureStatusStarted
		}
		out.DataCaptureConfig = &awsapi.DataCaptureConfigSummary{EnableCapture: c.EnableCapture, CaptureStatus: &status,
			CurrentSamplingPercentage: c.InitialSamplingPercentage, DestinationS3Uri: c.DestinationS3Uri, KmsKeyId: new(awsapi.Val(c.KmsKeyId))}
	}
	for i := range e.Current.Variants {
		v := &e.Current.Variants[i]
		desired := e.Next.variant(v.Name)
		if desired == nil {
			desired = v
		}
		out.ProductionVariants = append(out.ProductionVariants, v.describe(desired))
	}
	return out
}

// describe shows what a variant is and what it is to become.
func (v *variant) describe(desired *variant) awsapi.ProductionVariantSummary {
	d := awsapi.ProductionVariantSummary{VariantName: &v.Name, CurrentWeight: &v.Weight, DesiredWeight: &desired.Weight,
		CurrentServerlessConfig: v.Serverless, DesiredServerlessConfig: desired.Serverless}
	if v.Serverless == nil {
		d.CurrentInstanceCount, d.DesiredInstanceCount = new(int32(len(v.instances()))), &desired.Instances
	}
	for _, c := range v.serves().Containers() {
		d.DeployedImages = append(d.DeployedImages, awsapi.DeployedImage{SpecifiedImage: &c.Image, ResolvedImage: &c.Image, ResolutionTime: awsapi.Stamp(v.LastStart)})
	}
	return d
}

// emit appends the event of an endpoint's status.
func emit(tx *store.Tx, e *endpoint, what string) error {
	return tx.Emit(store.Event{Type: "Endpoint." + what, Resource: e.ARN, Data: awsapi.Encode(e.describe())})
}
