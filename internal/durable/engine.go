package durable

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
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
	held    map[taskID]context.CancelFunc
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
	return &Engine{db: db, o: o, log: o.Log, kinds: map[string]*kind{}, held: map[taskID]context.CancelFunc{}, poke: make(chan struct{}, 1)}
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

// Enqueue makes a task due at once, in the transaction that makes its resource. A task that exists is signalled.
func (e *Engine) Enqueue(tx *store.Tx, kind, key string) error {
	_, err := tx.Exec(`INSERT INTO tasks (kind, key, due, owner, lease_until, fence, attempts, takeovers, signals, last_error)
		VALUES (?, ?, ?, '', 0, 0, 0, 0, 1, '') ON CONFLICT (kind, key) DO UPDATE SET signals = signals + 1, due = MIN(due, excluded.due)`,
		kind, key, e.db.World.Now().UnixMicro())
	tx.AfterCommit(e.wake)
	return err
}

// Signal makes a parked task due at once. A task that is not there, because it has ended, is left so.
func (e *Engine) Signal(tx *store.Tx, kind, key string) error {
	_, err := tx.Exec(`UPDATE tasks SET signals = signals + 1, due = MIN(due, ?) WHERE kind = ? AND key = ?`, e.db.World.Now().UnixMicro(), kind, key)
	tx.AfterCommit(e.wake)
	return err
}

func (e *Engine) wake() {
	select {
	case e.poke <- struct{}{}:
	default:
	}
}

// Start takes over what dead processes left and begins to run tasks.
func (e *Engine) Start(ctx context.Context) error {
	e.mu.Lock()
	e.started = true
	e.mu.Unlock()
	if e.o.Alone {
		err := e.db.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE tasks SET owner = '', due = ?, takeovers = takeovers + 1 WHERE owner <> ''`, e.db.World.Now().UnixMicro())
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

// schedule hands out due tasks until ctx ends.
func (e *Engine) schedule(ctx context.Context) {
	for {
		next, err := e.claimDue(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			e.log.Error("claim tasks", "error", err)
			next = time.Second
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-e.poke:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// idle is how long the scheduler sleeps at most; another process may have made tasks.
const idle = 5 * time.Second

// claimDue claims every due task that there is room for, starts them, and returns how long nothing will be due.
func (e *Engine) claimDue(ctx context.Context) (time.Duration, error) {
	due, next, err := e.findDue(ctx)
	if err != nil || len(due) == 0 {
		return next, err
	}
	var leases []*Lease
	now := e.db.World.Now()
	err = e.db.Update(ctx, func(tx *store.Tx) error {
		leases = leases[:0]
		for _, t := range due {
			l := &Lease{engine: e, Kind: t.kind, Key: t.key}
			var taken bool
			err := tx.Query(func(rows *sql.Rows) error {
				taken = true
				return rows.Scan(&l.Fence, &l.Attempt, &l.takeovers, &l.signals, &l.lastError)
			}, `UPDATE tasks SET takeovers = takeovers + CASE WHEN owner = '' THEN 0 ELSE 1 END, owner = ?, lease_until = ?, fence = fence + 1
				WHERE kind = ? AND key = ? AND ((owner = '' AND due <= ?) OR (owner <> '' AND lease_until < ?))
				RETURNING fence, attempts, takeovers, signals, last_error`,
				e.o.Owner, now.Add(e.o.Lease).UnixMicro(), t.kind, t.key, now.UnixMicro(), now.UnixMicro())
			if err != nil {
				return err
			}
			if taken {
				leases = append(leases, l)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, l := range leases {
		e.start(ctx, l)
	}
	return 0, nil
}

// findDue lists due tasks of kinds that have room, and says when the next one will be due.
func (e *Engine) findDue(ctx context.Context) (due []taskID, next time.Duration, err error) {
	e.mu.Lock()
	room := map[string]int{}
	for name, k := range e.kinds {
		room[name] = k.Concurrency - k.running
	}
	e.mu.Unlock()
	now := e.db.World.Now()
	next = idle
	err = e.db.View(ctx, func(tx *store.Tx) error {
		for name, free := range room {
			if free <= 0 {
				continue // a task that ends wakes the scheduler
			}
			scan := func(rows *sql.Rows) error {
				t := taskID{kind: name}
				var at int64
				if err := rows.Scan(&t.key, &at); err != nil {
					return err
				}
				if wait := time.UnixMicro(at).Sub(now); wait > 0 {
					next = min(next, wait)
				} else {
					due = append(due, t)
				}
				return nil
			}
			if err := tx.Query(scan, `SELECT key, due FROM tasks WHERE kind = ? AND owner = '' ORDER BY due LIMIT ?`, name, free); err != nil {
				return err
			}
			if e.o.Alone {
				continue // every lease is this process's own
			}
			if err := tx.Query(scan, `SELECT key, lease_until FROM tasks WHERE kind = ? AND owner <> '' AND owner <> ? ORDER BY lease_until LIMIT ?`, name, e.o.Owner, free); err != nil {
				return err
			}
		}
		return nil
	})
	return due, next, err
}

// start runs the controller of a claimed task in a goroutine of its own.
func (e *Engine) start(ctx context.Context, l *Lease) {
	ctx, cancel := context.WithCancel(ctx)
	e.mu.Lock()
	k := e.kinds[l.Kind]
	k.running++
	e.held[taskID{l.Kind, l.Key}] = cancel
	e.mu.Unlock()
	e.wg.Go(func() {
		var err error
		if l.takeovers > k.MaxTakeovers {
			err = fmt.Errorf("%w: %d processes in a row died while they ran it", errPoison, l.takeovers)
		} else {
			err = call(ctx, k.run, l)
		}
		stopping := ctx.Err() != nil && err != nil
		cancel()
		if end := e.end(k, l, err, stopping); end != nil && !errors.Is(end, ErrFenced) {
			e.log.Error("end task", "kind", l.Kind, "key", l.Key, "error", end)
		}
		e.mu.Lock()
		k.running--
		delete(e.held, taskID{l.Kind, l.Key})
		e.mu.Unlock()
		e.wake()
	})
}

var errPoison = errors.New("the task was given up")

func call(ctx context.Context, run Controller, l *Lease) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return run(ctx, l)
}

// end commits what is to become of a task after a pass of its controller.
func (e *Engine) end(k *kind, l *Lease, result error, stopping bool) error {
	ctx := context.Background() // a stop of the engine must not lose the end of a pass
	now := e.db.World.Now()
	var park parked
	switch {
	case result == nil:
		return e.db.Update(ctx, func(tx *store.Tx) error {
			n, err := tx.Exec(`DELETE FROM tasks WHERE kind = ? AND key = ? AND owner = ? AND fence = ? AND signals = ?`, l.Kind, l.Key, e.o.Owner, l.Fence, l.signals)
			if err != nil || n == 1 {
				return err
			}
			return e.release(tx, l, now, 0, "") // it was signalled, or the lease is lost
		})
	case errors.As(result, &park):
		return e.db.Update(ctx, func(tx *store.Tx) error { return e.release(tx, l, now.Add(time.Duration(park)), 0, "") })
	case stopping || errors.Is(result, ErrFenced):
		return e.db.Update(ctx, func(tx *store.Tx) error { return e.release(tx, l, now, l.Attempt, l.lastError) })
	}
	attempt := l.Attempt + 1
	if attempt < k.MaxAttempts && !errors.Is(result, errPoison) {
		e.log.Warn("controller failed, it will be tried again", "kind", l.Kind, "key", l.Key, "attempt", attempt, "error", result)
		return e.db.Update(ctx, func(tx *store.Tx) error {
			return e.release(tx, l, now.Add(backoff(k.Backoff, attempt)), attempt, result.Error())
		})
	}
	e.log.Error("task given up", "kind", l.Kind, "key", l.Key, "attempt", attempt, "error", result)
	return e.db.Update(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(`DELETE FROM tasks WHERE kind = ? AND key = ? AND owner = ? AND fence = ?`, l.Kind, l.Key, e.o.Owner, l.Fence)
		if err != nil || n == 0 {
			return err
		}
		if k.OnDead == nil {
			return nil
		}
		return k.OnDead(ctx, tx, l.Key, result.Error())
	})
}

// release gives a task back. A signal that came since the claim makes it due at once.
func (e *Engine) release(tx *store.Tx, l *Lease, due time.Time, attempts int, lastError string) error {
	_, err := tx.Exec(`UPDATE tasks SET owner = '', lease_until = 0, due = CASE WHEN signals = ? THEN ? ELSE MIN(?, ?) END, attempts = ?, takeovers = 0, last_error = ?
		WHERE kind = ? AND key = ? AND owner = ? AND fence = ?`,
		l.signals, due.UnixMicro(), due.UnixMicro(), e.db.World.Now().UnixMicro(), attempts, lastError, l.Kind, l.Key, e.o.Owner, l.Fence)
	return err
}

// backoff doubles with each attempt, up to a minute, and spreads by a quarter so that tasks that failed together do not come back together.
func backoff(first time.Duration, attempt int) time.Duration {
	d := min(first<<min(attempt-1, 20), time.Minute)
	return d + rand.N(d/4+1)
}

// heartbeat extends the leases of this process, in one commit, and ends the controllers of leases that were lost.
func (e *Engine) heartbeat(ctx context.Context) {
	ticker := time.NewTicker(e.o.Lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		e.mu.Lock()
		n := len(e.held)
		e.mu.Unlock()
		if n == 0 {
			continue
		}
		mine := map[taskID]bool{}
		err := e.db.Update(ctx, func(tx *store.Tx) error {
			clear(mine)
			return tx.Query(func(rows *sql.Rows) error {
				var t taskID
				err := rows.Scan(&t.kind, &t.key)
				mine[t] = true
				return err
			}, `UPDATE tasks SET lease_until = ? WHERE owner = ? RETURNING kind, key`, e.db.World.Now().Add(e.o.Lease).UnixMicro(), e.o.Owner)
		})
		if err != nil {
			e.log.Error("extend leases", "error", err)
			continue
		}
		e.mu.Lock()
		for t, cancel := range e.held {
			if !mine[t] {
				cancel()
			}
		}
		e.mu.Unlock()
	}
}
