package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/scriptmode"
	"github.com/mobula-ml/mobula/internal/server"
)

// asProgram makes the test's executable the program.
const asProgram = "TEST_RUNS_MOBULA"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" || runner.Main(os.Args[1:]) || builtin.Main(os.Args) || pyenv.Main(os.Args) || scriptmode.Main(os.Args) {
		if os.Getenv(asProgram) != "" {
			main()
		}
		return
	}
	os.Exit(m.Run())
}

// mobula is a run of the program.
func mobula(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append([]string{asProgram + "=1", "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "PATH=" + filepath.Dir(python(t)) + ":" + os.Getenv("PATH"),
		"PYTHONDONTWRITEBYTECODE=1", "MOBULA_RUNNER=plain"}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal of whoever runs the tests
	return cmd
}

// run returns what the program printed and its exit code.
func runMobula(t *testing.T, env []string, args ...string) (out string, code int) {
	t.Helper()
	b, err := mobula(t, env, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return string(b), code
}

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

// startServer runs a server of the test's own, for commands that are to find it.
func startServer(t *testing.T, data string) *server.Server {
	t.Helper()
	s, err := server.Start(context.WithoutCancel(t.Context()), server.Config{Data: data, Listen: "127.0.0.1:0", Runner: runner.Plain, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// outside is a proxy that stands for the internet: it writes down where it is asked to go, and brings to example.com.
type outside struct {
	*httptest.Server
	certificate string // file of example.com's
	mu          sync.Mutex
	asked       []string
}

func newOutside(t *testing.T) *outside {
	example := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello from ", r.Host) }))
	t.Cleanup(example.Close)
	o := &outside{certificate: filepath.Join(t.TempDir(), "certificate.pem")}
	if err := os.WriteFile(o.certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: example.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		o.asked = append(o.asked, r.Method+" "+r.Host)
		o.mu.Unlock()
		if r.Method != http.MethodConnect || r.Host != "example.com:443" {
			http.Error(w, "there is no such host", http.StatusBadGateway)
			return
		}
		to, err := net.Dial("tcp", example.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer to.Close()
		from, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer from.Close()
		io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { io.Copy(to, from); to.Close() }()
		io.Copy(from, to)
	}))
	t.Cleanup(o.Close)
	return o
}

func (o *outside) seen() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked)
}

// userEnvironment is that of a user who works with AWS: real keys in every place that clients look into.
func userEnvironment(t *testing.T, proxy, certificate string) []string {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"credentials": "[default]\naws_access_key_id = AKIAREALREALREAL\naws_secret_access_key = realsecret\n[prod]\naws_access_key_id = AKIAREALREALREAL\naws_secret_access_key = realsecret\n",
		"config":      "[default]\nregion = ap-south-1\n[profile prod]\nregion = ap-south-1\nendpoint_url = http://127.0.0.1:9\n",
	} {
		if err := os.WriteFile(filepath.Join(home, ".aws", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"HOME=" + home, "AWS_PROFILE=prod", "AWS_DEFAULT_PROFILE=prod", "AWS_ACCESS_KEY_ID=AKIAREALREALREAL", "AWS_SECRET_ACCESS_KEY=realsecret",
		"AWS_SESSION_TOKEN=realtoken", "AWS_SECURITY_TOKEN=realtoken", "AWS_SHARED_CREDENTIALS_FILE=" + home + "/.aws/credentials", "AWS_CONFIG_FILE=" + home + "/.aws/config",
		"AWS_WEB_IDENTITY_TOKEN_FILE=/real", "AWS_ROLE_ARN=arn:aws:iam::999999999999:role/real", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:9/real",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/real", "AWS_ENDPOINT_URL_S3=http://127.0.0.1:9", "AWS_REGION=ap-south-1", "AWS_PAGER=", "AWS_CA_BUNDLE=/nowhere",
		"HTTPS_PROXY=" + proxy, "HTTP_PROXY=" + proxy, "NO_PROXY=.amazonaws.com,intranet", "REQUESTS_CA_BUNDLE=" + certificate}
}

func TestExecBringsEveryClientHere(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	certificate := o.certificate
	user := userEnvironment(t, o.URL, certificate)
	data := t.TempDir()
	script, err := filepath.Abs("testdata/exec_client.py")
	if err != nil {
		t.Fatal(err)
	}
	if out, code := runMobula(t, user, "exec", "--data", data, "--", "python", script); code != 0 || out != "ok\n" {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if asked := o.seen(); !slices.Equal(asked, []string{"CONNECT example.com:443", "CONNECT example.com:443"}) {
		t.Errorf("the outside was asked for %q", asked)
	}
	out, code := runMobula(t, user, "exec", "--data", data, "sh", "-c", "env; env | grep -q REQUESTS_CA_BUNDLE="+certificate+" && echo real")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	for line := range strings.Lines(out) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), "="); strings.Contains(value, "real") || strings.Contains(value, "REAL") || strings.Contains(value, "ap-south-1") {
			t.Errorf("the command sees %s=%s", name, value)
		} else if direct := strings.Split(value, ","); strings.EqualFold(name, "NO_PROXY") && (!slices.Contains(direct, "127.0.0.1") || !slices.Contains(direct, "localhost") ||
			!slices.Contains(direct, "intranet") || strings.Contains(value, "amazonaws")) {
			t.Errorf("the command sees %s=%s", name, value)
		}
	}
	if _, err := os.Stat(filepath.Join(data, "address.json")); err == nil {
		t.Error("the server that was started for the command did not end with it")
	}
}

func TestJobsNeedNoChangeEither(t *testing.T) {
	t.Parallel()
	script, err := filepath.Abs("testdata/exec_job.py")
	if err != nil {
		t.Fatal(err)
	}
	cache, table := worldWithBoto3(t)
	for _, kind := range []string{runner.Namespace, runner.Plain} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			o, data := newOutside(t), t.TempDir()
			if err := os.WriteFile(filepath.Join(data, "runtimes.toml"), []byte(table), 0o600); err != nil {
				t.Fatal(err)
			}
			out, code := runMobula(t, userEnvironment(t, o.URL, o.certificate), "exec", "--data", data, "--cache", cache, "--runner", kind, "--", "python", script)
			want := "arn:aws:sts::123456789012:assumed-role/a-role/SageMaker\nInProgress\nhello from example.com\nnowhere.test cannot be reached\n" +
				"the machine's credentials cannot be reached\n"
			if code != 0 || out != want {
				t.Errorf("exit code %d\n%s", code, out)
			}
			if seen := o.seen(); !slices.Equal(seen, []string{"CONNECT example.com:443", "CONNECT nowhere.test:443"}) {
				t.Errorf("the outside was asked for %q", seen)
			}
		})
	}
}

// worldWithBoto3 builds the Python world of the image with-boto3, since the servers of the test have no way to an index, and returns its cache and
// the table that names it.
func worldWithBoto3(t *testing.T) (cache, table string) {
	t.Helper()
	version, err := exec.Command(python(t), "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	if cache, err = filepath.Abs("../../.cache/test-worlds"); err != nil {
		t.Fatal(err)
	}
	table = "[[runtime]]\nname = \"with-boto3\"\nimage = \"with-boto3:1\"\npython = \"" + strings.TrimSpace(string(version)) + "\"\nas_of = \"2025-01-31\"\npackages = [\"boto3\"]\n"
	path := filepath.Join(t.TempDir(), "runtimes.toml")
	if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := pyenv.Open(pyenv.Options{Dir: cache, Table: path, UV: filepath.Join(filepath.Dir(python(t)), "uv")})
	if err != nil {
		t.Fatal(err)
	}
	r, ok := m.Find("with-boto3:1")
	if !ok {
		t.Fatal("the image has no runtime")
	}
	if _, err := m.Build(t.Context(), r, func(string) {}); err != nil {
		t.Fatal(err)
	}
	return cache, table
}

func TestExecUsesTheServerThatRuns(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := startServer(t, data)
	for _, env := range [][]string{{"MOBULA_DATA=" + data}, nil} {
		args := []string{"exec", "sh", "-c", "echo $AWS_ENDPOINT_URL $MOBULA_DATA"}
		if env == nil {
			args = slices.Insert(args, 1, "--data", data)
		}
		if out, code := runMobula(t, env, args...); code != 0 || out != s.URL+" "+data+"\n" {
			t.Errorf("%d %s", code, out)
		}
	}
	// A shell with a user's own settings gets the same.
	user := userEnvironment(t, "http://127.0.0.1:9", "/nowhere")
	out, code := runMobula(t, user, "env", "--data", data)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `eval "$EXPORTS"; `+python(t)+` -c "
import boto3
print(boto3.client('sts', endpoint_url='https://sts.us-east-1.amazonaws.com').get_caller_identity()['Arn'], boto3.Session().region_name)"; env | grep -ci real`)
	cmd.Env = append(append(user, "EXPORTS="+strings.ReplaceAll(out, "REAL", "")), "PATH="+os.Getenv("PATH"))
	said, _ := cmd.CombinedOutput() // grep counts none, which is its failure
	if want := "arn:aws:sts::123456789012:assumed-role/AmazonSageMaker-ExecutionRole-mobula/mobula us-east-1\n0\n"; string(said) != want {
		t.Errorf("got %s, want %s", said, want)
	}
	if out, code := runMobula(t, nil, "env", "--data", t.TempDir()); code != 1 || !strings.Contains(out, "no server runs on this data folder") {
		t.Errorf("%d %s", code, out)
	}
}

func TestTheServerOfOneCommandOutlastsTheOthers(t *testing.T) {
	t.Parallel()
	data, dir := t.TempDir(), t.TempDir()
	const wait = `until [ -e $FILE ]; do sleep 0.02; done; `
	first := mobula(t, []string{"FILE=" + dir + "/second"}, "exec", "--data", data, "--", "sh", "-c", "touch "+dir+"/first; "+wait+"exit 3")
	var said bytes.Buffer
	first.Stderr = &said
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	for _, err := os.Stat(dir + "/first"); err != nil; _, err = os.Stat(dir + "/first") {
		time.Sleep(10 * time.Millisecond)
	}
	out, code := runMobula(t, nil, "exec", "--data", data, "--", "sh", "-c",
		"touch "+dir+"/second; sleep 0.5; curl -sS $AWS_ENDPOINT_URL/healthz")
	if code != 0 || out != "ok\n" {
		t.Errorf("the second command: %d %s", code, out)
	}
	var exit *exec.ExitError
	if err := first.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(said.String(), "other commands use this server") {
		t.Errorf("the first command: %v, %s", err, &said)
	}
}

func TestExecEndsAsTheCommandDoes(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	startServer(t, data)
	for _, c := range []struct {
		command []string
		code    int
		says    string
	}{
		{[]string{"true"}, 0, ""},
		{[]string{"sh", "-c", "echo said; exit 7"}, 7, "said\n"},
		{[]string{"--", "sh", "-c", "kill -9 $$"}, 137, ""},
		{[]string{"no-such-command"}, 127, "no-such-command"},
		{[]string{data}, 126, "permission denied"},
		{nil, 1, "'exec' wants a command\nTry: mobula exec -- python train.py"},
	} {
		if out, code := runMobula(t, nil, append([]string{"exec", "--data", data}, c.command...)...); code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%v: exit code %d, want %d\n%s", c.command, code, c.code, out)
		}
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1} {
		cmd := mobula(t, nil, "exec", "--data", data, "--", "sh", "-c", `trap 'echo heard; exit 9' TERM INT USR1; echo ready; while :; do sleep 0.02; done`)
		var out bytes.Buffer
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout = write
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		write.Close()
		first := make([]byte, len("ready\n"))
		if _, err := io.ReadFull(read, first); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(10*time.Second, func() { read.Close() })
		io.Copy(&out, read)
		timer.Stop()
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 9 || out.String() != "heard\n" {
			t.Errorf("%v: %v, %q", sig, err, &out)
		}
	}
}
