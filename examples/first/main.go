// Command first is a small workflow: make data, train a model of it, and register the model if it is good.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/mobula-ml/mobula/pipeline"
)

func main() { pipeline.Main(workflow()) }

// workflow says what the steps are and what goes from one to the next.
func workflow() *pipeline.Workflow {
	w := pipeline.New("first")
	rows, limit := w.Integer("Rows", 2000), w.Float("MaxError", 0.5)

	data := w.Processing("MakeData", pipeline.Func(makeData), pipeline.ProcessingSpec{
		Args:    map[string]any{"rows": rows},
		Outputs: []pipeline.Output{{Name: "train"}, {Name: "validation"}},
	})
	model := w.Training("Train", pipeline.TrainingSpec{
		HyperParameters: map[string]any{"num_round": 50, "objective": "reg:squarederror", "max_depth": 4},
		Channels: []pipeline.Channel{
			{Name: "train", URI: data.Output("train"), ContentType: "text/csv"},
			{Name: "validation", URI: data.Output("validation"), ContentType: "text/csv"},
		},
	})
	good := w.Register("Register", pipeline.RegisterSpec{Group: pipeline.Const("first"), Model: model.Model()})
	bad := w.Fail("TooFarOff", pipeline.Join(" ", "the error is above", limit))
	w.Condition("Check", pipeline.ConditionSpec{
		If:   []pipeline.Condition{pipeline.LessThanOrEqualTo(model.Metric("validation:rmse"), limit)},
		Then: []pipeline.Step{good}, Else: []pipeline.Step{bad},
	})
	return w
}

// makeData runs in a job of its own. It writes y = 3a - 2b + noise as CSV, y first.
func makeData(_ context.Context, job *pipeline.Job) error {
	n, err := job.Int("rows")
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"train", "validation"} {
		var csv strings.Builder
		for range n {
			a, b := random.Float64(), random.Float64()
			fmt.Fprintf(&csv, "%.4f,%.4f,%.4f\n", 3*a-2*b+0.1*random.NormFloat64(), a, b)
		}
		if err := os.WriteFile(filepath.Join(job.Output(name), "data.csv"), []byte(csv.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
