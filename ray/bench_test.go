package ray_test

import (
	"context"
	"testing"

	"github.com/mobula-ml/mobula/ray"
)

func engineFor(b *testing.B, isolation ray.Isolation) context.Context {
	ctx, err := ray.Init(context.Background(), ray.Options{Address: "local", Isolation: isolation})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ray.Shutdown(ctx) })
	return ctx
}

var isolations = []ray.Isolation{ray.Goroutines, ray.Processes}

// BenchmarkActorCall is one call of an actor and its result, one after the other.
func BenchmarkActorCall(b *testing.B) {
	for _, i := range isolations {
		b.Run(string(i), func(b *testing.B) {
			ctx := engineFor(b, i)
			a, err := accounts.New(ctx, 0)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				r, err := deposit.Call(ctx, a, 1)
				if err == nil {
					_, err = ray.Get(ctx, r)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTask is one task and its result, a thousand at a time.
func BenchmarkTask(b *testing.B) {
	for _, i := range isolations {
		b.Run(string(i), func(b *testing.B) {
			ctx := engineFor(b, i)
			var refs []ray.Ref[int]
			for b.Loop() {
				r, err := square.Call(ctx, 3)
				if err != nil {
					b.Fatal(err)
				}
				if refs = append(refs, r); len(refs) == 1000 {
					if _, err := ray.GetAll(ctx, refs); err != nil {
						b.Fatal(err)
					}
					refs = refs[:0]
				}
			}
			if _, err := ray.GetAll(ctx, refs); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkPutGet is a megabyte of numbers into the store and out again.
func BenchmarkPutGet(b *testing.B) {
	ctx := engineFor(b, ray.Goroutines)
	v := make([]float64, 1<<17)
	b.SetBytes(1 << 20)
	for b.Loop() {
		r, err := ray.Put(ctx, v)
		if err == nil {
			_, err = ray.Get(ctx, r)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
