package durable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/store"
)

// Options of an engine.
type Options struct {
	Log   *slog.Logger  // Defaults to slog.Default().
	Owner string        // this process among those that share the store. Defaults to a random name.
	Lease time.Duration // how long a task stays with a process that is not heard of. Defaults to 30 s.
	// Alone says that no other process shares the store: leases of other owners are those of processes that died, and are taken over at start.
	Alone bool
}

// KindOptions say how tasks of a kind are run.
type KindOptions struct {
	Concurrency  int // tasks at a time. Defaults to 16.
	MaxAttempts  int // failures in a row before a task is given up. Defaults to 10.
	MaxTakeovers int // processes in a row that died with the task before it is given up. Defaults to 10.
	// Backoff is the wait after the first failure; it doubles up to a minute. Defaults to 100 ms.
	Backoff time.Duration
	// OnDead is called in the transaction that gives a task up.
	OnDead func(ctx context.Context, tx *store.Tx, key, reason string) error
}

// A Controller does the next thing for a task. See Park for what it may return.
type Controller func(ctx context.Context, l *Lease) error

type kind struct {
	KindOptions
	name    string
	run     Controller
	running int // guarded by Engine.mu
}

// An Engine runs the controllers of one process.
type Engine struct {
	db  *store.DB
	o   Options
	log *slog.Logger

	mu      sync.Mutex
	kinds   map[string]*kind
	held    map[taskID]*Lease // what runs here
	suspect *Lease            // the last one started that is under suspicion, see suspicious
	started bool

	poke   chan struct{}
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

type taskID struct{ kind, key string }

// New returns an engine on a store.
func New(db *store.DB, o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Owner == "" {
		o.Owner = db.World.NewID(12)
	}
	if o.Lease == 0 {
		o.Lease = 30 * time.Second
	}
	return &Engine{db: db, o: o, log: o.Log, kinds: map[string]*kind{}, held: map[taskID]*Lease{}, poke: make(chan struct{}, 1)}
}

// Handle registers the controller of a kind. It is called before Start.
func (e *Engine) Handle(name string, o KindOptions, run Controller) {
	if o.Concurrency == 0 {
		o.Concurrency = 16
	}
	if o.MaxAttempts == 0 {
		o.MaxAttempts = 10
	}
	if o.MaxTakeovers == 0 {
		o.MaxTakeovers = 10
	}
	if o.Backoff == 0 {
		o.Backoff = 100 * time.Millisecond
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started || e.kinds[name] != nil {
		panic("durable: Handle " + name + " twice or after Start")
	}
	e.kinds[name] = &kind{KindOptions: o, name: name, run: run}
}

// Start takes over what dead processes left and begins to run tasks.
func (e *Engine) Start(ctx context.Context) error {
	e.mu.Lock()
	started := e.started
	e.started = true
	e.mu.Unlock()
	if started {
		return errors.New("durable: the engine was started before")
	}
	if e.o.Alone {
		err := e.db.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE tasks SET owner = '', takeovers = takeovers + 1 WHERE owner <> ''`)
			return err
		})
		if err != nil {
			return fmt.Errorf("take over tasks: %w", err)
		}
	}
	ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	e.wg.Go(func() { e.schedule(ctx) })
	e.wg.Go(func() { e.heartbeat(ctx) })
	return nil
}

// Stop ends the running controllers by their contexts and waits for them. Their tasks go on with the next start.
func (e *Engine) Stop() {
	if e.cancel != nil {
		e.cancel()
	}
	e.wg.Wait()
}
