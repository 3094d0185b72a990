package ray_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/mobula-ml/mobula/ray"
)

// Functions and actor types are registered in package variables: a worker is the same program and finds them by name.
var (
	square = ray.Func("example.square", func(_ context.Context, n int) (int, error) { return n * n, nil })

	total = ray.Func("example.total", func(ctx context.Context, parts []ray.Ref[int]) (int, error) {
		values, err := ray.GetAll(ctx, parts) // lends this task's CPU to the parts meanwhile
		sum := 0
		for _, v := range values {
			sum += v
		}
		return sum, err
	})

	fail = ray.Func("example.fail", func(context.Context, string) (int, error) { return 0, errors.New("no such file") })
)

type account struct{ balance int }

func (a *account) Deposit(_ context.Context, n int) (int, error) {
	a.balance += n
	return a.balance, nil
}

var (
	accounts = ray.Actor("example.account", func(_ context.Context, start int) (*account, error) { return &account{start}, nil })
	deposit  = ray.Method(accounts, "deposit", (*account).Deposit)
)

func Example() {
	ctx, err := ray.Init(context.Background(), ray.Options{Address: "local", NumCPUs: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ray.Shutdown(ctx)

	var parts []ray.Ref[int]
	for n := range 4 {
		part, err := square.Call(ctx, n, ray.CPUs(0.5)) // two of them at a time
		if err != nil {
			fmt.Println(err)
			return
		}
		parts = append(parts, part)
	}
	sum, err := total.Call(ctx, parts)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ray.Get(ctx, sum))
	// Output: 14 <nil>
}

func ExampleActor() {
	ctx, err := ray.Init(context.Background(), ray.Options{Address: "local"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ray.Shutdown(ctx)

	a, err := accounts.New(ctx, 100, ray.CPUs(0.5), ray.Name("savings"))
	if err != nil {
		fmt.Println(err)
		return
	}
	var last ray.Ref[int]
	for range 3 {
		if last, err = deposit.Call(ctx, a, 10); err != nil { // one after the other, in this order
			fmt.Println(err)
			return
		}
	}
	fmt.Println(ray.Get(ctx, last))
	// Output: 130 <nil>
}

func ExampleTaskError() {
	ctx, err := ray.Init(context.Background(), ray.Options{Address: "local"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ray.Shutdown(ctx)

	ref, err := fail.Call(ctx, "data.csv")
	if err != nil {
		fmt.Println(err) // it could not be started
		return
	}
	_, err = ray.Get(ctx, ref)
	fmt.Println(err)
	if task, ok := errors.AsType[*ray.TaskError](err); ok {
		fmt.Println(task.Function, "ran", task.Attempts, "time")
	}
	// Output:
	// task example.fail on a goroutine: no such file
	// example.fail ran 1 time
}
