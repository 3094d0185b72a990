package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mobula-ml/mobula/pipeline"
)

// TestMain makes the test program what a user's is: started as a step it runs that step, with MOBULA_COMMAND it is the command line.
func TestMain(m *testing.M) {
	if os.Getenv("MOBULA_STEP") != "" || os.Getenv("MOBULA_COMMAND") != "" {
		pipeline.Main(stepWorkflow())
	}
	os.Exit(m.Run())
}

func stepWorkflow() *pipeline.Workflow {
	w := pipeline.New("steps")
	w.Integer("Rounds", 3)
	files := pipeline.ProcessingSpec{
		Inputs:  []pipeline.Input{{Name: "raw", URI: pipeline.S3("raw")}},
		Outputs: []pipeline.Output{{Name: "copy"}},
	}
	w.Processing("Copy", pipeline.Func(copyRows), files)
	w.Processing("Fail", pipeline.Func(func(context.Context, *pipeline.Job) error { return errors.New("column 'price' is missing") }), files)
	w.Processing("Panic", pipeline.Func(func(_ context.Context, job *pipeline.Job) error { job.Input("nope"); return nil }), files)
	w.Processing("Wait", pipeline.Func(func(ctx context.Context, job *pipeline.Job) error {
		job.Logf("waiting")
		<-ctx.Done()
		return ctx.Err()
	}), files)
	return w
}

func copyRows(_ context.Context, job *pipeline.Job) error {
	var args struct {
		Rounds  int     `arg:"rounds"`
		Share   float64 `arg:"share"`
		Shuffle bool    `arg:"shuffle"`
		Group   string  `arg:"group,optional"`
	}
	args.Group = "none"
	if err := job.Bind(&args); err != nil {
		return err
	}
	hosts, err := job.Hosts()
	if err != nil {
		return err
	}
	rows, err := os.ReadFile(filepath.Join(job.Input("raw"), "rows.csv"))
	if err != nil {
		return err
	}
	for i := range 1000 {
		job.Progress(i+1, 1000, "records")
	}
	job.Logf("%s is host %d of %d, step %s, child step '%s'", hosts.Current, hosts.Index, len(hosts.All), job.Step(), os.Getenv("MOBULA_STEP"))
	text := fmt.Sprintf("%d %g %t %s\n%s", args.Rounds, args.Share, args.Shuffle, args.Group, rows)
	return os.WriteFile(filepath.Join(job.Output("copy"), "rows.csv"), []byte(text), 0o644)
}

// ran is what came of a process.
type ran struct {
	code           int
	stdout, stderr string
	message        string // what it left for the platform
}

// prepare makes the process of a step, with root in the place of /opt/ml.
func prepare(t *testing.T, root, name string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), "MOBULA_STEP="+name, "MOBULA_ML_DIR="+root)
	return cmd
}

func runStep(t *testing.T, root, name string, args ...string) ran {
	t.Helper()
	cmd := prepare(t, root, name, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	message, _ := os.ReadFile(filepath.Join(root, "output", "message"))
	return ran{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), string(message)}
}

func TestStepRunsInItsJob(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for path, text := range map[string]string{
		"processing/input/raw/rows.csv": "1,2\n",
		"config/resourceconfig.json":    `{"current_host":"algo-2","hosts":["algo-10","algo-2","algo-1"]}`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := runStep(t, root, "Copy", "--rounds", "5", "--share=0.25", "--shuffle", "true")
	if r.code != 0 || r.stderr != "" || r.message != "" {
		t.Fatalf("the step did not succeed: %+v", r)
	}
	got, err := os.ReadFile(filepath.Join(root, "processing/output/copy/rows.csv"))
	if err != nil || string(got) != "5 0.25 true none\n1,2\n" {
		t.Errorf("the output is %q, %v", got, err)
	}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if lines[0] != "progress: 1/1000 records" || lines[len(lines)-2] != "progress: 1000/1000 records" || len(lines) > 100 {
		t.Errorf("the first and the last progress must be told, and few between; the log has %d lines: %.300s", len(lines), r.stdout)
	}
	if last := lines[len(lines)-1]; last != "algo-2 is host 1 of 3, step Copy, child step ''" {
		t.Errorf("the last line is %q", last)
	}
}

func TestStepFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step    string
		args    []string
		code    int
		message string // a part of what is left for the platform and of stderr
	}{
		"error":             {"Fail", nil, 1, "column 'price' is missing"},
		"panic":             {"Panic", nil, 2, "panic: step 'Panic' declares no input named 'nope'"},
		"unknown step":      {"Nope", nil, 1, "MOBULA_STEP is 'Nope', which is no step of workflow 'steps' that runs a Go function; [Copy Fail Panic Wait] are"},
		"missing arguments": {"Copy", []string{"--rounds", "1"}, 1, "argument --share is missing; the step was given [rounds]; argument --shuffle is missing"},
		"wrong argument":    {"Copy", []string{"--rounds", "many", "--share", "NaN", "--shuffle", "1"}, 1, "argument --rounds: value 'many' is not a whole number; argument --share: value 'NaN' is not a number"},
		"no flag":           {"Copy", []string{"rounds"}, 1, "argument 1 is 'rounds': arguments are --name value"},
		"no value":          {"Copy", []string{"--rounds"}, 1, "argument --rounds has no value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runStep(t, t.TempDir(), c.step, c.args...)
			if r.code != c.code || !strings.Contains(r.message, c.message) || !strings.Contains(r.stderr, c.message) {
				t.Errorf("got %+v, want code %d and message %q", r, c.code, c.message)
			}
			if (c.code == 2) != strings.Contains(r.stderr, "goroutine") {
				t.Errorf("a stack belongs to a panic and to nothing else: %s", r.stderr)
			}
		})
	}
}

func TestStepIsStopped(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	cmd := prepare(t, root, "Wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil { // it says that it is waiting
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	message, _ := os.ReadFile(filepath.Join(root, "output", "message"))
	if cmd.ProcessState.ExitCode() != 1 || string(message) != "stopped: context canceled" {
		t.Errorf("after SIGTERM: %v, message %q", err, message)
	}
}
