package mobulatest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/mobula-ml/mobula/mobulatest"
	"github.com/mobula-ml/mobula/pipeline"
)

func workflow() *pipeline.Workflow {
	w := pipeline.New("greeting")
	name := w.String("Name", "world")
	w.Processing("Greet", pipeline.Func(func(_ context.Context, job *pipeline.Job) error {
		name, err := job.Arg("name")
		if err != nil {
			return err
		}
		if name == "nobody" {
			return errors.New("there is nobody to greet")
		}
		return os.WriteFile(filepath.Join(job.Output("greeting"), "greeting.txt"), []byte("hello "+name), 0o644)
	}), pipeline.ProcessingSpec{Args: map[string]any{"name": name}, Outputs: []pipeline.Output{{Name: "greeting"}}})
	return w
}

func TestMain(m *testing.M) { mobulatest.Main(m, workflow()) }

func TestWorkflow(t *testing.T) {
	t.Parallel()
	client := mobulatest.Start(t, mobulatest.Options{}).Client(t)
	w := workflow()
	if _, err := client.Upsert(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Ulm": "Succeeded", "nobody": "Failed"} {
		arn, err := client.Start(t.Context(), w, pipeline.StartOptions{Parameters: map[string]any{"Name": name}})
		if err != nil {
			t.Fatal(err)
		}
		e, err := client.Follow(t.Context(), arn, pipeline.FollowOptions{})
		if err != nil || e.Status != want {
			t.Fatalf("%s: %s, %v", name, e.Status, err)
		}
		if want == "Failed" && e.Step("Greet").FailureReason != "AlgorithmError: there is nobody to greet, exit code: 1" {
			t.Errorf("reason %q", e.Step("Greet").FailureReason)
		}
	}
}
