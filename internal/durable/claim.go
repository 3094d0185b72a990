package durable

import (
	"context"
	"database/sql"
	"time"

	"github.com/mobula-ml/mobula/internal/store"
)

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

const (
	// idle is how long the scheduler sleeps at most; another process may have made tasks.
	idle = 5 * time.Second
	// ahead is how many rows beyond the free places of a kind are read, so that suspects in front do not hide the others.
	ahead = 32
	// aloneFor is how long a task under suspicion has to itself before the next one is started.
	aloneFor = time.Second
)

// suspicious says whether a task is suspected of taking processes down. A process that dies counts against everything that it ran; so those
// that were there more than once start one after the other, the likeliest first, until the culprit has reached its limit alone.
func suspicious(takeovers int) bool { return takeovers >= 2 }

// A candidate is a task that is due.
type candidate struct {
	taskID
	takeovers int
	due       int64 // since when, in microseconds
}

// claimDue claims every due task that there is room for, starts them, and returns how long nothing will be due.
func (e *Engine) claimDue(ctx context.Context) (time.Duration, error) {
	due, next, err := e.findDue(ctx)
	if err != nil {
		return next, err
	}
	due, survivor, wait := e.choose(due)
	if len(due) == 0 {
		return min(next, wait), nil
	}
	var leases []*Lease
	now := e.db.World.Now()
	err = e.db.Update(ctx, func(tx *store.Tx) error {
		leases = leases[:0]
		if survivor != nil {
			if err := e.goesLast(tx, survivor, now); err != nil {
				return err
			}
		}
		for _, t := range due {
			l, err := e.claim(tx, t.taskID, now)
			if err != nil {
				return err
			}
			if l != nil {
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

// claim takes a task that is free and due, or whose lease has run out; nil where another was faster.
func (e *Engine) claim(tx *store.Tx, t taskID, now time.Time) (l *Lease, err error) {
	err = tx.Query(func(rows *sql.Rows) error {
		l = &Lease{engine: e, Kind: t.kind, Key: t.key}
		err := rows.Scan(&l.Fence, &l.Attempt, &l.takeovers, &l.signals, &l.lastError)
		l.Takeover = l.takeovers > 0
		return err
	}, `UPDATE tasks SET takeovers = takeovers + CASE WHEN owner = '' THEN 0 ELSE 1 END, owner = ?, lease_until = ?, fence = fence + 1
		WHERE kind = ? AND key = ? AND ((owner = '' AND due <= ?) OR (owner <> '' AND lease_until <= ?))
		RETURNING fence, attempts, takeovers, signals, last_error`,
		e.o.Owner, now.Add(e.o.Lease).UnixMicro(), t.kind, t.key, now.UnixMicro(), now.UnixMicro())
	return l, err
}

// findDue lists due tasks of kinds that have room, and says when the next one will be due. It reads the front of an index for each kind, so
// that parked tasks cost nothing.
func (e *Engine) findDue(ctx context.Context) (due []candidate, next time.Duration, err error) {
	e.mu.Lock()
	room := map[string]int{}
	for name, k := range e.kinds {
		room[name] = k.Concurrency - k.running // at nought, a task that ends wakes the scheduler
	}
	e.mu.Unlock()
	now := e.db.World.Now()
	next = idle
	take := func(rows *sql.Rows) error {
		var t candidate
		var at int64
		if err := rows.Scan(&t.kind, &t.key, &t.takeovers, &t.due, &at); err != nil {
			return err
		}
		switch wait := time.UnixMicro(at).Sub(now); {
		case room[t.kind] <= 0 || e.holds(t.taskID):
		case wait > 0:
			next = min(next, wait)
		default:
			due = append(due, t)
		}
		return nil
	}
	err = e.db.View(ctx, func(tx *store.Tx) error {
		for name, free := range room {
			if free <= 0 {
				continue
			}
			if err := tx.Query(take, `SELECT kind, key, takeovers, due, due FROM tasks WHERE kind = ? AND owner = '' ORDER BY due LIMIT ?`, name, free+ahead); err != nil {
				return err
			}
		}
		return tx.Query(take, `SELECT kind, key, takeovers + 1, due, lease_until FROM tasks WHERE owner <> '' ORDER BY lease_until LIMIT ?`, ahead)
	})
	return due, next, err
}

func (e *Engine) holds(t taskID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.held[t] != nil
}

// choose leaves as many tasks of each kind as there is room for, and of the suspects at most one. Where a suspect has to wait for another,
// wait says how long; the survivor is a suspect that has had its time alone.
func (e *Engine) choose(due []candidate) (chosen []candidate, survivor *Lease, wait time.Duration) {
	wait = idle
	e.mu.Lock()
	defer e.mu.Unlock()
	room := map[string]int{}
	for name, k := range e.kinds {
		room[name] = k.Concurrency - k.running
	}
	if e.suspect != nil {
		if wait = aloneFor - e.db.World.Now().Sub(e.suspect.started); wait <= 0 {
			wait, survivor, e.suspect = idle, e.suspect, nil
		}
	}
	first := -1
	for i, t := range due {
		if suspicious(t.takeovers) && e.suspect == nil && room[t.kind] > 0 && (first < 0 || t.likelier(due[first])) {
			first = i
		}
	}
	for i, t := range due {
		if suspicious(t.takeovers) && i != first {
			wait = min(wait, aloneFor)
			continue
		}
		if room[t.kind] > 0 {
			room[t.kind]--
			chosen = append(chosen, t)
		}
	}
	return chosen, survivor, wait
}

// likelier says which of two suspects to try first: the one that was there more often, and of equals the one that was not seen to survive.
func (t candidate) likelier(other candidate) bool {
	return t.takeovers > other.takeovers || t.takeovers == other.takeovers && t.due < other.due
}

// goesLast puts a suspect that did nothing wrong while it was alone behind its equals, for when the process dies after all.
func (e *Engine) goesLast(tx *store.Tx, l *Lease, now time.Time) error {
	_, err := tx.Exec(`UPDATE tasks SET due = ? WHERE kind = ? AND key = ? AND owner = ? AND fence = ?`, now.UnixMicro(), l.Kind, l.Key, e.o.Owner, l.Fence)
	return err
}
