package raytest

import (
	"testing"
	"time"

	"github.com/mobula-ml/mobula/ray"
)

// available waits until so much of a resource is free: resources are given back right after the result is there.
func available(t testing.TB, ctx ctx, name string, want float64) {
	t.Helper()
	var got float64
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if got = must(ray.AvailableResources(ctx))(t)[name]; got == want {
			return
		}
	}
	t.Errorf("%v of %s are free, want %v", got, name, want)
}

var resourceCases = []suiteCase{
	{"WhatCanNeverRunIsRefusedAtOnce", func(t *testing.T, e env) {
		ctx := e.start(t, 2, func(o *ray.Options) { o.Resources = map[string]float64{"gpu": 1} })
		_, err := double.Call(ctx, 1, ray.CPUs(2.5))
		fails(t, err, ray.ErrInfeasible, "calling raytest.double", "it needs {CPU: 2.5}, the engine has {CPU: 2, gpu: 1} in all")
		_, err = tallies.New(ctx, 1, ray.Resource("tpu", 1))
		fails(t, err, ray.ErrInfeasible, "it needs {tpu: 1}")
		equal(t, must(ray.ClusterResources(ctx))(t)["gpu"], 1)
	}},
	{"WrongAmountsAreRefused", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		for says, o := range map[string]ray.Option{
			"resource CPU: -1 must be from 0":                    ray.CPUs(-1),
			"resource gpu: 0.00001 must be a multiple of 0.0001": ray.Resource("gpu", 0.00001),
			`resource "" must have a name`:                       ray.Resource("", 1),
			"retries -1 must not be below 0":                     ray.Retries(-1),
			"deadline 0s must be above 0":                        ray.Deadline(0),
			"MaxRestarts is no option of a task: it has Retries": ray.MaxRestarts(1),
		} {
			_, err := double.Call(ctx, 1, o)
			fails(t, err, nil, says)
		}
		h := must(tallies.New(ctx, 0))(t)
		_, err := add.Call(ctx, h, 1, ray.CPUs(1))
		fails(t, err, nil, "resource CPU is no option of a call of an actor")
		_, err = tallies.New(ctx, 0, ray.Deadline(time.Second))
		fails(t, err, nil, "Deadline is no option of an actor")
	}},
	{"FractionsAreExact", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1), newGate(t)
		for _, n := range []float64{0.3333, 0.3333, 0.3333, 0.0001} {
			must(hold.Call(ctx, g.at("part"), ray.CPUs(n)))(t)
		}
		last := must(hold.Call(ctx, g.at("last"), ray.CPUs(0.0001)))(t)
		var guests []guest
		for range 4 {
			guests = append(guests, g.next(t))
		}
		available(t, ctx, "CPU", 0)
		g.nobody(t)
		guests[0].free()
		x := g.next(t)
		equal(t, x.name, "last")
		for _, other := range guests {
			other.free()
		}
		x.free()
		must(ray.Get(ctx, last))(t)
		available(t, ctx, "CPU", 1)
	}},
	{"WhatDoesNotFitDoesNotHoldUpOthers", func(t *testing.T, e env) {
		ctx, g := e.start(t, 2, func(o *ray.Options) { o.Resources = map[string]float64{"gpu": 1} }), newGate(t)
		must(hold.Call(ctx, g.at("first"), ray.Resource("gpu", 1)))(t)
		first := g.next(t)
		must(hold.Call(ctx, g.at("second"), ray.Resource("gpu", 1)))(t)
		equal(t, must(ray.Get(ctx, must(double.Call(ctx, 4))(t)))(t), 8)
		g.nobody(t)
		first.free()
		second := g.next(t)
		equal(t, second.name, "second")
		second.free()
		available(t, ctx, "gpu", 1)
	}},
	{"AnActorHoldsItsResourcesForItsLife", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		h := must(tallies.New(ctx, 0, ray.CPUs(1)))(t)
		equal(t, must(ray.Get(ctx, must(add.Call(ctx, h, 1))(t)))(t), 1)
		available(t, ctx, "CPU", 0)
		waiting := must(double.Call(ctx, 21))(t)
		if ready, _, err := ray.Wait(ctx, []ray.Ref[int]{waiting}, 1, time.Millisecond); err != nil || len(ready) > 0 {
			t.Errorf("it ran without a CPU: %v, %v", ready, err)
		}
		if err := ray.Kill(ctx, h); err != nil {
			t.Error(err)
		}
		equal(t, must(ray.Get(ctx, waiting))(t), 42)
	}},
	{"ATaskMayWaitForAnActorThatTakesItsCPU", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		h := must(ray.Get(ctx, must(employ.Call(ctx, 5))(t)))(t)
		available(t, ctx, "CPU", 0)
		equal(t, must(ray.Get(ctx, must(add.Call(ctx, h, 1))(t)))(t), 7)
		if err := ray.Kill(ctx, h); err != nil {
			t.Error(err)
		}
		available(t, ctx, "CPU", 1)
	}},
	{"TooManyCallsAreRefused", func(t *testing.T, e env) {
		ctx, g := e.start(t, 1, func(o *ray.Options) { o.MaxPending = 2 }), newGate(t)
		one := must(hold.Call(ctx, g.at("one")))(t)
		x := g.next(t)
		two := must(hold.Call(ctx, g.at("two")))(t)
		_, err := hold.Call(ctx, g.at("three"))
		fails(t, err, ray.ErrTooManyCalls, "2 are waiting or running already (Options.MaxPending)")
		x.free()
		must(ray.Get(ctx, one))(t)
		g.next(t).free()
		must(ray.Get(ctx, two))(t)
	}},
}
