package durable

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/mobula-ml/mobula/internal/store"
)

// A Lease is the right of one pass of a controller to change its task's resources.
type Lease struct {
	Kind, Key string
	Fence     int64 // grows with every claim of the task
	Attempt   int   // failures in a row before this pass
	Takeover  bool  // the process that ran the task before died with it, and nothing was committed since

	engine    *Engine
	started   time.Time
	cancel    context.CancelFunc
	takeovers int
	signals   int64
	lastError string
}

// ErrFenced is given where the lease was lost: another process runs the task now.
var ErrFenced = errors.New("the lease of the task was lost")

// Update is store.Update that commits only while the lease holds.
func (l *Lease) Update(ctx context.Context, fn func(*store.Tx) error) error {
	return l.engine.db.Update(ctx, func(tx *store.Tx) error {
		held := false
		err := tx.Query(func(*sql.Rows) error { held = true; return nil },
			`UPDATE tasks SET takeovers = 0 WHERE kind = ? AND key = ? AND owner = ? AND fence = ? RETURNING 1`, l.Kind, l.Key, l.engine.o.Owner, l.Fence)
		if err != nil {
			return err
		}
		if !held {
			return ErrFenced
		}
		return fn(tx)
	})
}

// Waits says that the pass does nothing from here but wait for something outside this process. However often the process is killed meanwhile,
// that does not count against the task.
func (l *Lease) Waits(ctx context.Context) error {
	return l.Update(ctx, func(*store.Tx) error { return nil })
}

type parked time.Duration

func (p parked) Error() string { return "parked for " + time.Duration(p).String() }

// Park is what a controller returns that waits: it is called again on a signal, and after d at the latest. A controller that returns nil is
// done and its task is gone; one that returns another error is called again after a wait that grows, and given up after MaxAttempts.
func Park(d time.Duration) error { return parked(d) }
