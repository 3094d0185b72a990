package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGeneratingAgainChangesNothing compares the files of the checkout with what the generator makes of the tests' own botocore.
func TestGeneratingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	python := os.Getenv("MOBULA_PYTHON")
	if python == "" {
		python = filepath.Join("..", "..", "..", ".cache", "venv", "bin", "python")
	}
	out, err := exec.CommandContext(t.Context(), python, "-c", "import botocore; print(botocore.__path__[0])").Output()
	if err != nil {
		t.Fatalf("the tests' Python with botocore is missing: %v. Try: make setup-test", err)
	}
	files, err := generate(filepath.Join(strings.TrimSpace(string(out)), "data"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the generator makes (%v). Try: make generate", name, err)
		}
	}
	there, err := filepath.Glob("../*_gen.go")
	if err != nil || len(there) != len(files) {
		t.Errorf("%d generated files are there, %d are made (%v)", len(there), len(files), err)
	}
}

func TestResource(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"CreateTrial": "Trial", "ListTrials": "Trial", "BatchDescribeModelPackage": "ModelPackage", "ListTrainingJobsForHyperParameterTuningJob": "TrainingJob",
		"RetryPipelineExecution": "PipelineExecution", "DescribePipelineDefinitionForExecution": "PipelineDefinition", "Search": "Search", "ListArtifactPolicies": "ArtifactPolicy"} {
		if got := resource(name); got != want {
			t.Errorf("%s is about %s, want %s", name, got, want)
		}
	}
}
