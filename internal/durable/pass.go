package durable

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/mobula-ml/mobula/internal/store"
)

// start runs the controller of a claimed task in a goroutine of its own.
func (e *Engine) start(ctx context.Context, l *Lease) {
	ctx, l.cancel = context.WithCancel(ctx)
	l.started = e.db.World.Now()
	id := taskID{l.Kind, l.Key}
	e.mu.Lock()
	k := e.kinds[l.Kind]
	k.running++
	e.held[id] = l
	if suspicious(l.takeovers) {
		e.suspect = l
	}
	e.mu.Unlock()
	e.wg.Go(func() {
		result := e.call(ctx, k, l)
		stopping := ctx.Err() != nil && result != nil
		l.cancel()
		e.end(k, l, result, stopping)
		e.mu.Lock()
		k.running--
		if e.held[id] == l { // the task may have been claimed again since its end was committed
			delete(e.held, id)
		}
		if e.suspect == l {
			e.suspect = nil
		}
		e.mu.Unlock()
		e.wake()
	})
}

var errPoison = errors.New("the task was given up")

// call runs one pass. A panic is a failure like another; its stack goes to the log, as it means nothing to whom the failure is shown.
func (e *Engine) call(ctx context.Context, k *kind, l *Lease) (err error) {
	if l.takeovers > k.MaxTakeovers {
		return fmt.Errorf("%w: %d processes in a row died while they ran it", errPoison, l.takeovers)
	}
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("controller panicked", "kind", l.Kind, "key", l.Key, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return k.run(ctx, l)
}

// end commits what is to become of a task after a pass of its controller. A stop of the engine does not keep it from that.
func (e *Engine) end(k *kind, l *Lease, result error, stopping bool) {
	now := e.db.World.Now()
	attempt := l.Attempt + 1
	var park parked
	var err error
	switch {
	case result == nil:
		err = e.finish(l, now)
	case errors.As(result, &park):
		err = e.release(l, now.Add(time.Duration(park)), 0, "")
	case stopping:
		err = e.release(l, now, l.Attempt, l.lastError)
	case attempt < k.MaxAttempts && !errors.Is(result, errPoison):
		e.log.Warn("controller failed, it will be tried again", "kind", l.Kind, "key", l.Key, "attempt", attempt, "error", result)
		err = e.release(l, now.Add(backoff(k.Backoff, attempt)), attempt, result.Error())
	default:
		e.log.Error("task given up", "kind", l.Kind, "key", l.Key, "attempt", attempt, "error", result)
		if err = e.bury(k, l, result.Error()); err != nil {
			e.log.Error("giving up failed, it will be tried again", "kind", l.Kind, "key", l.Key, "error", err)
			err = e.release(l, now.Add(backoff(k.Backoff, attempt)), attempt, result.Error())
		}
	}
	if err != nil { // the lease runs out, and the task is claimed again then
		e.log.Error("end a pass", "kind", l.Kind, "key", l.Key, "error", err)
	}
}

// finish removes the task, unless it was signalled since the claim: then it is due again.
func (e *Engine) finish(l *Lease, now time.Time) error {
	return e.db.Update(context.Background(), func(tx *store.Tx) error {
		n, err := tx.Exec(`DELETE FROM tasks WHERE kind = ? AND key = ? AND owner = ? AND fence = ? AND signals = ?`, l.Kind, l.Key, e.o.Owner, l.Fence, l.signals)
		if err != nil || n == 1 {
			return err
		}
		return e.giveBack(tx, l, now, 0, "")
	})
}

// bury removes a task that was given up and tells the room whose it is.
func (e *Engine) bury(k *kind, l *Lease, reason string) error {
	ctx := context.Background()
	return e.db.Update(ctx, func(tx *store.Tx) error {
		n, err := tx.Exec(`DELETE FROM tasks WHERE kind = ? AND key = ? AND owner = ? AND fence = ?`, l.Kind, l.Key, e.o.Owner, l.Fence)
		if err != nil || n == 0 || k.OnDead == nil {
			return err
		}
		return k.OnDead(ctx, tx, l.Key, reason)
	})
}

func (e *Engine) release(l *Lease, due time.Time, attempts int, lastError string) error {
	return e.db.Update(context.Background(), func(tx *store.Tx) error { return e.giveBack(tx, l, due, attempts, lastError) })
}

// giveBack ends a lease. A signal that came since the claim makes the task due at once. A lease that was lost is nobody's to give back.
func (e *Engine) giveBack(tx *store.Tx, l *Lease, due time.Time, attempts int, lastError string) error {
	soonest := e.db.World.Now()
	if due.Before(soonest) {
		soonest = due
	}
	_, err := tx.Exec(`UPDATE tasks SET owner = '', lease_until = 0, due = CASE WHEN signals = ? THEN ? ELSE ? END, attempts = ?, takeovers = 0, last_error = ?
		WHERE kind = ? AND key = ? AND owner = ? AND fence = ?`,
		l.signals, due.UnixMicro(), soonest.UnixMicro(), attempts, lastError, l.Kind, l.Key, e.o.Owner, l.Fence)
	return err
}

// backoff doubles with each attempt, up to a minute, and spreads by a quarter so that tasks that failed together do not come back together.
func backoff(first time.Duration, attempt int) time.Duration {
	d := min(first<<min(attempt-1, 20), time.Minute)
	return d + rand.N(d/4+1)
}
