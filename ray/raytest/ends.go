package raytest

import (
	"context"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/ray"
)

// soon is a deadline that a test waits for.
const soon = 30 * time.Millisecond

var endCases = []suiteCase{
	{"ADeadlineEndsATaskThatRuns", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		r, err := hold.Call(ctx, g.at("late"), ray.Deadline(2*time.Second))
		x := g.next(t)
		fails(t, failure(t, ctx, r, err), context.DeadlineExceeded, "task raytest.hold")
		x.gone(t) // its context ended too
		available(t, ctx, "CPU", 1)
	}},
	{"ADeadlineEndsATaskThatWaits", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		must(hold.Call(ctx, g.at("first")))(t)
		x := g.next(t)
		r, err := hold.Call(ctx, g.at("second"), ray.Deadline(soon))
		task := failure(t, ctx, r, err)
		fails(t, task, context.DeadlineExceeded)
		equal(t, task.Attempts, 0)
		limited, cancel := context.WithTimeout(ctx, soon)
		defer cancel()
		r, err = hold.Call(limited, g.at("third"))
		fails(t, failure(t, ctx, r, err), context.DeadlineExceeded)
		x.free()
		available(t, ctx, "CPU", 1)
		g.nobody(t)
	}},
	{"GetEndsWithItsContext", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		r := must(hold.Call(ctx, g.at("slow")))(t)
		x := g.next(t)
		limited, cancel := context.WithTimeout(ctx, soon)
		defer cancel()
		_, err := ray.Get(limited, r)
		equal(t, err, context.DeadlineExceeded) // its own, of no task
		x.free()
		equal(t, must(ray.Get(ctx, r))(t), "slow")
	}},
	{"CancelEndsWhatRunsAndWhatWaits", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		runs := must(hold.Call(ctx, g.at("runs")))(t)
		x := g.next(t)
		waits := must(hold.Call(ctx, g.at("waits")))(t)
		after := must(hold.CallWith(ctx, must(ray.Put(ctx, g.at("after")))(t)))(t)
		if err := ray.Cancel(ctx, waits, runs, after); err != nil {
			t.Error(err)
		}
		for _, r := range []ray.Ref[string]{runs, waits, after} {
			fails(t, failure(t, ctx, r, nil), context.Canceled)
		}
		x.gone(t)
		available(t, ctx, "CPU", 1)
		g.nobody(t)
		done := must(double.Call(ctx, 1))(t)
		must(ray.Get(ctx, done))(t)
		if err := ray.Cancel(ctx, done); err != nil {
			t.Error(err)
		}
		equal(t, must(ray.Get(ctx, done))(t), 2) // what has ended stays
	}},
	{"CancelReachesTheCallsOfACall", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		r := must(keepHold.Call(ctx, g.at("inner")))(t)
		x := g.next(t)
		if err := ray.Cancel(ctx, r); err != nil {
			t.Error(err)
		}
		x.gone(t)
		fails(t, failure(t, ctx, r, nil), context.Canceled)
		available(t, ctx, "CPU", 1)
	}},
	{"ShutdownEndsEverything", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		runs := must(hold.Call(ctx, g.at("runs")))(t)
		x := g.next(t)
		waits := must(double.Call(ctx, 1))(t)
		h := must(tallies.New(ctx, 1))(t)
		got := make(chan error, 1)
		go func() {
			_, err := ray.Get(ctx, waits)
			got <- err
		}()
		if err := ray.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		x.gone(t)
		fails(t, <-got, ray.ErrShutdown)
		_, err := ray.Get(ctx, runs)
		fails(t, err, ray.ErrShutdown)
		_, err = ray.Put(ctx, 1)
		fails(t, err, ray.ErrShutdown)
		_, err = double.Call(ctx, 1)
		fails(t, err, ray.ErrShutdown)
		_, err = add.Call(ctx, h, 1)
		fails(t, err, ray.ErrShutdown)
		if err := ray.Shutdown(ctx); err != nil {
			t.Errorf("again: %v", err)
		}
	}},
	{"TheEngineEndsWithTheContextOfInit", func(t *testing.T, e env) {
		parent, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		defer cancel()
		ctx, err := ray.Init(parent, e.open(t))
		if err != nil {
			t.Fatal(err)
		}
		g := newGate(t)
		must(hold.Call(ctx, g.at("runs")))(t)
		x := g.next(t)
		_, err = ray.Init(ctx, e.open(t))
		fails(t, err, nil, "has an engine already")
		cancel()
		x.gone(t)
		if err := ray.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}},
}
