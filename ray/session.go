package ray

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"time"
)

// Isolation says where the embedded engine runs tasks and actors.
type Isolation string

// The isolations.
const (
	// Goroutines runs them in this process: quick, and a crash of one is a crash of all.
	Goroutines Isolation = "goroutines"
	// Processes runs each in a worker process of this program, which must call Main first of all.
	Processes Isolation = "processes"
)

// Options of an engine.
type Options struct {
	// Address of the cluster: "local" is the embedded engine. Defaults to the environment's RAY_ADDRESS, else "local".
	Address string
	// NumCPUs is how many CPUs the engine gives out. Defaults to those of the machine.
	NumCPUs float64
	// Resources are others than CPUs, by name, as {"gpu": 1}.
	Resources map[string]float64
	// Isolation defaults to Goroutines.
	Isolation Isolation
	// ObjectStoreMemory is how many bytes of values and arguments the engine keeps at most. Defaults to 2 GiB.
	ObjectStoreMemory int64
	// MaxPending is how many calls may be waiting or running. Defaults to 1,000,000.
	MaxPending int
	// MaxWorkers is how many tasks and actors may run at a time, whatever resources they name. Defaults to 10,000 goroutines or 256 processes.
	MaxWorkers int
	// ShutdownGrace is how long Shutdown waits for functions that go on after their context has ended. Defaults to 10 seconds.
	ShutdownGrace time.Duration
	// Output is where worker processes write what is meant for stdout and stderr. Defaults to those of this process.
	Output io.Writer
	// Logger is told of restarts and retries. Defaults to slog.Default().
	Logger *slog.Logger
}

// ErrNoSession is given where the context is not one of Init.
var ErrNoSession = errors.New("the context does not come from ray.Init")

// A session is what a context knows: the engine, and the task that runs under the context ("" for the program that called Init).
type session struct {
	engine engine
	task   string
}

type sessionKey struct{}

func sessionOf(ctx context.Context) (*session, error) {
	if s, ok := ctx.Value(sessionKey{}).(*session); ok {
		return s, nil
	}
	return nil, ErrNoSession
}

func (s *session) context(parent context.Context) context.Context {
	return context.WithValue(parent, sessionKey{}, s)
}

// Init starts an engine and returns the context to call it with. The engine ends with Shutdown, or when ctx ends.
func Init(ctx context.Context, o Options) (context.Context, error) {
	if _, err := sessionOf(ctx); err == nil {
		return nil, errors.New("ray.Init: the context has an engine already")
	}
	if o.Address == "" {
		o.Address = os.Getenv("RAY_ADDRESS")
	}
	if o.Address != "" && o.Address != "local" {
		return nil, fmt.Errorf("ray.Init: address %q is not supported: this program has the embedded engine only, address \"local\" (or RAY_ADDRESS unset)", o.Address)
	}
	if err := o.defaults(); err != nil {
		return nil, fmt.Errorf("ray.Init: %w", err)
	}
	e, err := newLocal(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("ray.Init: %w", err)
	}
	return (&session{engine: e}).context(ctx), nil
}

func (o *Options) defaults() error {
	if o.NumCPUs == 0 {
		o.NumCPUs = float64(runtime.NumCPU())
	}
	if o.Isolation == "" {
		o.Isolation = Goroutines
	}
	if o.Isolation != Goroutines && o.Isolation != Processes {
		return fmt.Errorf("isolation %q must be %q or %q", o.Isolation, Goroutines, Processes)
	}
	if o.Isolation == Processes && !mainCalled.Load() {
		return errors.New("isolation \"processes\" needs ray.Main() as the first statement of main (or of TestMain)")
	}
	if o.ObjectStoreMemory == 0 {
		o.ObjectStoreMemory = 2 << 30
	}
	if o.MaxPending == 0 {
		o.MaxPending = 1_000_000
	}
	if o.MaxWorkers == 0 {
		o.MaxWorkers = 10_000
		if o.Isolation == Processes {
			o.MaxWorkers = 256
		}
	}
	if o.ObjectStoreMemory < 0 || o.MaxPending < 0 || o.MaxWorkers < 0 {
		return fmt.Errorf("object store memory %d, max pending %d and max workers %d must not be below 0", o.ObjectStoreMemory, o.MaxPending, o.MaxWorkers)
	}
	if o.ShutdownGrace == 0 {
		o.ShutdownGrace = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return nil
}

// Shutdown cancels what runs, ends the actors and the workers, and waits for them. It may be called more than once. The error names
// functions that did not return although their context ended.
func Shutdown(ctx context.Context) error {
	s, err := sessionOf(ctx)
	if err != nil {
		return err
	}
	if s.task != "" {
		return errors.New("ray.Shutdown: only the program that called Init may shut the engine down, not a task")
	}
	return s.engine.shutdown()
}

// ClusterResources returns all there is, by name; CPUs are "CPU".
func ClusterResources(ctx context.Context) (map[string]float64, error) {
	total, _, err := resourcesOf(ctx)
	return total, err
}

// AvailableResources returns what is free now. It can be below 0 for a moment, when a task that had lent its CPUs goes on.
func AvailableResources(ctx context.Context) (map[string]float64, error) {
	_, free, err := resourcesOf(ctx)
	return free, err
}

func resourcesOf(ctx context.Context) (total, free map[string]float64, err error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, nil, err
	}
	t, f, err := s.engine.resources(ctx)
	return t.floats(), f.floats(), err
}
