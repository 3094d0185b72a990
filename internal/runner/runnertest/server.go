package runnertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/runner"
)

func serverRestarts(t *testing.T, e env) {
	spec := shell(t, `echo ready; while [ ! -e $WAIT_FOR ]; do sleep 0.01; done; exit 5`)
	spec.Env = map[string]string{"WAIT_FOR": "/opt/ml/go"}
	data, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "spec.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if said, err := exec.CommandContext(t.Context(), self, "runnertest-start", e.Name(), file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	job, err := e.Attach(t.Context(), spec.Dir) // that process is gone
	if err != nil {
		t.Fatal(err)
	}
	awaitLog(t, job, "algo-1", "ready")
	if _, err := e.Start(t.Context(), spec); !errors.Is(err, runner.ErrStarted) {
		t.Errorf("starting it again: %v", err)
	}
	if err := os.WriteFile(filepath.Join(runner.HostDir(spec.Dir, 1), "ml/go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	want(t, job, wait(t, job), runner.Failed, "algo-1: exit code 5")
	if err := job.Remove(); err != nil {
		t.Error(err)
	}
}

func notStarted(t *testing.T, e env) {
	spec := shell(t, "true")
	if _, err := e.Attach(t.Context(), spec.Dir); !errors.Is(err, runner.ErrNotStarted) {
		t.Errorf("no folder: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(runner.HostDir(spec.Dir, 1), "ml/input"), 0o755); err != nil {
		t.Fatal(err)
	}
	// What a server leaves that dies after it took the lock, before there is a supervisor that has its order.
	for _, name := range []string{"lock", "control.sock", "supervisor.log"} {
		if err := os.WriteFile(filepath.Join(spec.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Attach(t.Context(), spec.Dir); !errors.Is(err, runner.ErrNotStarted) {
		t.Errorf("a folder that was only written: %v", err)
	}
	job, status := e.run(t, spec)
	want(t, job, status, runner.Completed, "")
}

func dial(t *testing.T, e env) {
	spec := shell(t, "")
	spec.Hosts = 2
	spec.Command = []string{"mobula", "runnertest-serve"}
	job := e.start(t, spec)
	for _, host := range []string{"algo-2", "algo-1"} {
		var conn net.Conn
		await(t, host+" serves", func() (ok bool) {
			var err error
			conn, err = job.Dial(t.Context(), host, runner.ServePort)
			return err == nil
		})
		fmt.Fprintf(conn, "GET /ping HTTP/1.0\r\n\r\n")
		answer, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || !strings.Contains(string(answer), host+" served /ping") {
			t.Errorf("%q, %v", answer, err)
		}
	}
	if _, err := job.Dial(t.Context(), "algo-3", 8080); err == nil || !strings.Contains(err.Error(), `"algo-3" is not one of algo-1 to algo-2`) {
		t.Errorf("a host that is not there: %v", err)
	}
	if _, err := job.Dial(t.Context(), "algo-1", 1); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a port where nobody listens: %v", err)
	}
}

func platform(t *testing.T, e env) {
	spec := shell(t, "")
	spec.PlatformSocket = filepath.Join(t.TempDir(), "platform.sock")
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "platform says", r.URL.Path) })
	if e.Isolated {
		// The server is not there when the job asks, as while it restarts; and then it restarts.
		spec.Command = []string{"sh", "-c", "echo asking; mobula runnertest-fetch $0/one; while [ ! -e /opt/ml/go ]; do sleep 0.01; done; echo again; mobula runnertest-fetch $0/two",
			e.PlatformURL()}
		job := e.start(t, spec)
		serve := func() *http.Server {
			listener, err := runner.ListenForHosts(spec.PlatformSocket)
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: handler}
			go server.Serve(listener)
			return server
		}
		awaitLog(t, job, "algo-1", "asking")
		server := serve()
		awaitLog(t, job, "algo-1", "/one")
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(runner.HostDir(spec.Dir, 1), "ml/go"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		awaitLog(t, job, "algo-1", "again")
		defer serve().Close()
		want(t, job, wait(t, job), runner.Completed, "")
		if log := read(job.LogPath("algo-1")); log != "asking\nplatform says /one\nagain\nplatform says /two\n" {
			t.Error(log)
		}
		return
	}
	server := &http.Server{Handler: handler}
	listener, err := net.Listen("tcp", strings.TrimPrefix(e.PlatformURL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	defer server.Close()
	spec.Command = []string{"mobula", "runnertest-fetch", e.PlatformURL() + "/one"}
	job, status := e.run(t, spec)
	want(t, job, status, runner.Completed, "")
	if log := read(job.LogPath("algo-1")); log != "platform says /one\n" {
		t.Error(log)
	}
}
