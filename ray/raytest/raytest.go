// Package raytest is the suite that every engine of package ray passes. A test of an engine calls [Run]; its TestMain calls ray.Main first,
// because workers of the engine are the test program itself.
//
// The suite talks to running functions through a [gate] and waits for events, never for time to pass.
//
// To add a behaviour, write a function of (t, e) in the file of its subject and name it in the table of that file.
package raytest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/ray"
)

// An env is what a case of the suite gets: how to start the engine.
type env struct {
	open func(t testing.TB) ray.Options
}

// A suiteCase is one behaviour.
type suiteCase struct {
	name string
	run  func(t *testing.T, e env)
}

// Run runs the suite. open gives the options of an engine of its own for every case; the case sets the amounts that it needs.
func Run(t *testing.T, open func(t testing.TB) ray.Options) {
	e := env{open}
	groups := [][]suiteCase{taskCases, objectCases, resourceCases, failureCases, endCases, actorCases}
	if workersCanDie(open(t)) {
		groups = append(groups, crashCases)
	}
	for _, cases := range groups {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				c.run(t, e)
			})
		}
	}
}

// workersCanDie says whether the engine runs functions in other processes than this.
func workersCanDie(o ray.Options) bool {
	return o.Isolation == ray.Processes || o.Address != "" && o.Address != "local"
}

// start starts an engine with so many CPUs and lets it end with the test.
func (e env) start(t testing.TB, cpus float64, change ...func(*ray.Options)) context.Context {
	t.Helper()
	o := e.open(t)
	o.NumCPUs = cpus
	for _, c := range change {
		c(&o)
	}
	ctx, err := ray.Init(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ray.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return ctx
}

// must returns v where nothing went wrong.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%+v", err)
		}
		return v
	}
}

// fails checks that an error is what it should be and says what it should.
func fails(t testing.TB, err, is error, says ...string) {
	t.Helper()
	if is != nil && !errors.Is(err, is) {
		t.Errorf("got %v, want an error that is %v", err, is)
	}
	for _, s := range says {
		if err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("got %v, want an error that says %q", err, s)
		}
	}
}

func equal[T comparable](t testing.TB, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
