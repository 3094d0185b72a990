package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// An Event is one change of state. Type is "<Resource>.<Status>", Resource an ARN, Data the resource as its Describe operation shows it.
type Event struct {
	Seq      int64 // 1, 2, 3, … in the order of commits
	Time     time.Time
	Type     string
	Resource string
	Cause    int64 // Seq of the event that led to this one, or 0. Defaults to that of the update's context.
	Data     json.RawMessage
}

// envelope is the version of the form in which events are kept.
const envelope = 1

type causeKey struct{}

// WithCause makes the event of that Seq the cause of those that updates under the context append.
func WithCause(ctx context.Context, seq int64) context.Context {
	return context.WithValue(ctx, causeKey{}, seq)
}

func causeOf(ctx context.Context) int64 {
	seq, _ := ctx.Value(causeKey{}).(int64)
	return seq
}

// Emitted is the Seq of the event that was appended last.
func (tx *Tx) Emitted() int64 { return tx.db.seq }

// Emit appends an event to the update. Its Seq and Time are given here.
func (tx *Tx) Emit(e Event) error {
	if e.Cause == 0 {
		e.Cause = tx.cause
	}
	if len(e.Data) == 0 {
		e.Data = json.RawMessage("{}")
	}
	tx.db.seq++
	tx.events++
	if tx.db.seq%trimEvery == 0 {
		if err := tx.trimEvents(); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`INSERT INTO events (seq, version, time, type, resource, cause, data) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		tx.db.seq, envelope, tx.db.World.Now().UnixMicro(), e.Type, e.Resource, e.Cause, string(e.Data))
	return err
}

// trimEvery is after how many events the oldest are looked at: rarely enough to cost nothing, often enough to remove few at a time.
const trimEvery = 500

// trimEvents removes events older than the newest Options.KeepEvents, as far as every consumer has had them. A consumer that is never run
// again keeps them all; it is for the program that drops one to remove its row.
func (tx *Tx) trimEvents() error {
	oldest := tx.db.seq - tx.db.keepEvents
	_, err := tx.Exec(`DELETE FROM events WHERE seq <= ? AND seq <= COALESCE((SELECT MIN(seq) FROM consumers), ?)`, oldest, oldest)
	return err
}

// Events returns at most limit events after a sequence number.
func (tx *Tx) Events(after int64, limit int) ([]Event, error) {
	var out []Event
	err := tx.Query(func(rows *sql.Rows) error {
		var e Event
		var version int
		var micros int64
		var data string
		if err := rows.Scan(&e.Seq, &version, &micros, &e.Type, &e.Resource, &e.Cause, &data); err != nil {
			return err
		}
		if version != envelope {
			return fmt.Errorf("event %d has envelope version %d, %d is known", e.Seq, version, envelope)
		}
		e.Time, e.Data = time.UnixMicro(micros).UTC(), json.RawMessage(data)
		out = append(out, e)
		return nil
	}, `SELECT seq, version, time, type, resource, cause, data FROM events WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit)
	return out, err
}

// LastEvent returns the sequence number of the last event.
func (tx *Tx) LastEvent() (seq int64, err error) {
	_, err = tx.one([]any{&seq}, `SELECT COALESCE(MAX(seq), 0) FROM events`)
	return seq, err
}

// eventPage is how many events are read at a time.
const eventPage = 200

// Follow calls fn for every event after a sequence number, in order and without a gap, and waits for more until ctx ends, the store closes
// or fn gives an error. It begins with the oldest event that is kept where the number is of an older one.
func (db *DB) Follow(ctx context.Context, after int64, fn func(Event) error) error {
	for {
		rung := db.bell.listen() // before reading: an event that comes after the read rings this bell
		var events []Event
		err := db.View(ctx, func(tx *Tx) (err error) {
			events, err = tx.Events(after, eventPage)
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := fn(e); err != nil {
				return err
			}
			after = e.Seq
		}
		if len(events) == eventPage {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-db.stop:
			return ErrClosed
		case <-rung:
		}
	}
}

// Consume gives every event to fn exactly once, over restarts too: what fn changes and the consumer's place among the events are committed
// together. It returns when ctx ends, the store closes or fn gives an error; the event that gave it comes again with the next Consume of
// that name, and those before it do not.
func (db *DB) Consume(ctx context.Context, name string, fn func(tx *Tx, e Event) error) error {
	for {
		rung := db.bell.listen()
		n, err := db.consume(ctx, name, consumeBatch, fn)
		if err != nil {
			if n > 0 { // it took the good ones before it along
				if _, again := db.consume(ctx, name, n, fn); again != nil {
					return again
				}
			}
			return err
		}
		if n == consumeBatch {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-db.stop:
			return ErrClosed
		case <-rung:
		}
	}
}

// consume gives at most limit events to fn in one update, and returns how many fn took.
func (db *DB) consume(ctx context.Context, name string, limit int, fn func(tx *Tx, e Event) error) (n int, err error) {
	err = db.Update(ctx, func(tx *Tx) error {
		n = 0
		var after int64
		if _, err := tx.one([]any{&after}, `SELECT seq FROM consumers WHERE name = ?`, name); err != nil {
			return err
		}
		events, err := tx.Events(after, limit)
		if err != nil || len(events) == 0 {
			return err
		}
		for _, e := range events {
			if err := fn(tx, e); err != nil {
				return fmt.Errorf("event %d (%s): %w", e.Seq, e.Type, err)
			}
			n++
		}
		_, err = tx.Exec(`INSERT INTO consumers (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq`, name, events[n-1].Seq)
		return err
	})
	return n, err
}

// consumeBatch is how many events a consumer takes in one update; the others' updates wait as long.
const consumeBatch = 50

// A bell wakes everybody who listens.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
