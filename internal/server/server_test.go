package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/scriptmode"
	"github.com/mobula-ml/mobula/internal/server"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/wire/wiretest"
)

func TestMain(m *testing.M) {
	if runner.Main(os.Args[1:]) || builtin.Main(os.Args) || pyenv.Main(os.Args) || scriptmode.Main(os.Args) {
		return
	}
	os.Exit(m.Run())
}

func start(t *testing.T, c server.Config) *server.Server {
	t.Helper()
	if c.Data == "" {
		c.Data = t.TempDir()
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	c.Log = slog.New(slog.DiscardHandler)
	s, err := server.Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func TestEveryMethodWithAnOperationsNameIsServed(t *testing.T) {
	t.Parallel()
	wiretest.CheckMethods(t, start(t, server.Config{}).Rooms())
}

func TestStartRefusesAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	running := start(t, server.Config{})
	taken := strings.TrimPrefix(running.URL, "http://")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config server.Config
		is     error
		want   string
	}{
		"port taken":    {server.Config{Listen: taken}, server.ErrPortTaken, taken},
		"folder in use": {server.Config{Data: running.Data}, store.ErrInUse, ""},
		"data":          {server.Config{Data: file}, nil, "data folder"},
		"runner":        {server.Config{Runner: "docker"}, nil, "runner 'docker' must be auto, namespace or plain"},
		"account":       {server.Config{Account: "12"}, nil, "account '12' must be 12 digits"},
		"region":        {server.Config{Region: "moon"}, nil, "region 'moon' must look like us-east-1"},
		"listen":        {server.Config{Listen: "8080"}, nil, "listen '8080' must be host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.config.Data == "" {
				c.config.Data = t.TempDir()
			}
			if c.config.Listen == "" {
				c.config.Listen = "127.0.0.1:0"
			}
			c.config.Log = slog.New(slog.DiscardHandler)
			s, err := server.Start(t.Context(), c.config)
			if err == nil {
				s.Stop()
			}
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %v %s", err, c.is, c.want)
			}
		})
	}
	if resp, err := http.Get(running.URL + "/healthz"); err != nil || resp.StatusCode != 200 {
		t.Errorf("the server that was there does not answer: %v", err)
	}
}

func TestStopLetsGoOfEverything(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{})
	if a, _, err := server.Find(s.Data); err != nil || a.URL != s.URL {
		t.Errorf("find: %v, %v", a, err)
	}
	s.Stop()
	s.Stop()
	if _, _, err := server.Find(s.Data); !errors.Is(err, server.ErrNotRunning) {
		t.Errorf("find after the stop: %v", err)
	}
	// A client elsewhere may have been given the port for a moment.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		l, err := net.Listen("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err == nil {
			l.Close()
			break
		}
		if time.Now().After(end) {
			t.Errorf("the port is still taken: %v", err)
			break
		}
	}
	start(t, server.Config{Data: s.Data})
}

// python is the tests' own, with boto3 and the AWS CLI.
func python(t *testing.T) string {
	t.Helper()
	path := os.Getenv("MOBULA_PYTHON")
	if path == "" {
		path, _ = filepath.Abs("../../.cache/venv/bin/python")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the tests' Python is missing: %v. Try: make setup-test", err)
	}
	return path
}

// TestClients runs scripts of real clients against a server: each resource through create, describe, list, stop, delete.
func TestClients(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/client_*")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	programs := commandLine(t)
	if uv := filepath.Join(filepath.Dir(python(t)), "uv"); os.Getenv("MOBULA_UV") == "" { // builds the world of functions
		os.Setenv("MOBULA_UV", uv)
	}
	version, err := exec.Command(python(t), "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	// The image of functions is a Python without packages, which needs no index.
	table := "[[runtime]]\nname = \"bare\"\nimage = \"python:.*\"\nas_of = \"2025-01-31\"\npython = \"" + strings.TrimSpace(string(version)) + "\"\n"
	cache := t.TempDir()
	for _, script := range scripts {
		t.Run(filepath.Base(script), func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			if err := os.WriteFile(filepath.Join(data, "runtimes.toml"), []byte(table), 0o600); err != nil {
				t.Fatal(err)
			}
			s := start(t, server.Config{Data: data, Cache: cache})
			key := s.Credentials()
			command := []string{python(t), script}
			if strings.HasSuffix(script, ".sh") {
				command = []string{"bash", script}
			}
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+s.URL, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID="+key.AccessKeyID,
				"AWS_SECRET_ACCESS_KEY="+key.SecretAccessKey, "AWS_SESSION_TOKEN=", "AWS_CONFIG_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
				"PATH="+programs+":"+filepath.Dir(python(t))+":"+os.Getenv("PATH"), "WORK="+t.TempDir(), "PYTHON_VERSION="+strings.TrimSpace(string(version)))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// commandLine is a folder with the program aws: the AWS CLI, which testdata/aws.py keeps from starting anew for every command.
func commandLine(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "aws") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	script, err := filepath.Abs("testdata/aws.py")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	if err := os.WriteFile(filepath.Join(dir, "aws"), []byte("#!/bin/sh\nexec "+python(t)+" -IS "+script+" "+socket+" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python(t), script, "serve", socket)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the AWS CLI's process: %v", err)
		}
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
			return dir
		}
		if time.Now().After(end) {
			t.Fatalf("the AWS CLI's process does not answer: %v", err)
		}
	}
}
