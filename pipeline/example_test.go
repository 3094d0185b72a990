package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/mobula-ml/mobula/pipeline"
)

// A workflow of two steps. In a program, pipeline.Main(w) would be the rest of main.
func Example() {
	w := pipeline.New("squares")
	w.Target.Program = pipeline.Program{Name: "squares", SHA256: "5e"} // only so that this example prints the same everywhere
	count := w.Integer("Count", 10)

	numbers := w.Processing("Numbers", pipeline.Func(func(ctx context.Context, job *pipeline.Job) error {
		n, err := job.Int("count")
		if err != nil {
			return err
		}
		for i := range n {
			job.Progress(i+1, n, "numbers")
		}
		return os.WriteFile(job.Output("numbers")+"/numbers.txt", []byte(fmt.Sprint(n)), 0o644)
	}), pipeline.ProcessingSpec{
		Args:        map[string]any{"count": count},
		Outputs:     []pipeline.Output{{Name: "numbers"}},
		StepOptions: pipeline.StepOptions{Cache: 12 * time.Hour},
	})
	w.Processing("Squares", pipeline.Func(func(ctx context.Context, job *pipeline.Job) error {
		job.Logf("reading %s", job.Input("numbers"))
		return nil
	}), pipeline.ProcessingSpec{
		Inputs: []pipeline.Input{{Name: "numbers", URI: numbers.Output("numbers")}},
	})

	definition, err := w.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	var d struct{ Steps []struct{ Name, Type string } }
	if err := json.Unmarshal(definition, &d); err != nil {
		fmt.Println(err)
	}
	fmt.Println(d.Steps)
	// Output: [{Numbers Processing} {Squares Processing}]
}

// Build finds every mistake before anything is sent.
func ExampleWorkflow_Build() {
	w := pipeline.New("mistakes")
	report := w.Training("Train", pipeline.TrainingSpec{HyperParameters: map[string]any{"num_round": 10}})
	w.Fail("Sorry", pipeline.Join(" ", "loss", pipeline.Property[float64](report, "Loss"), "above", pipeline.Get[float64]("Parameters.Limit")))
	_, err := w.Build()
	fmt.Println(err)
	// Output:
	// pipeline: 2 problems:
	//   step 'Sorry': ErrorMessage.Values[1]: step 'Train' is a Training step, which has no property 'Loss'
	//   step 'Sorry': ErrorMessage.Values[3]: there is no parameter named 'Limit'
}

// Choose between steps by a number in a file that a step wrote.
func ExampleWorkflow_Condition() {
	w := pipeline.New("gate")
	w.Target.Program = pipeline.Program{Name: "gate", SHA256: "5e"}
	limit := w.Float("RMSEThreshold", 15000)
	evaluate := w.Processing("Evaluate", pipeline.Func(func(context.Context, *pipeline.Job) error { return nil }), pipeline.ProcessingSpec{
		Outputs:       []pipeline.Output{{Name: "report"}},
		PropertyFiles: []pipeline.PropertyFile{{Name: "Report", Output: "report", Path: "evaluation.json"}},
	})
	w.Condition("Check", pipeline.ConditionSpec{
		If:   []pipeline.Condition{pipeline.GreaterThan(pipeline.JSON[float64](evaluate, "Report", "rmse.value"), limit)},
		Then: []pipeline.Step{w.Fail("TooFarOff", pipeline.Join(" ", "RMSE is above", limit))},
	})
	definition, err := w.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	var d struct {
		Steps []struct {
			Arguments struct{ Conditions []json.RawMessage }
		}
	}
	if err := json.Unmarshal(definition, &d); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%s\n", d.Steps[1].Arguments.Conditions[0])
	// Output: {"LeftValue":{"Std:JsonGet":{"Path":"rmse.value","PropertyFile":{"Get":"Steps.Evaluate.PropertyFiles.Report"}}},"RightValue":{"Get":"Parameters.RMSEThreshold"},"Type":"GreaterThan"}
}
