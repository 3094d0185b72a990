package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

func openWith(t testing.TB, o store.Options) *store.DB {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "state.db")
	}
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func emit(t testing.TB, db *store.DB, n int) {
	t.Helper()
	if err := db.Update(t.Context(), func(tx *store.Tx) error {
		for range n {
			if err := tx.Emit(store.Event{Type: "Note.Made"}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a folder, 100% odd? #1")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	db := openWith(t, store.Options{Path: filepath.Join(dir, "state.db")})
	emit(t, db, 1)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Fatalf("%d files, want the database, its log, its index and its lock: %v", len(entries), err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 || !strings.HasPrefix(entry.Name(), "state.db") {
			t.Errorf("%s: mode %v, %v", entry.Name(), info.Mode(), err)
		}
	}
}

func TestOneProcessAtATime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	db := openWith(t, store.Options{Path: path})
	if _, err := store.Open(t.Context(), store.Options{Path: path}); !errors.Is(err, store.ErrInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("the second got %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	openWith(t, store.Options{Path: path})
}

// A migration that fails leaves the folder at the version before it, usable by the program that it came from.
func TestMigrationsGoForwardOneByOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "own.db")
	schema := fstest.MapFS{"migrations/0001_initial.sql": {Data: []byte(`CREATE TABLE a (n INTEGER); INSERT INTO a VALUES (1)`)}}
	version := func(want string, columns ...string) {
		t.Helper()
		raw, err := sql.Open("sqlite3", path)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		var at string
		if err := raw.QueryRow(`SELECT value FROM meta WHERE name = 'schema'`).Scan(&at); err != nil || at != want {
			t.Errorf("at version %s, want %s: %v", at, want, err)
		}
		rows, err := raw.Query(`SELECT * FROM a`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if got, err := rows.Columns(); err != nil || !slices.Equal(got, columns) {
			t.Errorf("columns %v, want %v: %v", got, columns, err)
		}
	}
	open := func() error {
		db, err := store.Open(t.Context(), store.Options{Path: path, Schema: schema})
		if err != nil {
			return err
		}
		return db.Close()
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	version("1", "n")
	schema["migrations/0002_more.sql"] = &fstest.MapFile{Data: []byte(`ALTER TABLE a ADD COLUMN m INTEGER`)}
	schema["migrations/0003_wrong.sql"] = &fstest.MapFile{Data: []byte(`ALTER TABLE a ADD COLUMN o INTEGER; INSERT INTO nowhere VALUES (1)`)}
	if err := open(); err == nil || !strings.Contains(err.Error(), "migrate to schema version 3: no such table: nowhere") {
		t.Errorf("a wrong migration gave %v", err)
	}
	version("2", "n", "m")
	delete(schema, "migrations/0003_wrong.sql")
	if err := open(); err != nil {
		t.Error(err)
	}
	delete(schema, "migrations/0002_more.sql")
	if err := open(); !errors.Is(err, store.ErrNewer) {
		t.Errorf("the older program got %v", err)
	}
}

func TestOldEventsGoWhenEveryConsumerHadThem(t *testing.T) {
	t.Parallel()
	db := openWith(t, store.Options{KeepEvents: 100})
	oldest := func() (seq int64) {
		if err := db.View(t.Context(), func(tx *store.Tx) error {
			events, err := tx.Events(0, 1)
			seq = events[0].Seq
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return seq
	}
	enough := errors.New("enough")
	consume := func(until int64) {
		err := db.Consume(t.Context(), "slow", func(_ *store.Tx, e store.Event) error {
			if e.Seq > until {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Fatal(err)
		}
	}
	emit(t, db, 499)
	consume(250)
	emit(t, db, 1)
	if seq := oldest(); seq != 251 {
		t.Errorf("the oldest is %d; the consumer has had 250", seq)
	}
	consume(499)
	emit(t, db, 500)
	if seq := oldest(); seq != 500 {
		t.Errorf("the oldest is %d; the consumer has had 499", seq)
	}
}

func TestTokensAreForgottenInTime(t *testing.T) {
	t.Parallel()
	clock := world.NewFixed(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 1)
	db := openWith(t, store.Options{World: clock})
	use := func(request string) (seen bool, err error) {
		err = db.Update(t.Context(), func(tx *store.Tx) (err error) {
			if _, seen, err = tx.Idempotent(store.Scope{}, "Op", "token", []byte(request)); err != nil || seen {
				return err
			}
			return tx.RememberToken(store.Scope{}, "Op", "token", []byte(request), "r")
		})
		return seen, err
	}
	for _, c := range []struct {
		wait    time.Duration
		request string
		seen    bool
		err     error
	}{{0, "a", false, nil}, {7 * 24 * time.Hour, "a", true, nil}, {0, "b", true, store.ErrTokenReused}, {25 * time.Hour, "b", false, nil}} {
		clock.Advance(c.wait)
		if seen, err := use(c.request); seen != c.seen || !errors.Is(err, c.err) {
			t.Errorf("%v later, request %s: seen %v, %v", c.wait, c.request, seen, err)
		}
	}
}

// A full disk fails the updates that need room, keeps what was acknowledged, and costs no event its number.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	db := openWith(t, store.Options{})
	limit := func(pages int) {
		t.Helper()
		if err := db.Update(t.Context(), func(tx *store.Tx) error {
			return tx.Query(func(*sql.Rows) error { return nil }, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
		}); err != nil {
			t.Fatal(err)
		}
	}
	insert := func(name string) error {
		return db.Update(t.Context(), func(tx *store.Tx) error {
			if err := tx.Emit(store.Event{Type: "Note.Made", Resource: name, Data: []byte(`"` + strings.Repeat("x", 5000) + `"`)}); err != nil {
				return err
			}
			return notes.Insert(tx, store.Scope{}, name, name, &note{})
		})
	}
	limit(80)
	kept := []string{}
	var full error
	for i := 0; full == nil && i < 1000; i++ {
		name := fmt.Sprint(i)
		if full = insert(name); full == nil {
			kept = append(kept, name)
		}
	}
	if full == nil || !strings.Contains(full.Error(), "full") {
		t.Fatalf("the disk was to be full, got %v", full)
	}
	limit(1 << 30)
	if err := insert("after"); err != nil {
		t.Fatal(err)
	}
	kept = append(kept, "after")
	if err := db.View(t.Context(), func(tx *store.Tx) error {
		events, err := tx.Events(0, 1000)
		if len(events) != len(kept) {
			t.Fatalf("%d events, want %d", len(events), len(kept))
		}
		for i, e := range events {
			if _, err := notes.Get(tx, store.Scope{}, kept[i]); err != nil || e.Resource != kept[i] || e.Seq != int64(i+1) {
				t.Errorf("event %d is of %s, want %s: %v", e.Seq, e.Resource, kept[i], err)
			}
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestFollowersEndWithTheStore(t *testing.T) {
	t.Parallel()
	db := openWith(t, store.Options{})
	emit(t, db, 1)
	seen, done := make(chan struct{}), make(chan error)
	go func() { done <- db.Follow(t.Context(), 0, func(store.Event) error { close(seen); return nil }) }()
	<-seen
	db.Close()
	if err := <-done; !errors.Is(err, store.ErrClosed) && !strings.Contains(fmt.Sprint(err), "closed") {
		t.Errorf("the follower ended with %v", err)
	}
}

// FuzzPageToken: a token that was made up is refused; one that was given shows the next page.
func FuzzPageToken(f *testing.F) {
	db := openWith(f, store.Options{})
	q := store.Query{SortBy: store.ByCreated, Limit: 1}
	var given string
	err := db.Update(f.Context(), func(tx *store.Tx) error {
		for _, name := range []string{"a", "b"} {
			if err := notes.Insert(tx, store.Scope{}, name, name, &note{}); err != nil {
				return err
			}
		}
		page, err := notes.List(tx, store.Scope{}, q)
		given = page.Next
		return err
	})
	if err != nil || given == "" {
		f.Fatalf("token %q, %v", given, err)
	}
	f.Add(given)
	f.Add("e30")
	f.Add(given + "x")
	f.Fuzz(func(t *testing.T, token string) {
		q := q
		q.Token = token
		err := db.View(t.Context(), func(tx *store.Tx) error {
			_, err := notes.List(tx, store.Scope{}, q)
			return err
		})
		if err != nil && !errors.Is(err, store.ErrBadToken) {
			t.Error(err)
		}
	})
}
