package runnertest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/runner"
)

func hostLogs(t *testing.T, e env) {
	spec := shell(t, `echo "out of $SM_CURRENT_HOST"; echo "err of $SM_CURRENT_HOST in $SM_HOSTS" >&2`)
	spec.Hosts = 3
	spec.Command = append(spec.Command[:2], spec.Command[2]+`; [ $SM_CURRENT_HOST != algo-1 ] || sleep 0.3`) // the others end before
	job, status := e.run(t, spec)
	want(t, job, status, runner.Completed, "")
	for n := range 3 {
		host := runner.HostName(n + 1)
		expect := fmt.Sprintf("out of %[1]s\nerr of %[1]s in [\"algo-1\",\"algo-2\",\"algo-3\"]\n", host)
		if log := read(job.LogPath(host)); log != expect {
			t.Errorf("%s: got %q, want %q", host, log, expect)
		}
	}
}

func hostNames(t *testing.T, e env) {
	address := "algo-2:8080"
	if !e.Isolated { // names do not resolve, and the runner says so
		if !strings.Contains(strings.Join(e.Notes(), " "), "do not resolve") {
			t.Errorf("notes: %q", e.Notes())
		}
		address = `$(echo $MOBULA_HOST_ADDRESSES | tr , '\n' | sed -n s/algo-2=//p)`
	}
	spec := shell(t, `case $SM_CURRENT_HOST in algo-1) exec mobula runnertest-fetch http://`+address+`/x;; *) exec mobula runnertest-serve;; esac`)
	spec.Hosts = 2
	job, status := e.run(t, spec)
	want(t, job, status, runner.Completed, "")
	if log := read(job.LogPath("algo-1")); log != "algo-2 served /x\n" {
		t.Error(log)
	}
}

func mounts(t *testing.T, e env) {
	spec := shell(t, "")
	spec.Hosts = 2
	dir := t.TempDir()
	for name, text := range map[string]string{"data/a/b.csv": "1,2\n", "one.txt": "one\n", "two.txt": "two\n", "kept/x": "x\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	spec.Mounts = []runner.Mount{
		{Source: filepath.Join(dir, "data"), Target: "/opt/ml/input/data/train", ReadOnly: true},
		{Source: filepath.Join(dir, "one.txt"), Target: "/opt/ml/input/config/which", ReadOnly: true, Host: 1},
		{Source: filepath.Join(dir, "two.txt"), Target: "/opt/ml/input/config/which", ReadOnly: true, Host: 2},
		{Source: filepath.Join(dir, "kept"), Target: "/opt/ml/checkpoints"},
	}
	script := `cat $0/input/data/train/a/b.csv $0/input/config/which; cat $0/checkpoints/x; echo $SM_CURRENT_HOST > $0/checkpoints/$SM_CURRENT_HOST
rm -f $0/input/data/train/a/b.csv 2>/dev/null; [ $SM_CURRENT_HOST = algo-2 ] || while [ ! -s $0/checkpoints/algo-2 ]; do sleep 0.01; done`
	if e.Isolated {
		spec.Mounts = append(spec.Mounts, runner.Mount{Source: filepath.Join(dir, "data"), Target: "/data/new/place", ReadOnly: true},
			runner.Mount{Source: filepath.Join(dir, "one.txt"), Target: "/usr/local/etc/mobula-test/one.txt", ReadOnly: true})
		script += "\ncat /data/new/place/a/b.csv /usr/local/etc/mobula-test/one.txt >/dev/null || exit 7; if echo x 2>/dev/null > /opt/ml/input/data/train/new; then exit 8; fi; if echo x 2>/dev/null > /data/new/place/new; then exit 9; fi"
	}
	spec.Command = []string{"sh", "-c", script, "/opt/ml"}
	job, status := e.run(t, spec)
	want(t, job, status, runner.Completed, "")
	for host, own := range map[string]string{"algo-1": "one", "algo-2": "two"} {
		if log := read(job.LogPath(host)); log != "1,2\n"+own+"\nx\n" {
			t.Errorf("%s: %q", host, log)
		}
		if text := read(filepath.Join(dir, "kept", host)); text != host+"\n" {
			t.Errorf("what %s wrote: %q", host, text)
		}
	}
	if text := read(filepath.Join(dir, "data/a/b.csv")); text != "1,2\n" {
		t.Errorf("the read-only source changed: %q", text)
	}
}

func manyJobs(t *testing.T, e env) {
	var all sync.WaitGroup
	for i := range 20 {
		spec := shell(t, fmt.Sprintf("echo %d > /opt/ml/number; echo %d", i, i))
		if !e.Isolated {
			spec.Command[2] = fmt.Sprintf("echo %d", i)
		}
		job := e.start(t, spec)
		all.Go(func() {
			status := wait(t, job)
			if status.State != runner.Completed || read(job.LogPath("algo-1")) != fmt.Sprintln(i) {
				t.Errorf("job %d: %+v, log %q", i, status, read(job.LogPath("algo-1")))
			}
		})
	}
	all.Wait()
}

func memoryLimit(t *testing.T, e env) {
	spec := shell(t, "")
	spec.MemoryBytes = 96 << 20
	spec.Command = []string{"sh", "-c", "mobula runnertest-allocate 33554432; echo small $?; mobula runnertest-allocate 536870912; echo large $?; exit 6"}
	job, status := e.run(t, spec)
	if !e.Limits { // and the runner says so
		want(t, job, status, runner.Failed, "exit code 6")
		if !strings.Contains(strings.Join(e.Notes(), " "), "limits of an instance type are not applied") {
			t.Errorf("notes: %q", e.Notes())
		}
		return
	}
	want(t, job, status, runner.Failed, "out of memory, the host has 100663296 bytes")
	if !status.Hosts[0].OutOfMemory {
		t.Errorf("%+v", status.Hosts[0])
	}
}

func remove(t *testing.T, e env) {
	spec := shell(t, `cd $MOBULA_TEST_ML; mkdir -p a/b; echo x > a/b/c; chmod 0 a/b/c; chmod 0500 a/b a; touch $HOME/.x; mkdir -p /tmp/y; echo ready; sleep 1000`)
	spec.Env = map[string]string{"MOBULA_TEST_ML": "/opt/ml"}
	job := e.start(t, spec)
	awaitLog(t, job, "algo-1", "ready")
	if err := job.Remove(); !errors.Is(err, runner.ErrRunning) {
		t.Errorf("while it runs: %v", err)
	}
	if table := read("/proc/self/mountinfo"); strings.Contains(table, spec.Dir) {
		t.Errorf("the machine sees mounts of the job: %s", table)
	}
	if err := job.Stop(t.Context(), "enough"); err != nil {
		t.Fatal(err)
	}
	wait(t, job)
	if err := job.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(spec.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	if _, err := e.Attach(t.Context(), spec.Dir); !errors.Is(err, runner.ErrNotStarted) {
		t.Errorf("attach: %v", err)
	}
}

func longLog(t *testing.T, e env) {
	spec := shell(t, `echo begin; head -c 200000 /dev/zero | tr '\0' x; echo; echo end`)
	spec.LogLimitBytes = 10000
	job, status := e.run(t, spec)
	want(t, job, status, runner.Completed, "")
	log := read(job.LogPath("algo-1"))
	if len(log) > 10200 || !strings.HasPrefix(log, "begin\n") || !strings.HasSuffix(log, "\nmobula: the log is cut here, at its limit of 10000 bytes\n") {
		t.Errorf("%d bytes, ending %q", len(log), log[max(0, len(log)-100):])
	}
}

func wrongSpec(t *testing.T, e env) {
	good := shell(t, "true")
	for message, change := range map[string]func(*runner.Spec){
		"Dir job: must be an absolute path":       func(s *runner.Spec) { s.Dir = "job" },
		"Hosts 0: must be 1 to 100":               func(s *runner.Spec) { s.Hosts = 0 },
		"Command []: must name a program":         func(s *runner.Spec) { s.Command = nil },
		`Env "A=B": must have a name without '='`: func(s *runner.Spec) { s.Env = map[string]string{"A=B": "c"} },
		"WorkDir code: must be an absolute path":  func(s *runner.Spec) { s.WorkDir = "code" },
		"MaxRuntime -1: must not be negative":     func(s *runner.Spec) { s.MaxRuntime = -1 * time.Nanosecond },
		"Mounts[0].Source /no/such: must exist":   func(s *runner.Spec) { s.Mounts = []runner.Mount{{Source: "/no/such", Target: "/opt/ml/x"}} },
		"Mounts[0] /etc at /: must have":          func(s *runner.Spec) { s.Mounts = []runner.Mount{{Source: "/etc", Target: "/"}} },
		"Mounts[0].Host 2: must be 0 to 1":        func(s *runner.Spec) { s.Mounts = []runner.Mount{{Source: "/etc", Target: "/opt/ml/x", Host: 2}} },
		"MemoryBytes -5: must not be negative":    func(s *runner.Spec) { s.MemoryBytes = -5 },
	} {
		spec := good
		change(&spec)
		if _, err := e.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("got %v, want %s", err, message)
		}
	}
	if _, err := os.Lstat(good.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("a refused job left something behind")
	}
}
