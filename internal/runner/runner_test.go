package runner_test

import (
	"testing"

	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/runner/runnertest"
)

func TestMain(m *testing.M) { runnertest.Main(m) }

func TestNamespace(t *testing.T) {
	runnertest.Setenv(t)
	r, choice, err := runner.Choose(t.Context(), runner.Auto, runner.Options{Outside: runnertest.Outside(t)})
	if err != nil {
		t.Fatal(err)
	}
	if choice.Runner != runner.Namespace {
		t.Fatalf("%+v", choice)
	}
	runnertest.Run(t, r, runnertest.Traits{Isolated: true, Limits: len(r.Notes()) == 0})
}

func TestPlain(t *testing.T) {
	runnertest.Setenv(t)
	r, _, err := runner.Choose(t.Context(), runner.Plain, runner.Options{PlatformAddr: "127.0.0.1:47633", Outside: runnertest.Outside(t)})
	if err != nil {
		t.Fatal(err)
	}
	runnertest.Run(t, r, runnertest.Traits{})
}
