package runnertest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/runner"
)

// Traits are the promises that only some runners can keep.
type Traits struct {
	// Isolated: hosts have file systems, networks and names of their own.
	Isolated bool
	// Limits: memory and processors can be limited on this machine.
	Limits bool
}

// Run proves a runner, case by case, in parallel.
func Run(t *testing.T, r runner.Runner, traits Traits) {
	for name, test := range map[string]func(*testing.T, env){
		"exit codes":                    exitCodes,
		"command that cannot start":     commandThatCannotStart,
		"each host has its log":         hostLogs,
		"hosts know one another":        hostNames,
		"first failure names the job's": firstFailure,
		"idle hosts end with algo-1":    endOfFirstHost,
		"working hosts outlive algo-1":  lateHost,
		"time limit":                    timeLimit,
		"stop lets the command finish":  stopGently,
		"stop ends stubborn daemons":    stopStubborn,
		"daemons end with the command":  leftovers,
		"supervisor killed":             supervisorKilled,
		"server dies and comes back":    serverRestarts,
		"server dies before the start":  notStarted,
		"mounts":                        mounts,
		"dial":                          dial,
		"twenty jobs at once":           manyJobs,
		"memory limit":                  memoryLimit,
		"platform":                      platform,
		"outside":                       outside,
		"environment":                   environment,
		"isolation":                     isolation,
		"root of its own":               ownRoot,
		"remove":                        remove,
		"long log":                      longLog,
		"wrong spec":                    wrongSpec,
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			test(t, env{r, traits})
		})
	}
}

// env is what a case needs.
type env struct {
	runner.Runner
	Traits
}

// patience is for what must happen, on however busy a machine.
const patience = 60 * time.Second

// shell is a spec whose hosts run a script. Each host's /opt/ml is there.
func shell(t *testing.T, script string) runner.Spec {
	t.Helper()
	return runner.Spec{Name: "test", Dir: filepath.Join(t.TempDir(), "job"), Hosts: 1, Command: []string{"sh", "-c", script},
		StopGrace: 300 * time.Millisecond}
}

// start starts a job and ends it with the test.
func (e env) start(t *testing.T, spec runner.Spec) runner.Job {
	t.Helper()
	job, err := e.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := os.Stat(spec.Dir); err != nil {
			return // the test removed it
		}
		if err := job.Stop(ctx, "the test is over"); err != nil {
			t.Error(err)
		}
		if _, err := job.Wait(ctx); err != nil {
			t.Error(err)
		}
		if err := job.Remove(); err != nil {
			t.Error(err)
		}
	})
	return job
}

func wait(t *testing.T, job runner.Job) runner.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	status, err := job.Wait(ctx)
	if err != nil {
		t.Fatalf("%v, status %+v, supervisor: %s", err, status, read(filepath.Join(job.Dir(), "supervisor.log")))
	}
	return status
}

func (e env) run(t *testing.T, spec runner.Spec) (runner.Job, runner.Status) {
	t.Helper()
	job := e.start(t, spec)
	return job, wait(t, job)
}

// want fails unless the job ended in state with a reason that contains text.
func want(t *testing.T, job runner.Job, status runner.Status, state runner.State, text string) {
	t.Helper()
	if status.State != state || !strings.Contains(status.Reason, text) {
		t.Fatalf("got %s %q, want %s %q; supervisor: %s; algo-1: %s", status.State, status.Reason, state, text,
			read(filepath.Join(job.Dir(), "supervisor.log")), read(job.LogPath("algo-1")))
	}
}

func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// await looks every few milliseconds for what another process will do.
func await(t *testing.T, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !there(); time.Sleep(3 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %s", what, patience)
		}
	}
}

// awaitLog waits until the host printed text.
func awaitLog(t *testing.T, job runner.Job, host, text string) {
	t.Helper()
	await(t, host+" prints "+text, func() bool {
		there := strings.Contains(read(job.LogPath(host)), text)
		if status, err := job.Status(); !there && err == nil && status.State.Final() && !strings.Contains(read(job.LogPath(host)), text) {
			t.Fatalf("%s %q before %s printed %q: %s", status.State, status.Reason, host, text, read(job.LogPath(host)))
		}
		return there
	})
}

// running tells whether some process of the machine has mark in its command line.
func running(t *testing.T, mark string) bool {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), mark) {
			return true
		}
	}
	return false
}
