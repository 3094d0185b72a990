package pipeline_test

import (
	"encoding/json"
	"testing"

	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/pipeline"
)

// FuzzReference gives Build references and texts of any form: it never panics, and what it lets through is a definition that the service takes.
func FuzzReference(f *testing.F) {
	for _, seed := range []string{"Steps.S.ProcessingOutputConfig.Outputs['o'].S3Output.S3Uri", "Steps.S.PropertyFiles.R", "Parameters.P", "Execution.PipelineName",
		"Steps.T.TrainingJobSummaries[0].TrainingJobName", "Steps.S.A[", "Steps.S.A[-1].B", "Steps..", "", `{"Get":"Parameters.P"}`, "Steps.S.Environment['x']", "Steps.S.ProcessingInputs[0]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		w := pipeline.New("w")
		w.Target = fixed
		w.String("P", "x")
		w.Processing("S", pipeline.Func(nothing), pipeline.ProcessingSpec{Args: map[string]any{"text": path}, Outputs: []pipeline.Output{{Name: "o"}},
			PropertyFiles: []pipeline.PropertyFile{{Name: "R", Output: "o", Path: "r.json"}}})
		w.Tuning("T", pipeline.TuningSpec{Objective: pipeline.Minimize("m"), Ranges: []pipeline.Range{pipeline.Integer("a", 1, 2)}})
		w.Fail("F", pipeline.Get[string](path))
		text, err := w.Build()
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("'%s' gives what is no JSON", path)
		}
		if _, err := definition.Parse(string(text)); err != nil {
			t.Errorf("'%s' is let through, and the service refuses it: %v", path, err)
		}
	})
}
