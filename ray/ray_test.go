package ray_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/ray"
)

func TestWrongOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for says, o := range map[string]ray.Options{
		`address "ray://head:10001" is not supported: this program has the embedded engine only, address "local"`: {Address: "ray://head:10001"},
		`isolation "threads" must be "goroutines" or "processes"`:                                                 {Isolation: "threads"},
		"resource gpu: -1 must be from 0":                                                                         {Resources: map[string]float64{"gpu": -1}},
		"resource CPU is given by NumCPUs":                                                                        {Resources: map[string]float64{"CPU": 1}},
		"resource CPU: 0.00005 must be a multiple of 0.0001":                                                      {NumCPUs: 0.00005},
		"object store memory -1":                                                                                  {ObjectStoreMemory: -1},
	} {
		if o.Address == "" {
			o.Address = "local"
		}
		if _, err := ray.Init(t.Context(), o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %s", err, says)
		}
	}
}

func TestRayAddressChoosesTheEngine(t *testing.T) {
	t.Setenv("RAY_ADDRESS", "10.0.0.1:6379")
	if _, err := ray.Init(t.Context(), ray.Options{}); err == nil || !strings.Contains(err.Error(), `address "10.0.0.1:6379" is not supported`) {
		t.Errorf("got %v", err)
	}
	t.Setenv("RAY_ADDRESS", "local")
	ctx, err := ray.Init(t.Context(), ray.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := ray.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestANameIsRegisteredOnce(t *testing.T) {
	t.Parallel()
	defer func() {
		if p := fmt.Sprint(recover()); !strings.Contains(p, `the name "example.square" is registered twice`) {
			t.Errorf("got %s", p)
		}
	}()
	ray.Func("example.square", func(context.Context, int) (int, error) { return 0, nil })
}

// stubborn goes on until the test says so, whatever its context does.
var release = make(chan struct{})

var stubborn = ray.Func("test.stubborn", func(context.Context, struct{}) (struct{}, error) { <-release; return struct{}{}, nil })

func TestShutdownNamesWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	ctx, err := ray.Init(context.Background(), ray.Options{Address: "local", NumCPUs: 1, ShutdownGrace: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stubborn.Call(ctx, struct{}{}); err != nil {
		t.Fatal(err)
	}
	if err := ray.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "still running although their context has ended: test.stubborn") {
		t.Errorf("got %v", err)
	}
	release <- struct{}{}
}

// nested runs an engine with a worker of its own and has that connect to an address.
var (
	connect = ray.Func("test.connect", func(_ context.Context, address string) (int, error) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return 0, err
		}
		fmt.Fprintln(c, os.Getpid(), os.Getppid())
		_, err = io.Copy(io.Discard, c)
		return 0, err
	})
	nested = ray.Func("test.nested", func(_ context.Context, address string) (int, error) {
		ctx, err := ray.Init(context.Background(), ray.Options{Address: "local", Isolation: ray.Processes})
		if err != nil {
			return 0, err
		}
		r, err := connect.Call(ctx, address)
		if err != nil {
			return 0, err
		}
		return ray.Get(ctx, r)
	})
)

func TestAWorkerEndsWithItsProgram(t *testing.T) {
	t.Parallel()
	ctx, err := ray.Init(context.Background(), ray.Options{Address: "local", NumCPUs: 1, Isolation: ray.Processes, Output: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	defer ray.Shutdown(ctx)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := nested.Call(ctx, l.Addr().String(), ray.Retries(0)); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var worker, program int
	if _, err := fmt.Fscan(c, &worker, &program); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(program, syscall.SIGKILL); err != nil { // the program that has the worker, without a chance to say goodbye
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("worker %d outlived its program: %v", worker, err)
	}
}
