package pipeline_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// command runs this program as a person would, against a service at endpoint.
func command(t *testing.T, endpoint string, args ...string) ran {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "MOBULA_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "MOBULA_COMMAND=1")
	if endpoint != "" {
		cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL="+endpoint, "AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=SECRET")
	}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return ran{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	s := newService(t)
	script(s)
	s.on("CreatePipeline", func(map[string]any) (any, error) { return map[string]any{"PipelineArn": pipelineARN}, nil })
	s.on("StartPipelineExecution", func(map[string]any) (any, error) {
		return map[string]any{"PipelineExecutionArn": executionARN}, nil
	})
	s.on("DeletePipeline", func(map[string]any) (any, error) { return nil, refusal{"ResourceNotFound", "Pipeline does not exist."} })
	s.on("ListPipelineExecutions", func(map[string]any) (any, error) {
		return map[string]any{"PipelineExecutionSummaries": []any{map[string]any{"PipelineExecutionArn": executionARN}}}, nil
	})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	const nobody = "http://127.0.0.1:1"
	for _, c := range []struct {
		endpoint string
		args     string
		code     int
		want     string // a part of what it prints
	}{
		{server.URL, "apply", 0, pipelineARN + "\n"},
		{server.URL, "run -p Rounds=4 -v", 1, "PreprocessData algo-1 | reading\n"},
		{server.URL, "run", 1, "execution a1b2c3d4e5f6 is Failed: Step failure: One or multiple steps failed."},
		{server.URL, "start", 0, executionARN + "\n"},
		{server.URL, "status", 0, "cached from earlier00000"},
		{server.URL, "status a1b2c3d4e5f6", 0, "RMSE is too large"},
		{server.URL, "stop 000000000000", 1, "execution '000000000000' is not one of the newest 100 of pipeline steps; give its ARN"},
		{server.URL, "delete", 1, "Pipeline does not exist.\nTry: "},
		{"", "definition", 0, `{"Version":"2020-12-01"`},
		{"", "help", 0, "is the workflow steps"},
		{"", "apply", 1, "environment variable AWS_"},
		{"", "apply", 1, `Try: eval "$(mobula env)"`},
		{nobody, "start -p Rounds=many", 1, "parameter 'Rounds': value 'many' is not an Integer"},
		{nobody, "start -p Rounds", 2, "it must read Name=Value"},
		{nobody, "start extra", 2, "start takes 0 arguments after its flags, not [extra]\nTry: "},
		{nobody, "stop", 2, "stop takes 1 arguments"},
		{nobody, "fly", 2, "'fly' is no command"},
		{nobody, "", 2, "no command is given"},
		{nobody, "status -p x=1", 2, "flag provided but not defined: -p"},
		{nobody, "delete", 1, "Try: mobula up"},
	} {
		r := command(t, c.endpoint, strings.Fields(c.args)...)
		if all := r.stdout + r.stderr; r.code != c.code || !strings.Contains(all, c.want) {
			t.Errorf("%s: exit code %d, want %d; want %q in\n%s", c.args, r.code, c.code, c.want, all)
		}
		if (c.code != 0) != (r.stderr != "") {
			t.Errorf("%s: errors go to stderr, and nothing else does: %q", c.args, r.stderr)
		}
	}
}
