package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
)

// A Tx is a transaction. It is used by one goroutine and not after its function has returned.
type Tx struct {
	ctx    context.Context
	sql    *sql.Tx
	db     *DB
	events int   // appended by this update
	cause  int64 // of events that name none
	after  []func()
}

// An update waits for the writer.
type update struct {
	ctx  context.Context
	fn   func(*Tx) error
	done chan error
}

// maxBatch is how many updates share one commit at most.
const maxBatch = 256

// Update runs fn in a transaction and returns when what it changed is on disk. If fn gives an error, nothing of it is kept and the error is
// returned. fn may run more than once, so it changes nothing but the transaction and what it returns. It must not call Update itself.
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	u := &update{ctx: ctx, fn: fn, done: make(chan error, 1)}
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return ErrClosed
	}
	db.queue = append(db.queue, u)
	db.mu.Unlock()
	select {
	case db.wake <- struct{}{}:
	default:
	}
	return <-u.done // the writer answers every update, so that nobody is told of a failure that then is committed
}

// View runs fn in a transaction that reads. It sees everything that was acknowledged before.
func (db *DB) View(ctx context.Context, fn func(*Tx) error) error {
	tx, err := db.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return fn(&Tx{ctx: ctx, sql: tx, db: db})
}

// AfterCommit runs fn when the update is on disk. fn must be quick.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

// write is the writer: it takes what has queued up, runs it in one SQL transaction and answers.
func (db *DB) write() {
	defer close(db.stopped)
	for {
		db.mu.Lock()
		n := min(len(db.queue), maxBatch)
		batch := db.queue[:n:n]
		db.queue = db.queue[n:]
		last := db.closed && len(db.queue) == 0
		db.mu.Unlock()
		if n > 0 {
			db.commit(batch)
			continue
		}
		if last {
			return
		}
		select {
		case <-db.wake:
		case <-db.stop:
		}
	}
}

// commit runs a batch. Each update has a savepoint, so that one that fails takes back only itself.
func (db *DB) commit(batch []*update) {
	results := make([]error, len(batch))
	after, err := db.attempt(batch, results)
	for i, u := range batch {
		if err != nil && results[i] == nil {
			results[i] = fmt.Errorf("commit: %w", err)
		}
		u.done <- results[i]
	}
	if err == nil {
		for _, fn := range after {
			fn()
		}
	}
}

func (db *DB) attempt(batch []*update, results []error) (after []func(), err error) {
	before := db.seq
	defer func() {
		if err != nil { // the numbers given to events are free again
			db.seq = before
		}
	}()
	ctx := context.Background() // a caller that goes away does not take the others' commit with it
	raw, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer raw.Rollback()
	events := 0
	for i, u := range batch {
		if results[i] = u.ctx.Err(); results[i] != nil {
			continue
		}
		if len(batch) > 1 {
			if _, err := raw.Exec(`SAVEPOINT u`); err != nil {
				return nil, err
			}
		}
		seq := db.seq
		tx := &Tx{ctx: ctx, sql: raw, db: db, cause: causeOf(u.ctx)}
		if results[i] = run(u.fn, tx); results[i] != nil {
			db.seq = seq
			if len(batch) == 1 {
				return nil, nil
			}
			if _, err := raw.Exec(`ROLLBACK TO u`); err != nil {
				return nil, err
			}
		} else {
			events += tx.events
			after = append(after, tx.after...)
		}
		if len(batch) > 1 {
			if _, err := raw.Exec(`RELEASE u`); err != nil {
				return nil, err
			}
		}
	}
	if err := raw.Commit(); err != nil {
		return nil, err
	}
	if events > 0 {
		db.bell.ring()
	}
	return after, nil
}

// run calls fn; a panic in it is an error of that update alone.
func run(fn func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in an update: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(tx)
}

// Exec runs a statement of a room below the platform that has tables of its own.
func (tx *Tx) Exec(query string, args ...any) (rows int64, err error) {
	result, err := tx.sql.ExecContext(tx.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Query runs a query of such a room and calls scan for each row.
func (tx *Tx) Query(scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := tx.sql.QueryContext(tx.ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one reads a single row; found is false where there is none.
func (tx *Tx) one(into []any, query string, args ...any) (found bool, err error) {
	err = tx.sql.QueryRowContext(tx.ctx, query, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
