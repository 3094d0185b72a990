package durable

import "github.com/mobula-ml/mobula/internal/store"

// Enqueue makes a task due at once, in the transaction that makes its resource. A task that exists is signalled.
func (e *Engine) Enqueue(tx *store.Tx, kind, key string) error {
	_, err := tx.Exec(`INSERT INTO tasks (kind, key, due, owner, lease_until, fence, attempts, takeovers, signals, last_error)
		VALUES (?, ?, ?, '', 0, 0, 0, 0, 1, '') ON CONFLICT (kind, key) DO UPDATE
		SET signals = tasks.signals + 1, due = CASE WHEN tasks.due < excluded.due THEN tasks.due ELSE excluded.due END`,
		kind, key, e.db.World.Now().UnixMicro())
	tx.AfterCommit(e.wake)
	return err
}

// Signal makes a parked task due at once. A task that is not there, because it has ended, is left so.
func (e *Engine) Signal(tx *store.Tx, kind, key string) error {
	now := e.db.World.Now().UnixMicro()
	_, err := tx.Exec(`UPDATE tasks SET signals = signals + 1, due = CASE WHEN due < ? THEN due ELSE ? END WHERE kind = ? AND key = ?`, now, now, kind, key)
	tx.AfterCommit(e.wake)
	return err
}

func (e *Engine) wake() {
	select {
	case e.poke <- struct{}{}:
	default:
	}
}
