package raytest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/ray"
)

// failure runs a call that fails and returns its error.
func failure[T any](t testing.TB, ctx ctx, r ray.Ref[T], err error) *ray.TaskError {
	t.Helper()
	_, err = ray.Get(ctx, must(r, err)(t))
	task, ok := errors.AsType[*ray.TaskError](err)
	if !ok {
		t.Fatalf("got %v, want a TaskError", err)
	}
	return task
}

func contains(t testing.TB, s string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(s, p) {
			t.Errorf("%q is missing in:\n%s", p, s)
		}
	}
}

var failureCases = []suiteCase{
	{"AnErrorSaysWhere", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		r, err := fail.Call(ctx, "wrong", ray.Name("the third"))
		task := failure(t, ctx, r, err)
		equal(t, task.Function, "raytest.fail (the third)")
		equal(t, task.Cause.Error(), "it went wrong")
		equal(t, task.Attempts, 1)
		contains(t, task.Stack, "raytest/functions.go:")
		if task.Worker == "" {
			t.Error("no worker is named")
		}
	}},
	{"AnErrorKeepsWhatItIs", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		r, err := fail.Call(ctx, "missing")
		fails(t, failure(t, ctx, r, err), context.Canceled, "reading: context canceled")
	}},
	{"APanicIsAnErrorWithItsStack", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		r, err := fail.Call(ctx, "panic")
		task := failure(t, ctx, r, err)
		fails(t, task, ray.ErrPanic, "panic: it went panic")
		contains(t, task.Stack, "raytest.explode", "functions.go:")
		equal(t, must(ray.Get(ctx, must(double.Call(ctx, 1))(t)))(t), 2) // the engine lives
	}},
	{"AGoroutineThatEndsIsAnError", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		r, err := fail.Call(ctx, "goexit")
		fails(t, failure(t, ctx, r, err), nil, "runtime.Goexit")
	}},
	{"AnErrorOfACallWithinACallShowsBoth", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		r, err := outer.Call(ctx, "panic")
		task := failure(t, ctx, r, err)
		fails(t, task, ray.ErrPanic, "task raytest.outer", "task raytest.fail")
		contains(t, task.Stack, "waited for task raytest.fail", "raytest.explode")
		inner, ok := errors.AsType[*ray.TaskError](task.Cause)
		if !ok || inner.Function != "raytest.fail" {
			t.Errorf("the cause is %v", task.Cause)
		}
	}},
	{"AResultThatCannotBeSentIsAnError", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		r, err := unsendable.Call(ctx, struct{}{})
		fails(t, failure(t, ctx, r, err), nil, "result: a value of type", "cannot be sent")
	}},
	{"ErrorsAreRetriedWhereAsked", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		h := must(tallies.New(ctx, 0))(t)
		r, err := flaky.Call(ctx, death{Tally: h, Times: 2}, ray.Retries(2), ray.RetryErrors())
		equal(t, must(ray.Get(ctx, must(r, err)(t)))(t), 3)
		r, err = flaky.Call(ctx, death{Tally: h, Times: 100}, ray.Retries(2))
		equal(t, failure(t, ctx, r, err).Attempts, 1)
		r, err = flaky.Call(ctx, death{Tally: h, Times: 100}, ray.Retries(2), ray.RetryErrors())
		task := failure(t, ctx, r, err)
		equal(t, task.Attempts, 3)
		fails(t, task, nil, "(attempt 3): attempt 7 failed")
	}},
}
