package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/pipeline"
)

// show replays an execution on a renderer.
func show(o pipeline.RenderOptions) string {
	started := time.Unix(1_800_000_000, 0)
	now := started
	o.Now = func() time.Time { return now }
	var out strings.Builder
	r := pipeline.NewRenderer(&out, o)
	e := &pipeline.Execution{ARN: executionARN, Status: pipeline.Executing, Started: started}
	ingest := &pipeline.StepResult{Name: "Ingest", Status: pipeline.Succeeded, Started: started, Cached: true, CachedFrom: pipelineARN + "/execution/earlier00000"}
	train := &pipeline.StepResult{Name: "Train", Status: pipeline.Executing, Started: started.Add(time.Second), Resource: "job"}
	tell := func(ev pipeline.Event) {
		now = now.Add(time.Second)
		ev.Execution = e
		r.Event(ev)
	}
	tell(pipeline.Event{Kind: pipeline.ExecutionChanged})
	tell(pipeline.Event{Kind: pipeline.StepChanged, Step: ingest})
	tell(pipeline.Event{Kind: pipeline.StepChanged, Step: train})
	for done := int64(1); done <= 50; done++ {
		tell(pipeline.Event{Kind: pipeline.StepProgress, Step: train, Host: "algo-1", Progress: pipeline.Progress{Done: done, Total: 50, Unit: "rounds"}})
	}
	tell(pipeline.Event{Kind: pipeline.StepLog, Step: train, Host: "algo-2", Line: "red\x1b[31m and\tback\x07"})
	tell(pipeline.Event{Kind: pipeline.StepProgress, Step: train, Host: "algo-2", Progress: pipeline.Progress{Done: 25, Total: 50, Unit: "rounds"}})
	failed := *train
	failed.Status, failed.FailureReason, failed.Seconds = pipeline.Failed, "AlgorithmError: no rows\nin the file", 2.5
	tell(pipeline.Event{Kind: pipeline.StepChanged, Step: &failed})
	e = &pipeline.Execution{ARN: executionARN, Status: pipeline.Failed, FailureReason: "Step failure.", Seconds: 4}
	tell(pipeline.Event{Kind: pipeline.ExecutionChanged})
	r.Close()
	return out.String()
}

func TestRenderLines(t *testing.T) {
	t.Parallel()
	got := show(pipeline.RenderOptions{})
	want := `execution a1b2c3d4e5f6: Executing
Ingest: Succeeded (0.0 s, cached from earlier00000)
Train: Executing
Train: 1/50 rounds (2 %)
Train: 5/50 rounds (10 %)
Train: 10/50 rounds (20 %)
Train: 15/50 rounds (30 %)
Train: 20/50 rounds (40 %)
Train: 25/50 rounds (50 %)
Train: 30/50 rounds (60 %)
Train: 35/50 rounds (70 %)
Train: 40/50 rounds (80 %)
Train: 45/50 rounds (90 %)
Train: 50/50 rounds (100 %)
Train algo-2 | red[31m and    back
Train: 75/100 rounds (75 %)
Train: Failed (2.5 s): AlgorithmError: no rows in the file
execution a1b2c3d4e5f6: Failed after 4.0 s: Step failure.
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRenderLive(t *testing.T) {
	t.Parallel()
	got := show(pipeline.RenderOptions{Live: true, Color: true, Width: 60})
	for _, want := range []string{
		"\x1b[36m● Train       3.0 s  ░░░░░░░░░░░░░░░░░░░░ 1/50 rounds\x1b[0m", "████████████████████ 50/50 rounds",
		"Train algo-2 | red[31m and    back\n", "██████████████░░░░░░", "\x1b[32m✓ Ingest      0.0 s  cached from earlier00000\x1b[0m",
		"\x1b[31m✗ Train       2.5 s  AlgorithmError: no rows in the file\x1b[0m", "\x1b[31mexecution a1b2c3d4e5f6  Failed  4.0 s: Step failure.\x1b[0m",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the terminal never shows %q", want)
		}
	}
	for line := range strings.Lines(got) {
		plain := strings.NewReplacer("\x1b[36m", "", "\x1b[32m", "", "\x1b[31m", "", "\x1b[0m", "", "\x1b[3A\r\x1b[J", "", "\x1b[2A\r\x1b[J", "", "\x1b[1A\r\x1b[J", "").Replace(line)
		if n := len([]rune(strings.TrimSuffix(plain, "\n"))); n > 60 {
			t.Errorf("a line of %d columns on a terminal of 60: %q", n, line)
		}
	}
	if low := show(pipeline.RenderOptions{Live: true, Rows: 3}); strings.Contains(low, "\x1b[3A") || !strings.Contains(low, "\x1b[2A") {
		t.Error("on a terminal of three rows, at most two are redrawn")
	}
	if plain := show(pipeline.RenderOptions{Live: true}); strings.Contains(plain, "\x1b[3") && strings.Contains(plain, "m●") {
		t.Error("there are colours where none are asked for")
	}
}

func TestWriteTable(t *testing.T) {
	t.Parallel()
	e := &pipeline.Execution{ARN: executionARN, Status: pipeline.Failed, Seconds: 4, Steps: []pipeline.StepResult{
		{Name: "Ingest", Status: pipeline.Succeeded, Cached: true, CachedFrom: pipelineARN + "/execution/earlier00000"},
		{Name: "Check", Status: pipeline.Succeeded, Seconds: 0.04, Outcome: "False"},
		{Name: "RMSEFail", Status: pipeline.Failed, FailureReason: "RMSE is too large"},
	}}
	var out strings.Builder
	if err := e.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	want := `STEP                    STATUS     SECONDS  
Ingest                  Succeeded  0.0      cached from earlier00000
Check                   Succeeded  0.0      False
RMSEFail                Failed     0.0      RMSE is too large
execution a1b2c3d4e5f6  Failed     4.0      
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
