package durable_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/store"
)

// bystanders runs tasks that wait without ever committing anything, and one that takes the process down.
func bystanders(path string) {
	db, err := store.Open(context.Background(), store.Options{Path: path})
	if err != nil {
		panic(err)
	}
	e := newEngine(db, durable.Options{Alone: true})
	dead := func(_ context.Context, tx *store.Tx, key, reason string) error {
		tx.AfterCommit(func() {
			if strings.Contains(reason, "died") {
				fmt.Println("gave up", key)
				os.Exit(0)
			}
		})
		return nil
	}
	e.Handle("count", durable.KindOptions{MaxTakeovers: 8, OnDead: dead}, func(ctx context.Context, l *durable.Lease) error {
		if l.Key == "poison" {
			os.Exit(9)
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if err := e.Start(context.Background()); err != nil {
		panic(err)
	}
	select {}
}

// A process that dies counts against all that it ran; the one task that is the reason must be found among those that are not.
func TestPoisonIsFoundAmongBystanders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	db := open(t, path)
	for _, key := range []string{"a", "b", "c", "poison", "d"} {
		begin(t, db, newEngine(db, durable.Options{}), key)
	}
	db.Close()
	for range 40 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "DURABLE_TEST_BYSTANDERS="+path)
		out, err := cmd.Output()
		var exit *exec.ExitError
		switch {
		case err == nil && string(out) == "gave up poison\n":
			return
		case !errors.As(err, &exit) || exit.ExitCode() != 9:
			t.Fatalf("the child ended with %v and said %q", err, out)
		}
	}
	t.Error("the poison was never given up")
}

// waiting runs a task that waits for something outside the process, which is killed meanwhile.
func waiting(path string) {
	db, err := store.Open(context.Background(), store.Options{Path: path})
	if err != nil {
		panic(err)
	}
	e := newEngine(db, durable.Options{Alone: true})
	e.Handle("count", durable.KindOptions{MaxTakeovers: 2}, func(ctx context.Context, l *durable.Lease) error {
		if err := l.Waits(ctx); err != nil {
			panic(err)
		}
		os.Exit(9)
		return nil
	})
	if err := e.Start(context.Background()); err != nil {
		panic(err)
	}
	select {}
}

// However often the process dies under a task that only waits, it is not the task's fault.
func TestWaitingIsNoPoison(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	db := open(t, path)
	begin(t, db, newEngine(db, durable.Options{}), "a")
	db.Close()
	for range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "DURABLE_TEST_WAITING="+path)
		var exit *exec.ExitError
		if out, err := cmd.CombinedOutput(); !errors.As(err, &exit) || exit.ExitCode() != 9 {
			t.Fatalf("the child ended with %v and said %q", err, out)
		}
	}
	db = open(t, path)
	defer db.Close()
	if n := tasks(t, db); n != 1 {
		t.Errorf("%d tasks are left, want 1", n)
	}
}

// While OnDead fails, the task stays; it is not forgotten, and not stuck until the next start.
func TestFailingOnDeadIsTriedAgain(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	defer db.Close()
	e := newEngine(db, durable.Options{Alone: true})
	var calls atomic.Int64
	dead := func(context.Context, *store.Tx, string, string) error {
		if calls.Add(1) < 3 {
			return errors.New("not now")
		}
		return nil
	}
	e.Handle("count", durable.KindOptions{MaxAttempts: 1, Backoff: time.Millisecond, OnDead: dead}, func(context.Context, *durable.Lease) error {
		return errors.New("no luck")
	})
	begin(t, db, e, "a")
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	eventually(t, "the task was given up", func() bool { return tasks(t, db) == 0 })
	if calls.Load() != 3 {
		t.Errorf("OnDead was called %d times, want 3", calls.Load())
	}
}

// Of two processes on one store, each task is run by one; a lease that is held is extended for as long as the process lives.
func TestTwoEnginesShareTheTasks(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	defer db.Close()
	var mine [2]atomic.Int64
	slow := make(chan struct{})
	var engines [2]*durable.Engine
	for i := range engines {
		e := newEngine(db, durable.Options{Owner: fmt.Sprint("engine ", i), Lease: 600 * time.Millisecond})
		e.Handle("count", durable.KindOptions{Concurrency: 4}, func(ctx context.Context, l *durable.Lease) error {
			if l.Takeover {
				t.Errorf("%s was taken over from a process that lives", l.Key)
			}
			mine[i].Add(1)
			if l.Key == "slow" {
				<-slow
			}
			return change(ctx, l, func(c *count) { c.N++ })
		})
		engines[i] = e
	}
	begin(t, db, engines[0], "slow")
	for i := range 100 {
		begin(t, db, engines[0], fmt.Sprint(i))
	}
	for _, e := range engines {
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer e.Stop()
	}
	eventually(t, "the quick ones have ended", func() bool { return tasks(t, db) == 1 })
	time.Sleep(1500 * time.Millisecond) // several leases long: only time can show that the slow one keeps its own
	close(slow)
	eventually(t, "all have ended", func() bool { return tasks(t, db) == 0 })
	if n := mine[0].Load() + mine[1].Load(); n != 101 {
		t.Errorf("%d passes for 101 tasks", n)
	}
	for i := range 100 {
		if c := read(t, db, fmt.Sprint(i)); c.N != 1 {
			t.Errorf("%d was done %d times", i, c.N)
		}
	}
}

func TestStartTwiceIsRefusedAndStopTwiceIsNot(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "s.db"))
	defer db.Close()
	e := newEngine(db, durable.Options{Alone: true})
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "started before") {
		t.Errorf("the second start gave %v", err)
	}
	e.Stop()
	e.Stop()
	newEngine(db, durable.Options{}).Stop()
}

// BenchmarkTaskAmongParked is a task's way from its update to its controller, where 20,000 others are parked.
func BenchmarkTaskAmongParked(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "s.db"))
	defer db.Close()
	e := newEngine(db, durable.Options{Alone: true})
	err := db.Update(b.Context(), func(tx *store.Tx) error {
		for i := range 20_000 {
			_, err := tx.Exec(`INSERT INTO tasks (kind, key, due, owner, lease_until, fence, attempts, takeovers, signals, last_error) VALUES ('count', ?, ?, '', 0, 1, 0, 0, 1, '')`,
				fmt.Sprint("parked ", i), time.Now().Add(time.Hour).UnixMicro())
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	ran := make(chan struct{}, 1)
	e.Handle("count", durable.KindOptions{}, func(context.Context, *durable.Lease) error { ran <- struct{}{}; return nil })
	if err := e.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer e.Stop()
	for i := 0; b.Loop(); i++ {
		begin(b, db, e, fmt.Sprint(i))
		<-ran
	}
}
