package ray

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

type chore struct {
	Seed  uint64
	Depth int
}

type pile struct{ n int }

var (
	piles = Actor("stress.pile", func(_ context.Context, n int) (*pile, error) { return &pile{n}, nil })
	heap  = Method(piles, "heap", func(p *pile, _ context.Context, r Ref[int]) (Ref[int], error) { p.n++; return r, nil })
	labor Function[chore, Ref[int]]
)

func init() {
	labor = Func("stress.labor", func(ctx context.Context, w chore) (Ref[int], error) {
		rng := rand.New(rand.NewPCG(w.Seed, 1))
		if rng.IntN(20) == 0 {
			panic("by chance")
		}
		if w.Depth == 0 {
			return Put(ctx, rng.IntN(100))
		}
		var last Ref[int]
		for range 1 + rng.IntN(3) {
			r, err := labor.Call(ctx, chore{rng.Uint64(), w.Depth - 1}, CPUs(float64(rng.IntN(11))/10))
			if err != nil {
				return last, err
			}
			if rng.IntN(5) == 0 {
				_ = Cancel(ctx, r)
			}
			if last, err = Get(ctx, r); err != nil && rng.IntN(2) == 0 {
				return last, err
			}
		}
		return last, nil
	})
}

// TestNothingIsLeftBehind makes calls of every kind, fails and cancels some of them, and then looks for what was not given back.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	for _, isolation := range []Isolation{Goroutines, Processes} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			leaveNothing(t, isolation)
		})
	}
}

func leaveNothing(t *testing.T, isolation Isolation) {
	ctx, err := Init(context.Background(), Options{Address: "local", NumCPUs: 2, Isolation: isolation, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer Shutdown(ctx)
	var wg sync.WaitGroup
	for seed := range uint64(8) {
		wg.Go(func() { mix(t, ctx, seed) })
	}
	wg.Wait()
	s, _ := sessionOf(ctx)
	l := s.engine.(*local)
	var used int64
	var objects, tasks int
	var same bool
	for range 100 {
		l.exec.collect()
		l.mu.Lock()
		used, objects, tasks, same = l.store.used, len(l.store.objects), len(l.tasks), maps.Equal(l.sched.free, l.sched.total)
		l.mu.Unlock()
		if used == 0 && objects == 0 && tasks == 0 && same {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("left: %d bytes, %d objects, %d tasks; free %v of %v", used, objects, tasks, l.sched.free, l.sched.total)
}

func mix(t *testing.T, ctx context.Context, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	a, err := piles.New(ctx, 0, MaxRestarts(1), CPUs(0.1))
	if err != nil {
		t.Error(err)
		return
	}
	for n := range 60 {
		var options []Option
		if rng.IntN(4) == 0 {
			options = append(options, Deadline(time.Duration(1+rng.IntN(3000))*time.Microsecond))
		}
		r, err := labor.Call(ctx, chore{rng.Uint64(), rng.IntN(4)}, options...)
		if err != nil {
			t.Error(err)
			return
		}
		if rng.IntN(6) == 0 {
			_ = Cancel(ctx, r)
		}
		h, err := heap.CallWith(ctx, a, r)
		if err != nil {
			t.Error(err)
			return
		}
		v, err := Get(ctx, h)
		if err == nil {
			_, err = Get(ctx, v)
		}
		if err != nil && !errors.As(err, new(*TaskError)) && v != (Ref[int]{}) {
			t.Errorf("seed %d, call %d: %v", seed, n, err)
		}
		if n == 30 {
			_ = Restart(ctx, a)
		}
	}
	_ = Kill(ctx, a)
}
