package functions

import (
	"context"
	"log/slog"
	"sync"

	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/pyhost"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

// controller is the kind under which the durable engine knows invocations.
const controller = "function-invocation"

// maxRunning is how many functions run at a time; further invocations wait.
const maxRunning = 16

// Deps is what the room needs from below.
type Deps struct {
	DB      *store.DB
	Engine  *durable.Engine
	Objects object.Store
	Keys    *identity.Keys
	Runner  runner.Runner
	Python  *pyenv.Manager
	Forks   *pyhost.ForkServers
	World   world.World
	Log     *slog.Logger
	Dir     string // for code and hosts
	LogDir  string // logs, by group and stream
	Socket  string // of the server, for hosts

	Capacity *capacity.Machine // that the functions share with the other rooms. Defaults to all of this machine.
}

// Service serves the operations on functions.
type Service struct {
	Deps
	codes   sync.RWMutex // held for reading from a zip's being kept until something names it, for writing while one is removed
	mu      sync.Mutex
	done    map[string]chan struct{} // by the name of an invocation that somebody here waits for
	cancels map[string]func()        // by the ARN of an invocation that runs here
}

// New returns the room's service and registers its controller with the engine.
func New(deps Deps) *Service {
	if deps.Capacity == nil {
		deps.Capacity = capacity.New(0, 0)
	}
	s := &Service{Deps: deps, done: map[string]chan struct{}{}, cancels: map[string]func(){}}
	deps.Engine.Handle(controller, durable.KindOptions{Concurrency: maxRunning, OnDead: func(ctx context.Context, tx *store.Tx, arn, reason string) error {
		return s.giveUp(tx, arn, reason)
	}}, s.reconcile)
	return s
}
