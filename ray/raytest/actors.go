package raytest

import (
	"context"
	"slices"
	"testing"

	"github.com/mobula-ml/mobula/ray"
)

var actorCases = []suiteCase{
	{"CallsOfAnActorRunInOrder", func(t *testing.T, e env) {
		ctx := e.start(t, 2)
		a, b := must(tallies.New(ctx, 0))(t), must(tallies.New(ctx, 100))(t)
		var last ray.Ref[[]int]
		var want []int
		for n := range 200 {
			last = must(order.Call(ctx, a, n))(t)
			want = append(want, n)
		}
		if got := must(ray.Get(ctx, last))(t); !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
		equal(t, must(ray.Get(ctx, must(add.Call(ctx, b, 1))(t)))(t), 101) // the other has a state of its own
	}},
	{"ACallWaitsForItsArgumentInItsPlace", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		h := must(tallies.New(ctx, 0))(t)
		held := must(hold.Call(ctx, g.at("argument")))(t)
		x := g.next(t)
		_ = held
		slow := must(double.Call(ctx, 1))(t) // behind the held CPU
		first := must(order.CallWith(ctx, h, slow))(t)
		second := must(order.Call(ctx, h, 7))(t)
		x.free()
		if got := must(ray.Get(ctx, second))(t); !slices.Equal(got, []int{2, 7}) {
			t.Errorf("got %v", got)
		}
		must(ray.Get(ctx, first))(t)
		bad := must(order.CallWith(ctx, h, must(fail.Call(ctx, "wrong"))(t)))(t)
		third := must(order.Call(ctx, h, 9))(t)
		fails(t, failure(t, ctx, bad, nil), nil, "task raytest.tally.order: its argument failed")
		if got := must(ray.Get(ctx, third))(t); !slices.Equal(got, []int{2, 7, 9}) {
			t.Errorf("got %v", got)
		}
	}},
	{"ActorsHaveNames", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		h := must(tallies.New(ctx, 3, ray.Name("one")))(t)
		equal(t, must(tallies.Named(ctx, "one"))(t), h)
		_, err := tallies.New(ctx, 3, ray.Name("one"))
		fails(t, err, ray.ErrNameTaken, `an actor raytest.tally named "one" lives already`)
		if err := ray.Kill(ctx, h); err != nil {
			t.Error(err)
		}
		_, err = tallies.Named(ctx, "one")
		fails(t, err, ray.ErrNoActor, `actor raytest.tally named "one"`)
		must(tallies.New(ctx, 3, ray.Name("one")))(t)
	}},
	{"AHandleWorksInATask", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		h := must(tallies.New(ctx, 3))(t)
		equal(t, must(ray.Get(ctx, must(addTo.Call(ctx, h))(t)))(t), 4)
		equal(t, must(ray.Get(ctx, must(addTo.Call(ctx, h))(t)))(t), 5)
	}},
	{"AConstructorThatFailsFailsTheCalls", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		h := must(tallies.New(ctx, -1, ray.CPUs(1), ray.MaxRestarts(3)))(t)
		r, err := add.Call(ctx, h, 1)
		fails(t, failure(t, ctx, r, err), ray.ErrActorDied, "start -1 must not be below 0")
		r, err = add.Call(ctx, h, 1)
		fails(t, failure(t, ctx, r, err), ray.ErrActorDied, "start -1 must not be below 0")
		available(t, ctx, "CPU", 1)
	}},
	{"KillEndsCallsThatRunAndWait", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		h := must(tallies.New(ctx, 0, ray.CPUs(1)))(t)
		runs := must(rest.Call(ctx, h, g.at("runs")))(t)
		x := g.next(t)
		waits := must(add.Call(ctx, h, 1))(t)
		if err := ray.Kill(ctx, h); err != nil {
			t.Error(err)
		}
		fails(t, failure(t, ctx, runs, nil), ray.ErrActorDied, "it was killed")
		fails(t, failure(t, ctx, waits, nil), ray.ErrActorDied)
		x.gone(t)
		r, err := add.Call(ctx, h, 1)
		fails(t, failure(t, ctx, r, err), ray.ErrActorDied, "it was killed")
		available(t, ctx, "CPU", 1)
		if err := ray.Kill(ctx, h); err != nil {
			t.Errorf("again: %v", err)
		}
		r, err = add.Call(ctx, ray.Handle[*tally]{}, 1)
		fails(t, err, nil, "the handle is empty")
		_ = r
	}},
	{"AnActorThatWaitsForResourcesCanBeKilled", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		must(hold.Call(ctx, g.at("holder")))(t)
		x := g.next(t)
		h := must(tallies.New(ctx, 0, ray.CPUs(1)))(t)
		r := must(add.Call(ctx, h, 1))(t)
		if err := ray.Kill(ctx, h); err != nil {
			t.Error(err)
		}
		fails(t, failure(t, ctx, r, nil), ray.ErrActorDied)
		x.free()
		available(t, ctx, "CPU", 1)
	}},
	{"RestartConstructsTheActorAgain", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		h := must(tallies.New(ctx, 10, ray.MaxRestarts(1)))(t)
		equal(t, must(ray.Get(ctx, must(add.Call(ctx, h, 5))(t)))(t), 15)
		runs := must(rest.Call(ctx, h, g.at("runs")))(t)
		g.next(t)
		waits := must(add.Call(ctx, h, 1))(t)
		if err := ray.Restart(ctx, h); err != nil {
			t.Error(err)
		}
		fails(t, failure(t, ctx, runs, nil), ray.ErrActorDied, "it was restarted")
		equal(t, must(ray.Get(ctx, waits))(t), 11) // what waited goes to the new one
		if err := ray.Restart(ctx, h); err != nil {
			t.Error(err)
		}
		r, err := add.Call(ctx, h, 1)
		fails(t, failure(t, ctx, r, err), ray.ErrActorDied)
		fails(t, ray.Restart(ctx, h), ray.ErrActorDied)
	}},
	{"KillReachesTheCallsOfACall", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		h := must(tallies.New(ctx, 0))(t)
		r := must(both.Call(ctx, h, g.at("inner")))(t)
		x := g.next(t)
		if err := ray.Kill(ctx, h); err != nil {
			t.Error(err)
		}
		x.gone(t)
		fails(t, failure(t, ctx, r, nil), ray.ErrActorDied)
		available(t, ctx, "CPU", 1)
	}},
	{"ADeadlineEndsACallAndNotTheActor", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		h := must(tallies.New(ctx, 10))(t)
		r, err := rest.Call(ctx, h, g.at("late"), ray.Deadline(soon))
		fails(t, failure(t, ctx, r, err), context.DeadlineExceeded)
		equal(t, must(ray.Get(ctx, must(add.Call(ctx, h, 1))(t)))(t), 11)
	}},
}
