package pysupport_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/pysupport"
)

// interpreters are the Pythons of this machine that the tree has to run on: 3.7 and later.
func interpreters(t *testing.T) (found []string) {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	candidates, err := filepath.Glob(filepath.Join(home, ".pyenv/versions/3.*/bin/python3"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(candidates, "python3") {
		if exec.Command(path, "-c", "import sys; sys.exit(sys.version_info < (3, 7))").Run() == nil {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		t.Skip("no Python 3.7 or later was found")
	}
	return found
}

func python(t *testing.T) string { all := interpreters(t); return all[len(all)-1] }

// A server is one that runs, with its /opt/ml.
type server struct {
	url, ml string
	log     *bytes.Buffer
	cmd     *exec.Cmd
	ended   chan error
}

// start runs the server on files below its /opt/ml.
func start(t *testing.T, python, family string, files map[string]string, env ...string) *server {
	t.Helper()
	tree, err := pysupport.Install(filepath.Join(os.TempDir(), "mobula-pysupport-test"))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{ml: t.TempDir(), log: &bytes.Buffer{}, ended: make(chan error, 1)}
	for name, content := range files {
		path := filepath.Join(s.ml, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	s.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	s.cmd = exec.Command(python, "-m", pysupport.ServerModule, family)
	s.cmd.Env = append(append(os.Environ(), "MOBULA_ML_DIR="+s.ml, "MOBULA_SERVE_PORT="+strconv.Itoa(port), "PYTHONPATH="+tree, "PYTHONDONTWRITEBYTECODE=1"), env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.WaitDelay = time.Second
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(func() {
		s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
		case <-time.After(8 * time.Second):
			s.cmd.Process.Kill()
			t.Error("the server did not end when it was asked to")
		}
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
	return s
}

// awake waits until the server answers pings.
func (s *server) awake(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if resp, err := http.Get(s.url + "/ping"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
	}
	t.Fatalf("the server did not come up")
}

func (s *server) ask(body, contentType, accept string) (status int, answer, answerType string, err error) {
	req, err := http.NewRequest(http.MethodPost, s.url+"/invocations", strings.NewReader(body))
	if err != nil {
		return 0, "", "", err
	}
	req.Close = true
	req.Header.Set("Content-Type", contentType)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), resp.Header.Get("Content-Type"), err
}

const script = `
import json, os, signal
import helper
class Response:
    status_code, mimetype = 201, "text/x-special"
    def get_data(self):
        return b"special"
def model_fn(model_dir):
    with open(os.path.join(model_dir, "weights")) as f:
        return float(f.read())
def input_fn(body, content_type):
    assert isinstance(body, str if content_type in ("text/csv", "application/json") else bytes), type(body)
    if content_type == "text/kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if content_type == "text/bad":
        raise ValueError("this body is bad: " + body.decode())
    return helper.numbers(body if isinstance(body, str) else body.decode())
def predict_fn(numbers, model):
    return [model * x for x in numbers]
def output_fn(numbers, accept):
    if accept == "text/csv":
        return ",".join(map(str, numbers))
    if accept == "text/pid":
        return str(os.getpid()), "text/plain"
    if accept == "text/x-special":
        return Response()
    return json.dumps(numbers), accept
`

var project = map[string]string{"model/weights": "2.5", "code/inference.py": script, "code/helper.py": "def numbers(text):\n    return [float(x) for x in text.strip('[]').split(',')]\n"}

func TestScriptIsServedOnEveryPython(t *testing.T) {
	t.Parallel()
	for _, interpreter := range interpreters(t) {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(interpreter))), func(t *testing.T) {
			s := start(t, interpreter, "scikit-learn", project, "SAGEMAKER_PROGRAM=inference.py", "SAGEMAKER_MODEL_SERVER_WORKERS=2")
			s.awake(t)
			for _, c := range []struct {
				body, contentType, accept string
				status                    int
				answer, answerType        string
			}{
				{"1,2", "text/csv", "text/csv", 200, "2.5,5.0", "text/csv"},
				{"[4]", "application/json", "", 200, "[10.0]", "application/json"},
				{"1", "text/other", "*/*", 200, "[2.5]", "application/json"},
				{"1", "text/csv", "text/x-special", 201, "special", "text/x-special"},
				{"ü", "text/bad", "", 500, "this body is bad: ü", "text/plain"},
				{"x", "text/csv", "", 500, "could not convert string to float: 'x'", "text/plain"},
			} {
				status, answer, answerType, err := s.ask(c.body, c.contentType, c.accept)
				if err != nil || status != c.status || answer != c.answer || answerType != c.answerType {
					t.Errorf("%q as %s for %s: %d %q %s %v, want %d %q %s", c.body, c.contentType, c.accept, status, answer, answerType, err, c.status, c.answer, c.answerType)
				}
			}
		})
	}
}

// A worker that dies loses its own request only, and another takes its place.
func TestWorkerThatDiesIsReplaced(t *testing.T) {
	t.Parallel()
	s := start(t, python(t), "python", project, "SAGEMAKER_PROGRAM=inference.py", "SAGEMAKER_MODEL_SERVER_WORKERS=2")
	s.awake(t)
	// both asks until two workers have answered.
	both := func() map[string]bool {
		pids := map[string]bool{}
		var mu sync.Mutex
		for end := time.Now().Add(20 * time.Second); len(pids) < 2 && time.Now().Before(end); {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					status, answer, _, err := s.ask("1", "text/csv", "text/pid")
					if err != nil || status != 200 {
						t.Errorf("%d %s %v", status, answer, err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					pids[answer] = true
				})
			}
			wg.Wait()
		}
		if len(pids) != 2 {
			t.Fatalf("the workers are %v, want 2", pids)
		}
		return pids
	}
	before := both()
	if status, _, _, err := s.ask("", "text/kill", ""); err == nil {
		t.Errorf("a request that kills its worker got %d", status)
	}
	if after := both(); maps.Equal(before, after) {
		t.Errorf("the workers were and are %v", after)
	}
}

func TestRequestThatHangsEndsItsWorker(t *testing.T) {
	t.Parallel()
	s := start(t, python(t), "python", map[string]string{"model/x": "", "code/inference.py": `
import time
def model_fn(d): return 1
def transform_fn(model, body, content_type, accept):
    time.sleep(60 if body == "hang" else 0)
    return "ok", "text/plain"
`}, "SAGEMAKER_PROGRAM=inference.py", "SAGEMAKER_MODEL_SERVER_WORKERS=1", "SAGEMAKER_MODEL_SERVER_TIMEOUT=1")
	s.awake(t)
	if status, _, _, err := s.ask("hang", "text/csv", ""); err == nil {
		t.Errorf("the request that hangs got %d", status)
	}
	if status, answer, _, err := s.ask("", "text/csv", ""); err != nil || answer != "ok" {
		t.Errorf("after it: %d %q %v", status, answer, err)
	}
}

// What is wrong with a model or its code is said in output/failure, with the end of the traceback.
func TestStartThatFailsLeavesItsReason(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		family  string
		files   map[string]string
		program string
		want    string
	}{
		"model_fn raises":  {"python", map[string]string{"model/x": "", "code/i.py": "def model_fn(d):\n    raise KeyError('no weights in ' + d[-6:])"}, "i.py", "KeyError: 'no weights in /model'"},
		"wrong syntax":     {"python", map[string]string{"code/i.py": "def model_fn(:"}, "i.py", "SyntaxError"},
		"no such import":   {"python", map[string]string{"code/i.py": "import nothing_of_the_kind"}, "i.py", "No module named 'nothing_of_the_kind'"},
		"no such program":  {"python", map[string]string{"code/other.py": ""}, "i.py", "the code holds no such file but other.py"},
		"no code":          {"scikit-learn", map[string]string{"model/x": ""}, "i.py", "there is no code"},
		"no model_fn":      {"scikit-learn", map[string]string{"code/i.py": ""}, "i.py", "Please provide a model_fn implementation"},
		"too many of them": {"python", map[string]string{"code/i.py": "def transform_fn(a, b, c, d): pass\ndef input_fn(a, b): pass"}, "i.py", "in conjunction with input_fn"},
		"worker exits":     {"python", map[string]string{"code/i.py": "import sys\nsys.exit('enough')"}, "i.py", "SystemExit: enough"},
		"requirements":     {"python", map[string]string{"code/i.py": "", "code/requirements.txt": "./not-there"}, "i.py", "requirements.txt could not be installed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, python(t), c.family, c.files, "SAGEMAKER_PROGRAM="+c.program)
			select {
			case err := <-s.ended:
				s.ended <- err
				if err == nil {
					t.Error("the server ended without an error")
				}
			case <-time.After(20 * time.Second):
				t.Fatal("the server did not end")
			}
			b, err := os.ReadFile(filepath.Join(s.ml, "output", "failure"))
			if err != nil || !strings.Contains(string(b), c.want) {
				t.Errorf("%v, %q, want %q", err, b, c.want)
			}
		})
	}
}

func TestInstallIsDoneOnceByWhoeverComesFirst(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	var wg sync.WaitGroup
	folders := make([]string, 8)
	for i := range folders {
		wg.Go(func() {
			var err error
			if folders[i], err = pysupport.Install(root); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	left, err := os.ReadDir(root)
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
	for _, f := range folders {
		if f != folders[0] {
			t.Errorf("%s and %s", f, folders[0])
		}
	}
	if _, err := os.Stat(filepath.Join(folders[0], "sagemaker_xgboost_container", "encoder.py")); err != nil {
		t.Error(err)
	}
}
