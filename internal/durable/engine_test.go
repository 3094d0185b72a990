package durable_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/store"
)

// count is a resource that a controller brings to its end in steps.
type count struct {
	N, Runs int
	Dead    string
}

var (
	counts = store.NewCollection("count", func(*count) store.Index { return store.Index{} })
	scope  = store.Scope{Account: "1", Region: "r"}
)

func open(t testing.TB, path string) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func newEngine(db *store.DB, o durable.Options) *durable.Engine {
	o.Log = slog.New(slog.DiscardHandler)
	return durable.New(db, o)
}

func begin(t testing.TB, db *store.DB, e *durable.Engine, key string) {
	t.Helper()
	err := db.Update(context.Background(), func(tx *store.Tx) error {
		if err := counts.Insert(tx, scope, key, key, &count{}); err != nil {
			return err
		}
		return e.Enqueue(tx, "count", key)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, db *store.DB, key string) (c *count) {
	t.Helper()
	if err := db.View(context.Background(), func(tx *store.Tx) (err error) {
		c, err = counts.Get(tx, scope, key)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

func change(ctx context.Context, l *durable.Lease, fn func(*count)) error {
	return l.Update(ctx, func(tx *store.Tx) error {
		c, err := counts.Get(tx, scope, l.Key)
		if err != nil {
			return err
		}
		fn(c)
		return counts.Put(tx, scope, l.Key, c)
	})
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s did not come true", what)
}

func TestParkedTaskRunsOnSignalAndLosesNone(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	defer db.Close()
	e := newEngine(db, durable.Options{Alone: true})
	var signals atomic.Int64
	e.Handle("count", durable.KindOptions{}, func(ctx context.Context, l *durable.Lease) error {
		n := int(signals.Load()) // what is seen when the pass begins
		if err := change(ctx, l, func(c *count) { c.N = n; c.Runs++ }); err != nil {
			return err
		}
		if n == 200 {
			return nil
		}
		return durable.Park(time.Hour)
	})
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	begin(t, db, e, "a")
	for range 200 {
		if err := db.Update(t.Context(), func(tx *store.Tx) error { signals.Add(1); return e.Signal(tx, "count", "a") }); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the last signal was seen", func() bool { return read(t, db, "a").N == 200 })
	eventually(t, "the task is gone", func() bool { return tasks(t, db) == 0 })
}

func tasks(t testing.TB, db *store.DB) (n int) {
	t.Helper()
	err := db.View(context.Background(), func(tx *store.Tx) error {
		return tx.Query(func(r *sql.Rows) error { return r.Scan(&n) }, `SELECT COUNT(*) FROM tasks`)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFailuresAreTriedAgainAndThenGivenUp(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	defer db.Close()
	e := newEngine(db, durable.Options{Alone: true})
	dead := func(_ context.Context, tx *store.Tx, key, reason string) error {
		return counts.Put(tx, scope, key, &count{Dead: reason})
	}
	e.Handle("count", durable.KindOptions{MaxAttempts: 3, Backoff: time.Millisecond, OnDead: dead}, func(ctx context.Context, l *durable.Lease) error {
		if l.Key == "recovers" && l.Attempt == 2 {
			return change(ctx, l, func(c *count) { c.N = 1 })
		}
		if l.Key == "panics" {
			panic("oh")
		}
		return errors.New("no luck")
	})
	for _, key := range []string{"recovers", "fails", "panics"} {
		begin(t, db, e, key)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	eventually(t, "all have ended", func() bool { return tasks(t, db) == 0 })
	if c := read(t, db, "recovers"); c.N != 1 || c.Dead != "" {
		t.Errorf("recovers: %+v", c)
	}
	if c := read(t, db, "fails"); c.Dead != "no luck" {
		t.Errorf("fails: %+v", c)
	}
	if c := read(t, db, "panics"); !strings.HasPrefix(c.Dead, "panic: oh") {
		t.Errorf("panics: %+v", c)
	}
}

func TestLostLeaseCannotCommit(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	defer db.Close()
	first := newEngine(db, durable.Options{Owner: "first", Lease: 10 * time.Minute})
	second := newEngine(db, durable.Options{Owner: "second", Lease: 10 * time.Minute})
	entered, lost := make(chan struct{}), make(chan struct{})
	late := make(chan error, 1)
	first.Handle("count", durable.KindOptions{}, func(ctx context.Context, l *durable.Lease) error {
		close(entered)
		<-lost
		err := change(context.Background(), l, func(c *count) { c.N = 1 })
		late <- err
		return err
	})
	second.Handle("count", durable.KindOptions{}, func(ctx context.Context, l *durable.Lease) error {
		return change(ctx, l, func(c *count) { c.N = 2 })
	})
	begin(t, db, first, "a")
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-entered
	err := db.Update(t.Context(), func(tx *store.Tx) error { // the first is not heard of for longer than its lease
		_, err := tx.Exec(`UPDATE tasks SET lease_until = 1`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second has ended the task", func() bool { return tasks(t, db) == 0 })
	close(lost)
	if err := <-late; !errors.Is(err, durable.ErrFenced) {
		t.Errorf("the late commit gave %v", err)
	}
	if c := read(t, db, "a"); c.N != 2 {
		t.Errorf("%+v", c)
	}
	first.Stop()
	second.Stop()
}

func TestStopReleasesAndStartGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	db := open(t, path)
	e := newEngine(db, durable.Options{Alone: true})
	entered := make(chan struct{})
	e.Handle("count", durable.KindOptions{}, func(ctx context.Context, l *durable.Lease) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	})
	begin(t, db, e, "a")
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-entered
	e.Stop()
	db.Close()
	db = open(t, path)
	defer db.Close()
	again := newEngine(db, durable.Options{Alone: true})
	again.Handle("count", durable.KindOptions{}, func(ctx context.Context, l *durable.Lease) error {
		if l.Attempt != 0 {
			t.Errorf("the stop was counted as a failure")
		}
		return change(ctx, l, func(c *count) { c.N = 1 })
	})
	if err := again.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer again.Stop()
	eventually(t, "the task has ended", func() bool { return tasks(t, db) == 0 })
}

func TestThousandTasks(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	defer db.Close()
	e := newEngine(db, durable.Options{Alone: true})
	var running, most atomic.Int64
	e.Handle("count", durable.KindOptions{Concurrency: 8}, func(ctx context.Context, l *durable.Lease) error {
		n := running.Add(1)
		defer running.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		return change(ctx, l, func(c *count) { c.N++ })
	})
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() { begin(t, db, e, fmt.Sprint(i)) })
	}
	wg.Wait()
	eventually(t, "all have ended", func() bool { return tasks(t, db) == 0 })
	for i := range 1000 {
		if c := read(t, db, fmt.Sprint(i)); c.N != 1 {
			t.Errorf("%d ran %d times", i, c.N)
		}
	}
	if most.Load() > 8 {
		t.Errorf("%d at a time, want at most 8", most.Load())
	}
}

// child runs an engine whose task "steps" counts to 40, one commit a pass, and whose task "poison" kills the process before it commits.
func child(path string) {
	db, err := store.Open(context.Background(), store.Options{Path: path})
	if err != nil {
		panic(err)
	}
	e := newEngine(db, durable.Options{Alone: true})
	dead := func(_ context.Context, tx *store.Tx, key, reason string) error {
		return counts.Put(tx, scope, key, &count{Dead: reason})
	}
	e.Handle("count", durable.KindOptions{MaxTakeovers: 3, OnDead: dead}, func(ctx context.Context, l *durable.Lease) error {
		if l.Key == "poison" {
			os.Exit(9)
		}
		n := 0
		if err := change(ctx, l, func(c *count) { c.N++; n = c.N }); err != nil {
			return err
		}
		fmt.Println(n)
		if n == 40 {
			return nil
		}
		return durable.Park(0)
	})
	if err := e.Start(context.Background()); err != nil {
		panic(err)
	}
	select {}
}

func TestMain(m *testing.M) {
	if path := os.Getenv("DURABLE_TEST_CHILD"); path != "" {
		child(path)
	}
	if path := os.Getenv("DURABLE_TEST_FAMILIES"); path != "" {
		familiesUntilKilled(path)
	}
	if path := os.Getenv("DURABLE_TEST_WAITING"); path != "" {
		waiting(path)
	}
	if path := os.Getenv("DURABLE_TEST_BYSTANDERS"); path != "" {
		bystanders(path)
	}
	os.Exit(m.Run())
}

func TestKilledProcessGoesOnWithEachStepOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	db := open(t, path)
	begin(t, db, newEngine(db, durable.Options{}), "steps")
	db.Close()
	last := 0
	for kill := 5; last < 40; kill += 7 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "DURABLE_TEST_CHILD="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(out); lines.Scan(); {
			n := 0
			fmt.Sscan(lines.Text(), &n)
			// A step may have been committed and not printed when the process died; none is committed twice.
			if n != last+1 && n != last+2 {
				t.Errorf("step %d came after %d", n, last)
			}
			if last = n; n >= kill {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
	}
	db = open(t, path)
	defer db.Close()
	if c := read(t, db, "steps"); c.N != 40 {
		t.Errorf("%+v", c)
	}
}

func TestPoisonIsGivenUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	db := open(t, path)
	begin(t, db, newEngine(db, durable.Options{}), "poison")
	db.Close()
	for range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "DURABLE_TEST_CHILD="+path)
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 9 {
			t.Fatalf("the child ended with %v", err)
		}
	}
	db = open(t, path)
	defer db.Close()
	e := newEngine(db, durable.Options{Alone: true})
	dead := make(chan string, 1)
	e.Handle("count", durable.KindOptions{MaxTakeovers: 3, OnDead: func(_ context.Context, _ *store.Tx, _, reason string) error { dead <- reason; return nil }},
		func(context.Context, *durable.Lease) error { t.Error("the poison was run once more"); return nil })
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	if reason := <-dead; !strings.Contains(reason, "4 processes in a row died") {
		t.Errorf("reason %q", reason)
	}
}

func BenchmarkTask(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "s.db"))
	defer db.Close()
	e := newEngine(db, durable.Options{Alone: true})
	done := make(chan struct{}, 1)
	e.Handle("count", durable.KindOptions{}, func(ctx context.Context, l *durable.Lease) error {
		err := change(ctx, l, func(c *count) { c.N++ })
		done <- struct{}{}
		return err
	})
	if err := e.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer e.Stop()
	for i := 0; b.Loop(); i++ {
		begin(b, db, e, fmt.Sprint(i))
		<-done
	}
}
