package raytest

import (
	"context"
	"syscall"
	"testing"

	"github.com/mobula-ml/mobula/ray"
)

// crashCases are for engines whose workers are processes.
var crashCases = []suiteCase{
	{"ATaskWhoseWorkerDiedRunsAgain", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		for _, kill := range []bool{false, true} {
			h := must(tallies.New(ctx, 0))(t)
			r, err := die.Call(ctx, death{Tally: h, Times: 2, Kill: kill}, ray.Retries(2))
			equal(t, must(ray.Get(ctx, must(r, err)(t)))(t), 3)
		}
	}},
	{"ATaskThatKeepsKillingItsWorkerFails", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		h := must(tallies.New(ctx, 0))(t)
		r, err := die.Call(ctx, death{Tally: h, Times: 100}, ray.Retries(1))
		task := failure(t, ctx, r, err)
		fails(t, task, ray.ErrWorkerDied, "the worker died", "exit status 3")
		contains(t, task.Stack, "these are its last words")
		equal(t, task.Attempts, 2)
		r, err = die.Call(ctx, death{Tally: h, Times: 100, Kill: true}, ray.Retries(0))
		fails(t, failure(t, ctx, r, err), ray.ErrWorkerDied, "signal: killed")
		available(t, ctx, "CPU", 1)
		equal(t, must(ray.Get(ctx, must(double.Call(ctx, 3))(t)))(t), 6)
	}},
	{"AnActorWhoseWorkerDiedIsConstructedAgain", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		count := must(tallies.New(ctx, 0))(t)
		h := must(tallies.New(ctx, 10, ray.MaxRestarts(2)))(t)
		must(ray.Get(ctx, must(add.Call(ctx, h, 5))(t)))(t)
		lost := must(perish.Call(ctx, h, death{Tally: count, Times: 1}))(t)
		waits := must(add.Call(ctx, h, 1))(t)
		fails(t, failure(t, ctx, lost, nil), ray.ErrWorkerDied)
		equal(t, must(ray.Get(ctx, waits))(t), 11)
		again := must(perish.Call(ctx, h, death{Tally: count, Times: 2, Kill: true}, ray.Retries(1)))(t)
		equal(t, must(ray.Get(ctx, again))(t), 3) // on the third incarnation
		last := must(perish.Call(ctx, h, death{Tally: count, Times: 100}))(t)
		fails(t, failure(t, ctx, last, nil), ray.ErrWorkerDied)
		r, err := add.Call(ctx, h, 1)
		fails(t, failure(t, ctx, r, err), ray.ErrActorDied, "the worker died")
	}},
	{"AnIdleActorWhoseWorkerDiedIsConstructedAgain", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		h := must(tallies.New(ctx, 10, ray.MaxRestarts(1)))(t)
		pid := must(ray.Get(ctx, must(processID.Call(ctx, h, struct{}{}))(t)))(t)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		equal(t, must(ray.Get(ctx, must(add.Call(ctx, h, 1, ray.Retries(1)))(t)))(t), 11)
	}},
	{"AWorkerThatIgnoresCancelIsKilled", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		s := g.at("deaf")
		s.Deaf = true
		r := must(hold.Call(ctx, s))(t)
		x := g.next(t)
		if err := ray.Cancel(ctx, r); err != nil {
			t.Error(err)
		}
		fails(t, failure(t, ctx, r, nil), context.Canceled)
		x.gone(t)
		available(t, ctx, "CPU", 1)
	}},
	{"TheReferencesOfADeadWorkerGo", func(t *testing.T, e env) {
		ctx := e.start(t, 1, small)
		for range 3 {
			r, err := hoard.Call(ctx, 800<<10, ray.Retries(0))
			fails(t, failure(t, ctx, r, err), ray.ErrWorkerDied)
		}
	}},
}

// hoard fills the store and dies with its references.
var hoard = ray.Func("raytest.hoard", func(ctx context.Context, n int) (int, error) {
	r, err := ray.Put(ctx, make([]byte, n))
	if err != nil {
		return 0, err
	}
	if _, err := ray.Get(ctx, r); err != nil {
		return 0, err
	}
	return 0, death{Kill: true}.now()
})
