package endpoints_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/endpoints"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
)

// hammer asks endpoint e without a pause until the returned function is called, which gives the number of answers. No request may fail.
func hammer(t *testing.T, e *platformtest.Env, s *endpoints.Service) func() int64 {
	var done atomic.Int64
	ctx, cancel := context.WithCancel(e.Ctx)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ; ctx.Err() == nil; time.Sleep(time.Millisecond) { // hosts are to start beside it
				if x, err := ask(e, s, "e", "100"); err != nil || x < 90 {
					t.Errorf("%v, %v", x, err)
				}
				done.Add(1)
			}
		})
	}
	return func() int64 { cancel(); wg.Wait(); return done.Load() }
}

func counts(t *testing.T, d *awsapi.DescribeEndpointOutput, current, desired int32) {
	t.Helper()
	if v := d.ProductionVariants[0]; *v.CurrentInstanceCount != current || *v.DesiredInstanceCount != desired {
		t.Errorf("%d instances of %d, want %d of %d; %s", *v.CurrentInstanceCount, *v.DesiredInstanceCount, current, desired, awsapi.Val(d.FailureReason))
	}
}

// A variant has as many hosts as it has instances. Neither a death nor another number of them loses a request.
func TestInstances(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := platformtest.Open(t, dir)
	s := newRoom(t, e, runner.Auto)
	define(t, e, s, "one", archive(t, map[string][]byte{"xgboost-model": trained(t, 1)}))
	configured := func(name string, n int32) error {
		if _, err := s.CreateEndpointConfig(e.Ctx, &awsapi.CreateEndpointConfigInput{EndpointConfigName: &name, ProductionVariants: []awsapi.ProductionVariant{
			{VariantName: new("v"), ModelName: new("one"), InstanceType: new("ml.m5.large"), InitialInstanceCount: &n}}}); err != nil {
			t.Fatal(err)
		}
		_, err := s.CreateEndpoint(e.Ctx, &awsapi.CreateEndpointInput{EndpointName: new("e"), EndpointConfigName: &name})
		return err
	}
	if err := configured("many", 2000000000); !awsapi.IsCode(err, "ResourceLimitExceeded") {
		t.Errorf("too many instances: %v", err)
	}
	if err := configured("three", 3); err != nil {
		t.Fatal(err)
	}
	counts(t, settled(t, e, s, "e"), 3, 3)
	if n := len(workers(t, dir)); n != 3 {
		t.Fatalf("%d hosts for 3 instances", n)
	}
	stop := hammer(t, e, s)
	before := workers(t, dir)
	if err := syscall.Kill(before[1], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	platformtest.Eventually(t, "the host that died is replaced", func() bool {
		now := workers(t, dir)
		return len(now) == 3 && !slices.Contains(now, before[1])
	})
	scale := func(n int32) (*awsapi.UpdateEndpointWeightsAndCapacitiesOutput, error) {
		return s.UpdateEndpointWeightsAndCapacities(e.Ctx, &awsapi.UpdateEndpointWeightsAndCapacitiesInput{EndpointName: new("e"),
			DesiredWeightsAndCapacities: []awsapi.DesiredWeightAndCapacity{{VariantName: new("v"), DesiredInstanceCount: &n}}})
	}
	stays := workers(t, dir)
	for _, n := range []int32{1, 2} {
		if _, err := scale(n); err != nil {
			t.Fatal(err)
		}
		counts(t, settled(t, e, s, "e"), n, n)
		platformtest.Eventually(t, "the hosts that are too many are gone", func() bool { return len(workers(t, dir)) == int(n) })
	}
	if now := workers(t, dir); !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(stays, pid) }) {
		t.Errorf("no host stayed: %v were, %v are", stays, now)
	}
	for n, code := range map[int32]string{0: "ValidationException", 17: "ResourceLimitExceeded"} {
		if _, err := scale(n); !awsapi.IsCode(err, code) {
			t.Errorf("%d instances: %v", n, err)
		}
	}
	t.Logf("%d requests", stop())

	before = workers(t, dir)
	s.Stop()
	e.Close()
	e = platformtest.Open(t, dir)
	defer e.Close()
	s = openRoom(t, e, runner.Auto)
	defer func() { end(t, e, s) }()
	if _, err := scale(1); err != nil { // which this server begins to heed when it has no host in its hands
		t.Fatal(err)
	}
	if err := e.Engine.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	counts(t, settled(t, e, s, "e"), 1, 1)
	if _, err := ask(e, s, "e", "100"); err != nil {
		t.Error(err)
	}
	platformtest.Eventually(t, "one host is left of two", func() bool { return len(workers(t, dir)) == 1 })
	if now := workers(t, dir); !slices.Contains(before, now[0]) {
		t.Errorf("after a restart %v serves, before it %v did", now, before)
	}
}

// Requests go to all hosts of a variant.
func TestRequestsAreSpread(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto)
	defer end(t, e, s)
	names := "import uuid\ndef model_fn(d):\n    return uuid.uuid4().hex\ndef transform_fn(model, *rest):\n    return model\n"
	configure(t, e, s, "m", func(in *awsapi.CreateEndpointConfigInput) {
		in.ProductionVariants[0].InitialInstanceCount = new(int32(2))
	}, scripted(t, e, "m", names, "1"))
	create(t, e, s, "e", "m")
	seen := map[string]int{}
	for range 20 {
		name, err := text(e, s, "e", "1")
		if err != nil {
			t.Fatal(err)
		}
		seen[name]++
	}
	if len(seen) != 2 {
		t.Fatalf("2 hosts answered as %v", seen)
	}
	for name, n := range seen {
		if n < 5 {
			t.Errorf("host %s had %d of 20 requests", name, n)
		}
	}
}
