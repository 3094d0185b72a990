package main

import (
	"os"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/mobulatest"
	"github.com/mobula-ml/mobula/pipeline"
)

func TestMain(m *testing.M) { mobulatest.Main(m, workflow()) }

func TestTheWorkflowRegistersAModelOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	client := mobulatest.Start(t, mobulatest.Options{}).Client(t)
	if _, err := client.Upsert(t.Context(), workflow()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		limit        float64
		status, last string
	}{{0.5, "Succeeded", "Register"}, {0.001, "Failed", "TooFarOff"}} {
		arn, err := client.Start(t.Context(), workflow(), pipeline.StartOptions{Parameters: map[string]any{"MaxError": c.limit}})
		if err != nil {
			t.Fatal(err)
		}
		run, err := client.Follow(t.Context(), arn, pipeline.FollowOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if run.Status != c.status || run.Step(c.last) == nil {
			t.Errorf("with MaxError %v: %s, %s", c.limit, run.Status, run.FailureReason)
		}
	}
}

// TestTheReadmeShowsThisProgram keeps the page and the program the same.
func TestTheReadmeShowsThisProgram(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(program), "\n"); lines > 60 {
		t.Errorf("the program has %d lines, a first one has at most 60", lines)
	}
	if !strings.Contains(string(page), "```go\n"+string(program)+"```\n") {
		t.Error("README.md does not show examples/first/main.go as it is")
	}
}
