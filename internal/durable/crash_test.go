package durable_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/store"
)

// step commits one step of a task with its event, and whatever else belongs to it.
func step(ctx context.Context, l *durable.Lease, n int, more func(tx *store.Tx) error) error {
	return l.Update(ctx, func(tx *store.Tx) error {
		c, err := counts.Get(tx, scope, l.Key)
		if err != nil {
			return err
		}
		if c.N != n {
			return fmt.Errorf("%s is at step %d, not %d", l.Key, c.N, n)
		}
		c.N++
		if err := counts.Put(tx, scope, l.Key, c); err != nil {
			return err
		}
		if err := tx.Emit(store.Event{Type: "Count.Step", Resource: fmt.Sprintf("%s %d", l.Key, c.N)}); err != nil {
			return err
		}
		return more(tx)
	})
}

// families runs parents that make a child, park for an hour, and end when the child has told them that it has ended.
func families(db *store.DB, owner string) *durable.Engine {
	e := newEngine(db, durable.Options{Alone: true, Owner: owner})
	at := func(ctx context.Context, key string) (n int, err error) {
		err = db.View(ctx, func(tx *store.Tx) error {
			c, err := counts.Get(tx, scope, key)
			if err == nil {
				n = c.N
			}
			return err
		})
		return n, err
	}
	none := func(*store.Tx) error { return nil }
	e.Handle("parent", durable.KindOptions{MaxTakeovers: 1000}, func(ctx context.Context, l *durable.Lease) error {
		n, err := at(ctx, l.Key)
		if err != nil {
			return err
		}
		child := l.Key + " child"
		switch n {
		case 0:
			err := step(ctx, l, 0, func(tx *store.Tx) error {
				if err := counts.Insert(tx, scope, child, child, &count{}); err != nil {
					return err
				}
				return e.Enqueue(tx, "child", child)
			})
			if err != nil {
				return err
			}
		case 1:
			n, err := at(ctx, child)
			if err != nil {
				return err
			}
			if n < 2 {
				return durable.Park(time.Hour)
			}
			return step(ctx, l, 1, none)
		case 2:
			return nil
		}
		return durable.Park(time.Hour)
	})
	e.Handle("child", durable.KindOptions{MaxTakeovers: 1000}, func(ctx context.Context, l *durable.Lease) error {
		n, err := at(ctx, l.Key)
		if err != nil || n == 2 {
			return err
		}
		if n == 0 {
			if err := step(ctx, l, 0, none); err != nil {
				return err
			}
		}
		owner := durable.Owner{Kind: "parent", Key: strings.TrimSuffix(l.Key, " child")}
		return step(ctx, l, 1, func(tx *store.Tx) error { return owner.Notify(e, tx) })
	})
	return e
}

func familiesUntilKilled(path string) {
	db, err := store.Open(context.Background(), store.Options{Path: path})
	if err != nil {
		panic(err)
	}
	if err := families(db, "").Start(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println("started")
	select {}
}

// TestKilledAtAnyMoment kills the process again and again: every step happens once, and no parent misses the end of its child, whose one
// signal may fall anywhere among the kills.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	db := open(t, path)
	const n = 60
	for i := range n {
		key := fmt.Sprint("p", i)
		err := db.Update(t.Context(), func(tx *store.Tx) error {
			if err := counts.Insert(tx, scope, key, key, &count{}); err != nil {
				return err
			}
			return newEngine(db, durable.Options{}).Enqueue(tx, "parent", key)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "DURABLE_TEST_FAMILIES="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out.Read(make([]byte, 1))
		time.Sleep(time.Duration(rng.IntN(20_000)) * time.Microsecond)
		cmd.Process.Kill()
		cmd.Wait()
	}
	db = open(t, path)
	defer db.Close()
	t.Logf("%d tasks are left after the kills", tasks(t, db))
	e := families(db, "the last")
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	eventually(t, "all have ended", func() bool { return tasks(t, db) == 0 })
	times := map[string]int{}
	err := db.View(t.Context(), func(tx *store.Tx) error {
		events, err := tx.Events(0, 1000)
		for _, e := range events {
			times[e.Resource]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		for _, who := range []string{"", " child"} {
			for s := 1; s <= 2; s++ {
				if key := fmt.Sprintf("p%d%s %d", i, who, s); times[key] != 1 {
					t.Errorf("step %q happened %d times", key, times[key])
				}
			}
		}
	}
}
