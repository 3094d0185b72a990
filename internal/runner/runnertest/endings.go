package runnertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/runner"
)

func exitCodes(t *testing.T, e env) {
	for script, expect := range map[string]struct {
		state  runner.State
		reason string
		code   int
		signal string
	}{
		"true":       {runner.Completed, "", 0, ""},
		"exit 3":     {runner.Failed, "algo-1: exit code 3", 3, ""},
		"exit 137":   {runner.Failed, "algo-1: exit code 137", 137, ""},
		"kill -9 $$": {runner.Failed, "algo-1: killed by SIGKILL", 137, "SIGKILL"},
	} {
		job, status := e.run(t, shell(t, script))
		want(t, job, status, expect.state, expect.reason)
		host := status.Hosts[0]
		if *host.ExitCode != expect.code || host.Signal != expect.signal || status.Runner != e.Name() || status.MaxRuntimeExceeded {
			t.Errorf("%s: got %+v of host %+v", script, status, host)
		}
		if !status.End.After(status.Start) {
			t.Errorf("%s: ended %s, started %s", script, status.End, status.Start)
		}
	}
}

func commandThatCannotStart(t *testing.T, e env) {
	spec := shell(t, "")
	spec.Command = []string{"no-such-program-anywhere"}
	job, status := e.run(t, spec)
	want(t, job, status, runner.Failed, `"no-such-program-anywhere": executable file not found`)
	if log := read(job.LogPath("algo-1")); !strings.Contains(log, "no-such-program-anywhere") {
		t.Errorf("log %q does not say why", log)
	}
	spec = shell(t, "true")
	spec.WorkDir = "/no/such/folder"
	job, status = e.run(t, spec)
	want(t, job, status, runner.Failed, "no such file")
}

func firstFailure(t *testing.T, e env) {
	spec := shell(t, `case $SM_CURRENT_HOST in algo-2) exit 4;; *) exec sleep 1000;; esac`)
	spec.Hosts = 2
	job, status := e.run(t, spec)
	want(t, job, status, runner.Failed, "algo-2: exit code 4")
	if status.Hosts[0].Signal != "SIGTERM" {
		t.Errorf("algo-1: %+v, want it stopped", status.Hosts[0])
	}
}

func endOfFirstHost(t *testing.T, e env) {
	spec := shell(t, `case $SM_CURRENT_HOST in algo-1) exit 0;; *) exec sleep 1000;; esac`)
	spec.Hosts = 2
	job, status := e.run(t, spec)
	want(t, job, status, runner.Completed, "")
}

// lateHost: a host that works is not cut off because algo-1 was quicker.
func lateHost(t *testing.T, e env) {
	spec := shell(t, `[ $SM_CURRENT_HOST = algo-1 ] || { end=$(($(date +%s)+4)); while [ $(date +%s) -lt $end ]; do :; done; echo finished; }`)
	spec.Hosts = 2
	job, status := e.run(t, spec)
	want(t, job, status, runner.Completed, "")
	if log := read(job.LogPath("algo-2")); log != "finished\n" {
		t.Errorf("algo-2 was cut off: %q", log)
	}
}

func timeLimit(t *testing.T, e env) {
	spec := shell(t, "sleep 1000")
	spec.MaxRuntime = 100 * time.Millisecond
	job, status := e.run(t, spec)
	want(t, job, status, runner.Stopped, "limit of 100ms")
	if !status.MaxRuntimeExceeded {
		t.Error("the status does not tell")
	}
	if took := status.End.Sub(status.Start); took < spec.MaxRuntime {
		t.Errorf("it had %s", took)
	}
}

func stopGently(t *testing.T, e env) {
	spec := shell(t, `trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done`)
	spec.StopGrace = patience
	job := e.start(t, spec)
	awaitLog(t, job, "algo-1", "ready")
	if status, err := job.Status(); err != nil || status.State != runner.InProgress {
		t.Fatalf("%+v, %v", status, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if status, err := job.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) || status.State != runner.InProgress {
		t.Fatalf("wait gave %+v, %v", status, err)
	}
	for range 2 {
		if err := job.Stop(t.Context(), "the user\nasked"); err != nil {
			t.Fatal(err)
		}
	}
	status := wait(t, job)
	want(t, job, status, runner.Stopped, "the user asked")
	if !strings.Contains(read(job.LogPath("algo-1")), "saved") {
		t.Error("the command was not given its grace")
	}
	if err := job.Stop(t.Context(), "again"); err != nil {
		t.Errorf("stopping what has ended: %v", err)
	}
}

// stubborn is a script of processes that ignore SIGTERM, one of which left its parent and session.
func stubborn(mark string) string {
	return fmt.Sprintf(`trap '' TERM; (setsid sh -c 'trap "" TERM; while :; do sleep 1; : %[1]s; done' &); echo ready; while :; do sleep 1; : %[1]s; done`, mark)
}

func mark(t *testing.T) string {
	return fmt.Sprintf("mark-%d-%s", os.Getpid(), filepath.Base(t.Name()))
}

func stopStubborn(t *testing.T, e env) {
	spec := shell(t, stubborn(mark(t)))
	job := e.start(t, spec)
	awaitLog(t, job, "algo-1", "ready")
	if err := job.Stop(t.Context(), "enough"); err != nil {
		t.Fatal(err)
	}
	status := wait(t, job)
	want(t, job, status, runner.Stopped, "enough")
	if status.Hosts[0].Signal != "SIGKILL" {
		t.Errorf("%+v", status.Hosts[0])
	}
	if running(t, mark(t)) {
		t.Error("something of the job still runs")
	}
}

func leftovers(t *testing.T, e env) {
	job, status := e.run(t, shell(t, fmt.Sprintf(`setsid sh -c 'trap "" TERM; echo up; while :; do sleep 1; : %s; done' & while ! grep -q up /proc/self/fd/1; do sleep 0.01; done`, mark(t))))
	want(t, job, status, runner.Completed, "")
	if running(t, mark(t)) {
		t.Error("the daemon outlived its job")
	}
}

func supervisorKilled(t *testing.T, e env) {
	spec := shell(t, stubborn(mark(t)))
	spec.Hosts = 2
	job := e.start(t, spec)
	for n := range 2 {
		awaitLog(t, job, runner.HostName(n+1), "ready")
	}
	running1, err := job.Status()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(running1.SupervisorPID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	status := wait(t, job)
	want(t, job, status, runner.Failed, "the job's supervisor died")
	if running(t, mark(t)) {
		t.Error("something of the job still runs")
	}
	again, err := e.Attach(t.Context(), spec.Dir)
	if err != nil {
		t.Fatal(err)
	}
	want(t, again, wait(t, again), runner.Failed, "the job's supervisor died")
	if _, err := e.Start(t.Context(), spec); !errors.Is(err, runner.ErrStarted) {
		t.Errorf("starting it again: %v", err)
	}
}
