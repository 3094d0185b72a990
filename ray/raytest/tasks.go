package raytest

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/ray"
)

var taskCases = []suiteCase{
	{"ATaskGivesItsResult", func(t *testing.T, e env) {
		ctx := e.start(t, 2)
		var refs []ray.Ref[int]
		for n := range 50 {
			refs = append(refs, must(double.Call(ctx, n))(t))
		}
		for n, v := range must(ray.GetAll(ctx, refs))(t) {
			equal(t, v, 2*n)
		}
	}},
	{"ValuesAreCopied", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		mine := []int{3, 1, 2}
		kept := must(ray.Put(ctx, mine))(t)
		sorted := must(sort.Call(ctx, mine))(t)
		mine[0] = 99
		if v := must(ray.Get(ctx, sorted))(t); !slices.Equal(v, []int{1, 2, 3}) || !slices.Equal(mine, []int{99, 1, 2}) {
			t.Errorf("the task gave %v, the caller has %v", v, mine)
		}
		again := must(sort.CallWith(ctx, kept))(t)
		must(ray.Get(ctx, again))(t)[0] = 7
		if v := must(ray.Get(ctx, kept))(t); !slices.Equal(v, []int{3, 1, 2}) {
			t.Errorf("what was put became %v", v)
		}
	}},
	{"ValuesOfAllTypesCross", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		v := everything{I: math.MinInt64, F: []float64{math.Inf(1), -0.1, 5e-324}, M: map[string][]string{"a": {"x", ""}, "b": nil},
			P: &everything{S: "deep"}, B: []byte{0, 255}, S: "näme\x00", Any: 3.5}
		if got := must(ray.Get(ctx, must(echo.Call(ctx, v))(t)))(t); !reflect.DeepEqual(got, v) {
			t.Errorf("got %+v, want %+v", got, v)
		}
		crosses(t, ctx, []float64{math.NaN(), 1})
		crosses(t, ctx, []float32{1, 2})
		crosses(t, ctx, []int64{-1, math.MaxInt64})
		crosses(t, ctx, []int32{})
		crosses(t, ctx, []byte{})
		crosses(t, ctx, []byte(nil))
		crosses(t, ctx, []float64(nil))
		crosses(t, ctx, "")
		crosses(t, ctx, struct{}{})
		crosses(t, ctx, (*int)(nil))
		crosses(t, ctx, map[int]bool{})
		must(ray.Get(ctx, must(nothing.Call(ctx, struct{}{}))(t)))(t)
	}},
	{"AResultIsTheArgumentOfTheNext", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		r := must(double.Call(ctx, 1))(t)
		for range 5 {
			r = must(double.CallWith(ctx, r))(t)
		}
		equal(t, must(ray.Get(ctx, r))(t), 64)
		failed := must(fail.Call(ctx, "wrong"))(t)
		_, err := ray.Get(ctx, must(double.CallWith(ctx, failed))(t))
		fails(t, err, nil, "task raytest.double: its argument failed: task raytest.fail", "it went wrong")
	}},
	{"TasksThatWaitForTasksDoNotBlockOneAnother", func(t *testing.T, e env) {
		ctx := e.start(t, 1) // every level of the recursion asks for the one CPU
		equal(t, must(ray.Get(ctx, must(fib.Call(ctx, 6))(t)))(t), 8)
		available(t, ctx, "CPU", 1)
	}},
	{"WaitDividesRefs", func(t *testing.T, e env) {
		ctx, g := e.start(t, 2), newGate(t)
		slow := must(hold.Call(ctx, g.at("slow")))(t)
		quick := must(hold.Call(ctx, g.at("quick")))(t)
		at := map[string]guest{}
		for range 2 {
			x := g.next(t)
			at[x.name] = x
		}
		refs := []ray.Ref[string]{slow, quick}
		ready, rest, err := ray.Wait(ctx, refs, 1, time.Millisecond)
		if err != nil || len(ready) != 0 || len(rest) != 2 {
			t.Errorf("after the timeout: %v, %v, %v", ready, rest, err)
		}
		at["quick"].free()
		ready, rest, err = ray.Wait(ctx, refs, 1, 0)
		if err != nil || len(ready) != 1 || ready[0] != quick || len(rest) != 1 || rest[0] != slow {
			t.Errorf("after one: %v, %v, %v", ready, rest, err)
		}
		at["slow"].free()
		ready, rest, err = ray.Wait(ctx, refs, 2, patience)
		if err != nil || len(ready) != 2 || len(rest) != 0 {
			t.Errorf("after both: %v, %v, %v", ready, rest, err)
		}
		_, _, err = ray.Wait(ctx, refs, 3, 0)
		fails(t, err, nil, "3 must be from 0 to the number of refs, 2")
	}},
}

func crosses[T any](t testing.TB, ctx ctx, v T) {
	t.Helper()
	got := must(ray.Get(ctx, must(ray.Put(ctx, v))(t)))(t)
	if f, ok := any(v).([]float64); ok && len(f) > 0 { // NaN is not equal to itself
		if g := any(got).([]float64); !math.IsNaN(g[0]) || g[1] != f[1] {
			t.Errorf("got %v, want %v", got, v)
		}
		return
	}
	if !reflect.DeepEqual(got, v) {
		t.Errorf("got %#v, want %#v", got, v)
	}
}
