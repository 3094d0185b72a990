package pipeline_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/pipeline"
)

const executionARN = pipelineARN + "/execution/a1b2c3d4e5f6"

// at is a moment of the scripted execution, in seconds since the epoch.
func at(seconds float64) float64 { return 1_800_000_000 + seconds }

func jobARN(kind, name string) map[string]any {
	return map[string]any{"Arn": "arn:aws:sagemaker:us-east-1:210987654321:" + kind + "/" + strings.ToLower(name)}
}

// script makes the service show one state of an execution after another: each call of DescribePipelineExecution goes on to the next.
func script(s *service) {
	const prepare, tune = "pipelines-a1b2c3d4e5f6-PreprocessData-0011223344", "pipelines-a1b2c3d4e5f6-HPTuning-5566778899"
	step := func(name, status, kind string, metadata any, more map[string]any) map[string]any {
		out := map[string]any{"StepName": name, "StepStatus": status, "StartTime": at(1), "AttemptCount": 1}
		if metadata != nil {
			out["Metadata"] = map[string]any{kind: metadata}
		}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	ended := map[string]any{"EndTime": at(3.5)}
	ingest := step("Ingest", "Succeeded", "ProcessingJob", jobARN("processing-job", "old"), map[string]any{"EndTime": at(1),
		"CacheHitResult": map[string]any{"SourcePipelineExecutionArn": pipelineARN + "/execution/earlier00000"}})
	prepared := step("PreprocessData", "Succeeded", "ProcessingJob", jobARN("processing-job", prepare), ended)
	states := [][]any{
		{},
		{ingest, step("PreprocessData", "Starting", "", nil, nil)},
		{ingest, step("PreprocessData", "Executing", "ProcessingJob", jobARN("processing-job", prepare), nil)},
		{ingest, prepared, step("HPTuning", "Executing", "TuningJob", jobARN("hyper-parameter-tuning-job", tune), nil)},
		{ingest, prepared, step("HPTuning", "Succeeded", "TuningJob", jobARN("hyper-parameter-tuning-job", tune), ended),
			step("Check", "Succeeded", "Condition", map[string]any{"Outcome": "False"}, ended),
			step("RMSEFail", "Failed", "Fail", map[string]any{"ErrorMessage": "RMSE is too large"}, ended)},
	}
	now := -1
	s.on("DescribePipelineExecution", func(map[string]any) (any, error) {
		now = min(now+1, len(states)-1)
		out := map[string]any{"PipelineArn": pipelineARN, "PipelineExecutionArn": executionARN, "PipelineExecutionStatus": "Executing", "CreationTime": at(0), "LastModifiedTime": at(1)}
		if now == len(states)-1 {
			out["PipelineExecutionStatus"], out["FailureReason"], out["LastModifiedTime"] = "Failed", "Step failure: One or multiple steps failed.", at(4)
		}
		return out, nil
	})
	s.on("ListPipelineExecutionSteps", func(in map[string]any) (any, error) { // pages of one step
		from := 0
		fmt.Sscan(fmt.Sprint(in["NextToken"]), &from)
		out := map[string]any{"PipelineExecutionSteps": states[now][min(from, len(states[now])):min(from+1, len(states[now]))]}
		if from+1 < len(states[now]) {
			out["NextToken"] = fmt.Sprint(from + 1)
		}
		return out, nil
	})
	s.on("DescribeLogStreams", func(in map[string]any) (any, error) {
		if in["logGroupName"] != "/aws/sagemaker/ProcessingJobs" || in["logStreamNamePrefix"] != prepare+"/" {
			return nil, refusal{"ResourceNotFoundException", "The specified log group does not exist."}
		}
		return map[string]any{"logStreams": []any{map[string]any{"logStreamName": prepare + "/algo-1-1800000000"}}}, nil
	})
	lines := []string{"reading", "progress: 5/10 records", "progress: 10/10 records", "done"}
	s.on("GetLogEvents", func(in map[string]any) (any, error) {
		from := 0
		fmt.Sscanf(fmt.Sprint(in["nextToken"]), "f/%d", &from)
		var events []any
		to := min(from+1, len(lines))
		for _, l := range lines[from:to] {
			events = append(events, map[string]any{"message": l, "timestamp": 1})
		}
		return map[string]any{"events": events, "nextForwardToken": fmt.Sprintf("f/%d", to)}, nil
	})
	s.on("DescribeHyperParameterTuningJob", func(in map[string]any) (any, error) {
		if in["HyperParameterTuningJobName"] != tune {
			s.t.Errorf("asked for tuning job %v", in["HyperParameterTuningJobName"])
		}
		return map[string]any{"HyperParameterTuningJobConfig": map[string]any{"ResourceLimits": map[string]any{"MaxNumberOfTrainingJobs": 4}},
			"TrainingJobStatusCounters": map[string]any{"Completed": 1, "NonRetryableError": 1, "InProgress": 2}}, nil
	})
	s.on("ListTrainingJobsForHyperParameterTuningJob", func(map[string]any) (any, error) { return map[string]any{"TrainingJobSummaries": []any{}}, nil })
}

// told writes an event in a line.
func told(e pipeline.Event) string {
	switch e.Kind {
	case pipeline.ExecutionChanged:
		return "execution " + e.Execution.Status
	case pipeline.StepChanged:
		return e.Step.Name + " " + e.Step.Status
	case pipeline.StepProgress:
		return e.Step.Name + " " + e.Host + " " + e.Progress.String()
	case pipeline.StepLog:
		return e.Step.Name + " " + e.Host + " | " + e.Line
	}
	return ""
}

func TestFollow(t *testing.T) {
	t.Parallel()
	s := newService(t)
	script(s)
	var got []string
	e, err := s.start().Follow(t.Context(), executionARN, pipeline.FollowOptions{Logs: true, Events: func(e pipeline.Event) {
		if text := told(e); text != "" {
			got = append(got, text)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"execution Executing", "Ingest Succeeded", "PreprocessData Starting", "PreprocessData Executing",
		"PreprocessData algo-1 | reading", "PreprocessData algo-1 5/10 records", "PreprocessData algo-1 10/10 records", "PreprocessData algo-1 | done",
		"PreprocessData Succeeded", "HPTuning Executing", "HPTuning  2/4 trials", "HPTuning Succeeded", "Check Succeeded", "RMSEFail Failed", "execution Failed"}
	if !slices.Equal(got, want) {
		t.Errorf("told\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	if e.Status != pipeline.Failed || e.FailureReason != "Step failure: One or multiple steps failed." || e.Seconds != 4 || len(e.Steps) != 5 {
		t.Errorf("the execution is %+v", e)
	}
	if r := e.Step("Ingest"); !r.Cached || r.CachedFrom != pipelineARN+"/execution/earlier00000" || r.Seconds != 0 {
		t.Errorf("the cached step is %+v", r)
	}
	if r := e.Step("PreprocessData"); r.Cached || r.Seconds != 2.5 || r.Kind != "Processing" {
		t.Errorf("the step is %+v", r)
	}
	if r := e.Step("RMSEFail"); r.FailureReason != "RMSE is too large" || e.Step("Check").Outcome != "False" {
		t.Errorf("the failed step is %+v", r)
	}
}

func TestFollowOutlastsARestartOfTheService(t *testing.T) {
	t.Parallel()
	s := newService(t)
	script(s)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	first := &http.Server{Handler: s}
	go first.Serve(listener)
	stopped := make(chan struct{})
	e, err := s.client("http://"+address).Follow(t.Context(), executionARN, pipeline.FollowOptions{Events: func(e pipeline.Event) {
		if told(e) != "PreprocessData Executing" {
			return
		}
		first.Close()
		go func() {
			defer close(stopped)
			time.Sleep(50 * time.Millisecond) // nobody answers in the meantime
			again, err := net.Listen("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			second := &http.Server{Handler: s}
			t.Cleanup(func() { second.Close() })
			go second.Serve(again)
		}()
	}})
	<-stopped
	if err != nil || e.Status != pipeline.Failed {
		t.Errorf("Follow: %+v, %v", e, err)
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newService(t)
	script(s)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.start().Follow(ctx, executionARN, pipeline.FollowOptions{Events: func(e pipeline.Event) { cancel() }})
	if err == nil || ctx.Err() == nil {
		t.Errorf("Follow went on: %v", err)
	}
	s.on("DescribePipelineExecution", func(map[string]any) (any, error) { return nil, refusal{"ResourceNotFound", "no such execution"} })
	if _, err := s.start().Follow(t.Context(), executionARN, pipeline.FollowOptions{}); pipeline.ErrorCode(err) != "ResourceNotFound" {
		t.Errorf("an execution that is not there: %v", err)
	}
}
