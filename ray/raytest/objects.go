package raytest

import (
	"context"
	"runtime"
	"testing"

	"github.com/mobula-ml/mobula/ray"
)

type ctx = context.Context

func small(o *ray.Options) { o.ObjectStoreMemory = 1 << 20 }

var objectCases = []suiteCase{
	{"AReferenceInAResultKeepsItsValue", func(t *testing.T, e env) {
		ctx := e.start(t, 1)
		b := must(ray.Get(ctx, must(makeRef.Call(ctx, 42))(t)))(t)
		runtime.GC()
		equal(t, must(ray.Get(ctx, b.Inner["n"]))(t), 42)
		equal(t, must(ray.Get(ctx, must(open.Call(ctx, b))(t)))(t), 42)
		whole := must(ray.Put(ctx, b))(t)
		equal(t, must(ray.Get(ctx, must(open.CallWith(ctx, whole))(t)))(t), 42)
	}},
	{"TheStoreForgetsWhatNobodyRefersTo", func(t *testing.T, e env) {
		ctx := e.start(t, 1, small)
		for range 40 {
			must(ray.Put(ctx, make([]byte, 300<<10)))(t)
		}
		for range 10 {
			r := must(zeros.Call(ctx, 300<<10))(t)
			equal(t, len(must(ray.Get(ctx, r))(t)), 300<<10)
		}
	}},
	{"AFullStoreSaysSo", func(t *testing.T, e env) {
		ctx := e.start(t, 1, small)
		one := must(ray.Put(ctx, make([]byte, 900<<10)))(t)
		_, err := ray.Put(ctx, make([]byte, 200<<10))
		fails(t, err, ray.ErrStoreFull, "ray.Put", "204801 bytes do not fit, 921601 of 1048576 are in use")
		_, err = zeros.CallWith(ctx, must(ray.Put(ctx, 1))(t))
		fails(t, err, nil)
		_, err = ray.Get(ctx, must(zeros.Call(ctx, 200<<10))(t))
		fails(t, err, ray.ErrStoreFull, "task raytest.zeros")
		if err := ray.Free(ctx, one); err != nil {
			t.Error(err)
		}
		two := must(ray.Put(ctx, make([]byte, 900<<10)))(t)
		_, err = ray.Get(ctx, one)
		fails(t, err, ray.ErrFreed)
		equal(t, len(must(ray.Get(ctx, two))(t)), 900<<10)
	}},
	{"WhatIsNoReferenceIsRefused", func(t *testing.T, e env) {
		ctx, other := e.start(t, 1), e.start(t, 1)
		_, err := ray.Get(ctx, ray.Ref[int]{})
		fails(t, err, nil, "the ref is empty")
		r := must(ray.Put(other, 1))(t)
		_, err = ray.Get(ctx, r)
		fails(t, err, nil, "belongs to another engine")
		_, err = ray.Get(context.Background(), r)
		fails(t, err, ray.ErrNoSession)
		_, err = ray.Put(ctx, func() {})
		fails(t, err, nil, "ray.Put: a value of type func() cannot be sent")
	}},
}
