package raytest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"

	"github.com/mobula-ml/mobula/ray"
)

// What the cases call. A worker process finds them here by name.
var (
	double  = ray.Func("raytest.double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	sort    = ray.Func("raytest.sort", func(_ context.Context, v []int) ([]int, error) { slices.Sort(v); return v, nil })
	hold    = ray.Func("raytest.hold", func(ctx context.Context, s stop) (string, error) { return s.Name, s.wait(ctx) })
	echo    = ray.Func("raytest.echo", func(_ context.Context, v everything) (everything, error) { return v, nil })
	nothing = ray.Func("raytest.nothing", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })
	zeros   = ray.Func("raytest.zeros", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })

	// fail returns an error, or panics, or ends in yet another way.
	fail = ray.Func("raytest.fail", func(_ context.Context, how string) (int, error) {
		switch how {
		case "panic":
			return explode(how)
		case "goexit":
			runtime.Goexit()
		case "missing":
			return 0, fmt.Errorf("reading: %w", context.Canceled)
		}
		return 0, errors.New("it went " + how)
	})
	unsendable = ray.Func("raytest.unsendable", func(context.Context, struct{}) (any, error) { return make(chan int), nil })

	// outer fails because a call that it makes does.
	outer = ray.Func("raytest.outer", func(ctx context.Context, how string) (int, error) {
		r, err := fail.Call(ctx, how)
		if err != nil {
			return 0, err
		}
		_, err = ray.Get(ctx, r)
		return 0, err
	})

	// make returns a reference to a value that only the task has put.
	makeRef = ray.Func("raytest.make", func(ctx context.Context, n int) (box, error) {
		r, err := ray.Put(ctx, n)
		return box{Inner: map[string]ray.Ref[int]{"n": r}}, err
	})
	open = ray.Func("raytest.open", func(ctx context.Context, b box) (int, error) { return ray.Get(ctx, b.Inner["n"]) })

	// keepHold starts a call and waits for it.
	keepHold = ray.Func("raytest.keepHold", func(ctx context.Context, s stop) (string, error) {
		r, err := hold.Call(ctx, s)
		if err != nil {
			return "", err
		}
		return ray.Get(ctx, r)
	})

	// die ends its process on the first attempts, as the tally has it.
	die = ray.Func("raytest.die", func(ctx context.Context, d death) (int, error) {
		n, err := d.attempt(ctx)
		if err != nil || n > d.Times {
			return n, err
		}
		return 0, d.now()
	})
	// flaky returns an error on the first attempts.
	flaky = ray.Func("raytest.flaky", func(ctx context.Context, d death) (int, error) {
		n, err := d.attempt(ctx)
		if err == nil && n <= d.Times {
			err = fmt.Errorf("attempt %d failed", n)
		}
		return n, err
	})

	tallies = ray.Actor("raytest.tally", func(_ context.Context, start int) (*tally, error) {
		if start < 0 {
			return nil, fmt.Errorf("start %d must not be below 0", start)
		}
		return &tally{n: start}, nil
	})
	add       = ray.Method(tallies, "add", (*tally).Add)
	order     = ray.Method(tallies, "order", (*tally).Order)
	rest      = ray.Method(tallies, "rest", (*tally).Rest)
	both      = ray.Method(tallies, "both", (*tally).Both)
	perish    = ray.Method(tallies, "perish", (*tally).Perish)
	processID = ray.Method(tallies, "process", func(*tally, context.Context, struct{}) (int, error) { return os.Getpid(), nil })

	// employ starts an actor that takes the CPU of this very task, and waits for it.
	employ = ray.Func("raytest.employ", func(ctx context.Context, n int) (ray.Handle[*tally], error) {
		h, err := tallies.New(ctx, n, ray.CPUs(1))
		if err != nil {
			return h, err
		}
		r, err := add.Call(ctx, h, 1)
		if err != nil {
			return h, err
		}
		_, err = ray.Get(ctx, r)
		return h, err
	})
	addTo = ray.Func("raytest.addTo", func(ctx context.Context, h ray.Handle[*tally]) (int, error) {
		r, err := add.Call(ctx, h, 1)
		if err != nil {
			return 0, err
		}
		return ray.Get(ctx, r)
	})
)

func init() {
	// fib calls itself, which a package variable may not.
	fib = ray.Func("raytest.fib", func(ctx context.Context, n int) (int, error) {
		if n < 2 {
			return n, nil
		}
		a, err := fib.Call(ctx, n-1)
		if err != nil {
			return 0, err
		}
		b, err := fib.Call(ctx, n-2)
		if err != nil {
			return 0, err
		}
		both, err := ray.GetAll(ctx, []ray.Ref[int]{a, b})
		if err != nil {
			return 0, err
		}
		return both[0] + both[1], nil
	})
}

var fib ray.Function[int, int]

func explode(how string) (int, error) { panic("it went " + how) }

// everything is a value of many types.
type everything struct {
	I   int64
	F   []float64
	M   map[string][]string
	P   *everything
	B   []byte
	S   string
	Any any
}

type box struct{ Inner map[string]ray.Ref[int] }

// A death says how often to die, and how.
type death struct {
	Tally ray.Handle[*tally]
	Times int
	Kill  bool
}

func (d death) attempt(ctx context.Context) (int, error) {
	r, err := add.Call(ctx, d.Tally, 1)
	if err != nil {
		return 0, err
	}
	return ray.Get(ctx, r)
}

func (d death) now() error {
	if d.Kill {
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	fmt.Fprintln(os.Stderr, "these are its last words")
	os.Exit(3)
	return nil
}

type tally struct {
	n    int
	seen []int
}

func (a *tally) Add(_ context.Context, n int) (int, error) { a.n += n; return a.n, nil }

// Order notes n and returns all that were noted.
func (a *tally) Order(_ context.Context, n int) ([]int, error) {
	a.seen = append(a.seen, n)
	return a.seen, nil
}

// Both stands at a gate in a call of its own and waits for it.
func (a *tally) Both(ctx context.Context, s stop) (string, error) {
	r, err := hold.Call(ctx, s)
	if err != nil {
		return "", err
	}
	return ray.Get(ctx, r)
}

func (a *tally) Rest(ctx context.Context, s stop) (string, error) { return s.Name, s.wait(ctx) }

func (a *tally) Perish(ctx context.Context, d death) (int, error) {
	n, err := d.attempt(ctx)
	if err != nil || n > d.Times {
		return n, err
	}
	return 0, d.now()
}
