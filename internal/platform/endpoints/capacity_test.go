package endpoints_test

import (
	"context"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
)

// A transform job waits for its turn like other jobs, unless a job that runs made it. One that waits can be stopped.
func TestTransformJobsWaitTheirTurn(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	machine := capacity.New(2, 64<<30)
	end := machine.Force(capacity.Need{CPUs: 2}) // a training job
	s, j := newTransformsOn(t, e, machine)
	defer s.Stop()
	modelOf(t, e, s, "m", scripted(t, e, "m", times, "2"))
	put(t, e, "in/a.csv", []byte("1\n2\n"))
	made := identity.From(e.Ctx)
	made.JobARN = "arn:job"
	for name, ctx := range map[string]context.Context{"waits": e.Ctx, "stopped": e.Ctx, "made": identity.With(e.Ctx, made)} {
		if _, err := j.CreateTransformJob(ctx, request(name, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if d := ended(t, e, j, "made"); *d.TransformJobStatus != "Completed" {
		t.Errorf("a job that a running one made: %s, %s", *d.TransformJobStatus, awsapi.Val(d.FailureReason))
	}
	if err := j.StopTransformJob(e.Ctx, &awsapi.StopTransformJobRequest{TransformJobName: new("stopped")}); err != nil {
		t.Fatal(err)
	}
	if d := ended(t, e, j, "stopped"); *d.TransformJobStatus != "Stopped" || d.TransformStartTime != nil {
		t.Errorf("a job that was stopped while it waited: %s, started %v", *d.TransformJobStatus, d.TransformStartTime)
	}
	d, err := j.DescribeTransformJob(e.Ctx, &awsapi.DescribeTransformJobRequest{TransformJobName: new("waits")})
	if err != nil || *d.TransformJobStatus != "InProgress" || d.TransformStartTime != nil {
		t.Errorf("a job that waits: %v, %v", d, err)
	}
	end()
	if d := ended(t, e, j, "waits"); *d.TransformJobStatus != "Completed" || d.TransformStartTime == nil {
		t.Errorf("a job whose turn came: %s, %s", *d.TransformJobStatus, awsapi.Val(d.FailureReason))
	}
}

// An endpoint does not wait for jobs. Its memory is counted while it is there, also by the next server.
func TestEndpointsAreCounted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	counted := func(m *capacity.Machine) bool { // beside another, a job of the machine's memory but an endpoint's has to wait
		defer m.Force(capacity.Need{})()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		release, err := m.Take(ctx, capacity.Need{Memory: 12 << 30}, nil, func() error { cancel(); return nil })
		if err == nil {
			release()
		}
		return err != nil
	}
	for start := range 2 {
		e := platformtest.Open(t, dir)
		machine := capacity.New(2, 16<<30)
		busy := machine.Force(capacity.Need{CPUs: 2})
		s := openRoomOn(t, e, runner.Auto, machine)
		if start == 0 {
			if err := e.Engine.Start(e.Ctx); err != nil {
				t.Fatal(err)
			}
			define(t, e, s, "one", archive(t, map[string][]byte{"xgboost-model": trained(t, 1)}))
			create(t, e, s, "e", "one")
		}
		busy()
		if !counted(machine) {
			t.Errorf("start %d: the endpoint takes no part of the machine", start)
		}
		if start == 1 {
			if err := e.Engine.Start(e.Ctx); err != nil {
				t.Fatal(err)
			}
			end(t, e, s)
			if counted(machine) {
				t.Error("an endpoint that is gone is counted")
			}
		} else {
			s.Stop()
		}
		e.Close()
	}
}
