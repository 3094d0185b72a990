package durable

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/mobula-ml/mobula/internal/store"
)

// heartbeat extends the leases of what runs here until ctx ends.
func (e *Engine) heartbeat(ctx context.Context) {
	ticker := time.NewTicker(e.o.Lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			e.extend(ctx)
		}
	}
}

// extend extends the leases in one commit, and ends the controllers of those that were lost. What was claimed after the leases were listed
// is left to the next beat: it must not be taken for lost.
func (e *Engine) extend(ctx context.Context) {
	e.mu.Lock()
	held := slices.Collect(maps.Values(e.held))
	e.mu.Unlock()
	if len(held) == 0 {
		return
	}
	now := e.db.World.Now()
	var lost []*Lease
	err := e.db.Update(ctx, func(tx *store.Tx) error {
		lost = lost[:0]
		for _, l := range held {
			n, err := tx.Exec(`UPDATE tasks SET lease_until = ? WHERE kind = ? AND key = ? AND owner = ? AND fence = ?`,
				now.Add(e.o.Lease).UnixMicro(), l.Kind, l.Key, e.o.Owner, l.Fence)
			if err != nil {
				return err
			}
			if n == 0 {
				lost = append(lost, l)
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		e.log.Error("extend leases", "error", err)
		return
	}
	for _, l := range lost {
		l.cancel()
	}
}
