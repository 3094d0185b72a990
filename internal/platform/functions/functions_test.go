package functions_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/functions"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/runner"
)

func TestMain(m *testing.M) {
	if runner.Main(os.Args[1:]) || pyenv.Main(os.Args) {
		return
	}
	if dir := os.Getenv("FUNCTIONS_TEST_SERVER"); dir != "" { // a server that the test kills
		t := &testing.T{}
		e := platformtest.Open(t, dir)
		s := newRoom(t, e)
		if err := s.Begin(e.Ctx, arn("slow"), "killed", []byte(`{}`)); err != nil {
			panic(err)
		}
		select {}
	}
	os.Exit(m.Run())
}

// newRoom opens the room with one Python world: that of the machine's own Python, without packages.
func newRoom(t testing.TB, e *platformtest.Env) *functions.Service {
	t.Helper()
	if uv, err := filepath.Abs("../../../.cache/venv/bin/uv"); err == nil && os.Getenv("MOBULA_UV") == "" {
		if _, err := os.Stat(uv); err == nil {
			os.Setenv("MOBULA_UV", uv)
		}
	}
	table := filepath.Join(e.Dir, "runtimes.toml")
	text := "[[runtime]]\nname = \"bare\"\nimage = \"python:.*\"\nas_of = \"2021-01-31\"\npython = \"" + version(t) + "\"\n"
	if err := os.WriteFile(table, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	python, err := pyenv.Open(pyenv.Options{Dir: filepath.Join(e.Dir, "cache"), Table: table})
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := runner.Choose(e.Ctx, runner.Auto, runner.Options{PlatformAddr: "127.0.0.1:9", Hidden: []string{e.Dir}})
	if err != nil {
		t.Fatal(err)
	}
	s := functions.New(functions.Deps{DB: e.DB, Engine: e.Engine, Objects: e.Objects, Keys: e.Keys, Runner: r, Python: python, World: e.World, Log: e.Log,
		Dir: filepath.Join(e.Dir, "functions"), LogDir: filepath.Join(e.Dir, "logs"), Socket: filepath.Join(e.Dir, "mobula.sock")})
	if err := e.Engine.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

func version(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("python3", "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func arn(name string) string { return "arn:aws:lambda:us-east-1:123456789012:function:" + name }

// packed is a zip of one file, at a time of its own.
func packed(t testing.TB, name, text string, at time.Time) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateHeader(&zip.FileHeader{Name: name, Modified: at, Method: zip.Deflate})
	if err == nil {
		_, err = f.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func create(t testing.TB, e *platformtest.Env, s *functions.Service, name, text string) {
	t.Helper()
	_, err := s.CreateFunction(e.Ctx, &awsapi.CreateFunctionRequest{FunctionName: &name, Runtime: new("python" + version(t)), Handler: new("code.handler"),
		Role: new("arn:aws:iam::123456789012:role/r"), Timeout: new(int32(20)), Code: &awsapi.FunctionCode{ZipFile: packed(t, "code.py", text, time.Now())},
		Environment: &awsapi.Environment{Variables: map[string]string{"GREETING": "hello"}}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e)
	create(t, e, s, "f", `
import os, time
def handler(event, context):
    print("got", event)
    what = event.get("do")
    if what == "raise":
        raise KeyError("k")
    if what == "exit":
        os._exit(7)
    if what == "set":
        return {1, 2}
    if what == "sleep":
        time.sleep(60)
    return {"greeting": os.environ["GREETING"], "event": event, "name": context.function_name, "arn": context.invoked_function_arn,
            "left": 0 < context.get_remaining_time_in_millis() <= 20000}
`)
	for _, c := range []struct{ event, failure, payload, log string }{
		{`{"a": "é"}`, "", `{"greeting": "hello", "event": {"a": "\u00e9"}, "name": "f", "arn": "` + arn("f") + `", "left": true}`, "got {'a': 'é'}\n"},
		{`{"do": "raise"}`, "Unhandled", `"errorType":"KeyError"`, "KeyError: 'k'\n"},
		{`{"do": "exit"}`, "Unhandled", `"errorType":"Runtime.ExitError"`, "got"},
		{`{"do": "set"}`, "Unhandled", `"errorType":"Runtime.MarshalError"`, "got"},
	} {
		out, err := s.Invoke(e.Ctx, &awsapi.InvocationRequest{FunctionName: new("f"), Payload: []byte(c.event), LogType: new("Tail")})
		if err != nil {
			t.Fatal(err)
		}
		if awsapi.Val(out.FunctionError) != c.failure || !strings.Contains(compact(out.Payload), compact([]byte(c.payload))) {
			t.Errorf("%s: %s %s", c.event, awsapi.Val(out.FunctionError), out.Payload)
		}
		if log, err := base64.StdEncoding.DecodeString(*out.LogResult); err != nil || !strings.HasPrefix(string(log), "START RequestId: ") || !strings.Contains(string(log), c.log) {
			t.Errorf("%s: log %s, %v", c.event, log, err)
		}
	}
	streams, err := filepath.Glob(filepath.Join(e.Dir, "logs", "Functions", "f", "*", "*", "*", "[[]$LATEST]*.log"))
	if err != nil || len(streams) != 4 {
		t.Errorf("%d invocations have the log streams %v, %v", 4, streams, err)
	}
	if _, err := s.UpdateFunctionConfiguration(e.Ctx, &awsapi.UpdateFunctionConfigurationRequest{FunctionName: new("f"), Timeout: new(int32(1))}); err != nil {
		t.Fatal(err)
	}
	out, err := s.Invoke(e.Ctx, &awsapi.InvocationRequest{FunctionName: new("f"), Payload: []byte(`{"do": "sleep"}`)})
	if err != nil || !strings.Contains(string(out.Payload), "Task timed out after 1.00 seconds") {
		t.Errorf("%s, %v", out.Payload, err)
	}
	streams, _ = filepath.Glob(filepath.Join(e.Dir, "logs", "Functions", "f", "*", "*", "*", "[[]$LATEST]*.log"))
	if log, err := os.ReadFile(streams[len(streams)-1]); err != nil || !strings.HasSuffix(string(log), " Task timed out after 1.00 seconds\n\n") {
		t.Errorf("the last of %d logs is %s, %v", len(streams), log, err)
	}
	if _, err := s.Invoke(e.Ctx, &awsapi.InvocationRequest{FunctionName: new("f"), Payload: []byte(`{`)}); !awsapi.IsCode(err, "InvalidRequestContentException") {
		t.Error(err)
	}
}

func compact(b []byte) string {
	var out bytes.Buffer
	if json.Compact(&out, b) != nil {
		return string(b)
	}
	return strings.ReplaceAll(out.String(), `\u00e9`, "é")
}

func TestLifeOfAFunction(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e)
	create(t, e, s, "f", "def handler(event, context): return 1")
	if _, err := s.CreateFunction(e.Ctx, &awsapi.CreateFunctionRequest{FunctionName: new("f"), Runtime: new("python3.9"), Handler: new("a.b"),
		Role: new("arn:aws:iam::123456789012:role/r"), Code: &awsapi.FunctionCode{ZipFile: []byte("x")}}); !awsapi.IsCode(err, "ResourceConflictException") {
		t.Error(err)
	}
	digest := func() string {
		t.Helper()
		d, err := s.CodeDigest(e.Ctx, arn("f"))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	before := digest()
	if _, err := s.UpdateFunctionCode(e.Ctx, &awsapi.UpdateFunctionCodeRequest{FunctionName: new("f"),
		ZipFile: packed(t, "code.py", "def handler(event, context): return 1", time.Now().Add(-time.Hour))}); err != nil {
		t.Fatal(err)
	}
	if digest() != before {
		t.Error("the same code packed at another time has another digest")
	}
	if _, err := e.Objects.Put(e.Ctx, platformtest.Bucket, "code.zip", bytes.NewReader(packed(t, "code.py", "def handler(event, context): return event", time.Now())), object.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateFunctionCode(e.Ctx, &awsapi.UpdateFunctionCodeRequest{FunctionName: new(arn("f")), S3Bucket: new(platformtest.Bucket), S3Key: new("code.zip")}); err != nil {
		t.Fatal(err)
	}
	if digest() == before {
		t.Error("other code has the same digest")
	}
	if out, err := s.Invoke(e.Ctx, &awsapi.InvocationRequest{FunctionName: new("f"), Payload: []byte(`[1]`)}); err != nil || string(out.Payload) != "[1]" {
		t.Errorf("%s, %v", out.Payload, err)
	}
	if zips, _ := filepath.Glob(filepath.Join(e.Dir, "functions", "code", "*")); len(zips) != 1 {
		t.Errorf("code that nothing needs is kept: %v", zips)
	}
	if _, err := s.DeleteFunction(e.Ctx, &awsapi.DeleteFunctionRequest{FunctionName: new("f")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetFunction(e.Ctx, &awsapi.GetFunctionRequest{FunctionName: new("f")}); !awsapi.IsNotFound(err) {
		t.Error(err)
	}
	for what, in := range map[string]*awsapi.CreateFunctionRequest{
		"runtime": {Runtime: new("nodejs20.x"), Handler: new("a.b"), Code: &awsapi.FunctionCode{ZipFile: packed(t, "a.py", "", time.Now())}},
		"zip":     {Runtime: new("python3.9"), Handler: new("a.b"), Code: &awsapi.FunctionCode{ZipFile: []byte("no zip")}},
		"leads":   {Runtime: new("python3.9"), Handler: new("a.b"), Code: &awsapi.FunctionCode{ZipFile: packed(t, "../a.py", "", time.Now())}},
		"Layers":  {Runtime: new("python3.9"), Handler: new("a.b"), Layers: []string{"x"}, Code: &awsapi.FunctionCode{ZipFile: packed(t, "a.py", "", time.Now())}},
	} {
		in.FunctionName, in.Role = new("g"), new("arn:aws:iam::123456789012:role/r")
		if _, err := s.CreateFunction(e.Ctx, in); !awsapi.IsCode(err, "InvalidParameterValueException") || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestAKilledServerCallsAFunctionOnce kills the process that began an invocation; the next one finds its host.
func TestAKilledServerCallsAFunctionOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := platformtest.Open(t, dir)
	s := newRoom(t, e)
	create(t, e, s, "slow", `
import time
def handler(event, context):
    print("called")
    time.sleep(2)
    return "done"
`)
	e.Close()
	first := exec.Command(os.Args[0])
	first.Env = append(os.Environ(), "FUNCTIONS_TEST_SERVER="+dir)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "functions", "runs", "killed", "logs", "algo-1.log")
	platformtest.Eventually(t, "the function is called", func() bool { b, _ := os.ReadFile(log); return len(b) > 0 })
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait() // it was killed
	e = platformtest.Open(t, dir)
	t.Cleanup(e.Close)
	s = newRoom(t, e)
	ctx := durable.WithOwner(e.Ctx, durable.Owner{})
	if err := s.Begin(ctx, arn("slow"), "killed", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	platformtest.Eventually(t, "it is done", func() bool {
		done, failure, payload, err := s.Result(ctx, "killed")
		if err != nil || done && (failure != "" || string(payload) != `"done"`) {
			t.Fatal(failure, string(payload), err)
		}
		return done
	})
}
