package pipelines_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/pipelines"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/store"
)

// world stands beside the room: jobs that end when a test says so, feature groups with fingerprints. Its state is kept in memory, and it counts.
type world struct {
	e  *platformtest.Env
	mu sync.Mutex
	// auto ends every job at once; else it runs until end.
	auto     bool
	jobs     map[string]*awsapi.DescribeProcessingJobResponse
	owners   map[string]durable.Owner
	created  map[string]int // by the step's name in the job's
	refusals []error        // of the next jobs that are made
	running  int
	most     int
	write    map[string]string // objects that a job leaves, by key below its first output
	groups   map[string]string
	touched  map[string][]string
	runtimes map[string]pyenv.Runtime // by image
}

func newWorld(e *platformtest.Env) *world {
	return &world{e: e, jobs: map[string]*awsapi.DescribeProcessingJobResponse{}, owners: map[string]durable.Owner{}, created: map[string]int{},
		write: map[string]string{}, groups: map[string]string{}, touched: map[string][]string{}, runtimes: map[string]pyenv.Runtime{}}
}

// stepOf takes the step's name out of a job's.
func stepOf(job string) string { return strings.Split(job, "-")[2] }

func (w *world) CreateProcessingJob(ctx context.Context, in *awsapi.CreateProcessingJobRequest) (*awsapi.CreateProcessingJobResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := *in.ProcessingJobName
	if w.jobs[name] != nil {
		return nil, awsapi.InUse("Job name must be unique")
	}
	if len(in.AppSpecification.ContainerArguments) > 0 && in.AppSpecification.ContainerArguments[0] == "refuse" {
		return nil, awsapi.Validation("no such thing")
	}
	if len(w.refusals) > 0 {
		err := w.refusals[0]
		w.refusals = w.refusals[1:]
		return nil, err
	}
	w.created[stepOf(name)]++
	w.running++
	w.most = max(w.most, w.running)
	w.owners[name] = durable.OwnerFrom(ctx)
	w.jobs[name] = &awsapi.DescribeProcessingJobResponse{ProcessingJobName: &name, ProcessingJobArn: new("arn:aws:sagemaker:us-east-1:123456789012:processing-job/" + name),
		ProcessingJobStatus: new("InProgress"), ProcessingOutputConfig: in.ProcessingOutputConfig, AppSpecification: in.AppSpecification}
	if w.auto {
		w.finish(name, "Completed", "")
	}
	return &awsapi.CreateProcessingJobResponse{ProcessingJobArn: w.jobs[name].ProcessingJobArn}, nil
}

// finish ends a job; the caller holds the lock.
func (w *world) finish(name, status, reason string) {
	j := w.jobs[name]
	w.running--
	j.ProcessingJobStatus, j.FailureReason = &status, awsapi.Optional(reason)
	if status == "Completed" && j.ProcessingOutputConfig != nil {
		for _, out := range j.ProcessingOutputConfig.Outputs {
			bucket, prefix, _ := object.ParseURI(*out.S3Output.S3Uri)
			for key, text := range w.write {
				if _, err := w.e.Objects.Put(w.e.Ctx, bucket, prefix+"/"+key, strings.NewReader(text), object.PutOptions{}); err != nil {
					panic(err)
				}
			}
		}
	}
}

// end ends the job of a step, as soon as it runs, and tells its owner.
func (w *world) end(t *testing.T, step, status, reason string) {
	t.Helper()
	name := ""
	platformtest.Eventually(t, "step "+step+" runs", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for n, j := range w.jobs {
			if stepOf(n) == step && *j.ProcessingJobStatus == "InProgress" {
				name = n
			}
		}
		return name != ""
	})
	w.mu.Lock()
	w.finish(name, status, reason)
	owner := w.owners[name]
	w.mu.Unlock()
	if err := w.e.DB.Update(w.e.Ctx, func(tx *store.Tx) error { return owner.Notify(w.e.Engine, tx) }); err != nil {
		t.Fatal(err)
	}
}

func (w *world) DescribeProcessingJob(_ context.Context, in *awsapi.DescribeProcessingJobRequest) (*awsapi.DescribeProcessingJobResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	j := *w.jobs[*in.ProcessingJobName]
	return &j, nil
}

func (w *world) StopProcessingJob(_ context.Context, in *awsapi.StopProcessingJobRequest) error {
	w.mu.Lock()
	w.finish(*in.ProcessingJobName, "Stopped", "")
	owner := w.owners[*in.ProcessingJobName]
	w.mu.Unlock()
	return w.e.DB.Update(w.e.Ctx, func(tx *store.Tx) error { return owner.Notify(w.e.Engine, tx) })
}

func (w *world) CreateTrainingJob(context.Context, *awsapi.CreateTrainingJobRequest) (*awsapi.CreateTrainingJobResponse, error) {
	panic("no test trains")
}

func (w *world) DescribeTrainingJob(context.Context, *awsapi.DescribeTrainingJobRequest) (*awsapi.DescribeTrainingJobResponse, error) {
	panic("no test trains")
}

func (w *world) StopTrainingJob(context.Context, *awsapi.StopTrainingJobRequest) error {
	panic("no test trains")
}

func (w *world) CreateExperiment(context.Context, *awsapi.CreateExperimentRequest) (*awsapi.CreateExperimentResponse, error) {
	return nil, awsapi.Validation("Experiment already exists.")
}

func (w *world) CreateTrial(context.Context, *awsapi.CreateTrialRequest) (*awsapi.CreateTrialResponse, error) {
	return &awsapi.CreateTrialResponse{}, nil
}

func (w *world) WrittenBy(_ context.Context, job string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.touched[stepOf(job[strings.LastIndexByte(job, '/')+1:])], nil
}

func (w *world) ReadBy(context.Context, string) ([]string, error) { return nil, nil }

func (w *world) Fingerprint(_ context.Context, group string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.groups[group], nil
}

func (w *world) setRuntime(image string, r pyenv.Runtime) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runtimes[image] = r
}

// Find gives images the runtimes of the test, by their names.
func (w *world) Find(image string) (pyenv.Runtime, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.runtimes[image]
	return r, ok
}

func newRoom(t *testing.T, auto bool) (*world, *pipelines.Service) {
	t.Helper()
	e := platformtest.New(t)
	w := newWorld(e)
	w.auto = auto
	s := pipelines.New(pipelines.Deps{DB: e.DB, Engine: e.Engine, Objects: e.Objects, World: e.World, Log: e.Log, Jobs: w, Experiments: w, Features: w, Runtimes: w})
	if err := e.Engine.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	return w, s
}

type m = map[string]any

// job is a Processing step.
func job(name string, more m) m {
	args := m{"RoleArn": "arn:aws:iam::123456789012:role/r", "AppSpecification": m{"ImageUri": "mobula/go:1", "ContainerEntrypoint": []string{"x"}},
		"ProcessingResources": m{"ClusterConfig": m{"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
		"ProcessingOutputConfig": m{"Outputs": []any{m{"OutputName": "out", "S3Output": m{"S3Uri": "s3://" + platformtest.Bucket + "/out/" + name,
			"LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}}}}}
	for k, v := range more {
		if k == "Arguments" {
			for name, x := range v.(m) {
				args[name] = x
			}
		}
	}
	s := m{"Name": name, "Type": "Processing", "Arguments": args}
	for k, v := range more {
		if k != "Arguments" {
			s[k] = v
		}
	}
	return s
}

func create(t *testing.T, w *world, s *pipelines.Service, steps ...any) {
	t.Helper()
	b, err := json.Marshal(m{"Version": "2020-12-01", "Parameters": []any{m{"Name": "P", "Type": "String", "DefaultValue": "p"}}, "Steps": steps})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreatePipeline(w.e.Ctx, &awsapi.CreatePipelineRequest{PipelineName: new("p"), PipelineDefinition: new(string(b)), RoleArn: new("arn:aws:iam::123456789012:role/r")}); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, w *world, s *pipelines.Service, parallel int32) *string {
	t.Helper()
	in := &awsapi.StartPipelineExecutionRequest{PipelineName: new("p")}
	if parallel > 0 {
		in.ParallelismConfiguration = &awsapi.ParallelismConfiguration{MaxParallelExecutionSteps: &parallel}
	}
	out, err := s.StartPipelineExecution(w.e.Ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	return out.PipelineExecutionArn
}

// outcome waits for the end of an execution and shows its status and steps on one line.
func outcome(t *testing.T, w *world, s *pipelines.Service, arn *string) string {
	t.Helper()
	var status string
	platformtest.Eventually(t, "the execution ends", func() bool {
		e, err := s.DescribePipelineExecution(w.e.Ctx, &awsapi.DescribePipelineExecutionRequest{PipelineExecutionArn: arn})
		if err != nil {
			t.Fatal(err)
		}
		status = *e.PipelineExecutionStatus
		return status != "Executing" && status != "Stopping"
	})
	list, err := s.ListPipelineExecutionSteps(w.e.Ctx, &awsapi.ListPipelineExecutionStepsRequest{PipelineExecutionArn: arn, SortOrder: new("Ascending")})
	if err != nil {
		t.Fatal(err)
	}
	out := status + ":"
	for _, x := range list.PipelineExecutionSteps {
		out += " " + *x.StepName + "=" + *x.StepStatus
		if x.CacheHitResult != nil {
			out += "(cached)"
		}
		if r := awsapi.Val(x.FailureReason); r != "" {
			out += "(" + r + ")"
		}
	}
	return out
}

func TestFailureStopsWhatDependsAndRetryGoesOn(t *testing.T) {
	t.Parallel()
	w, s := newRoom(t, false)
	create(t, w, s, job("A", nil), job("B", nil), job("C", m{"DependsOn": []string{"A"}}))
	arn := start(t, w, s, 0)
	w.end(t, "A", "Failed", "AlgorithmError: no, exit code: 1")
	w.end(t, "B", "Completed", "")
	if got := outcome(t, w, s, arn); got != "Failed: A=Failed(AlgorithmError: no, exit code: 1) B=Succeeded" {
		t.Error(got)
	}
	if _, err := s.RetryPipelineExecution(w.e.Ctx, &awsapi.RetryPipelineExecutionRequest{PipelineExecutionArn: arn}); err != nil {
		t.Fatal(err)
	}
	w.end(t, "A", "Completed", "")
	w.end(t, "C", "Completed", "")
	if got := outcome(t, w, s, arn); got != "Succeeded: A=Succeeded B=Succeeded C=Succeeded" {
		t.Error(got)
	}
	if w.created["A"] != 2 || w.created["B"] != 1 {
		t.Errorf("jobs made: %v", w.created)
	}
	if _, err := s.RetryPipelineExecution(w.e.Ctx, &awsapi.RetryPipelineExecutionRequest{PipelineExecutionArn: arn}); !awsapi.IsCode(err, "ConflictException") {
		t.Errorf("retry of what succeeded: %v", err)
	}
}

func TestRetryPolicy(t *testing.T) {
	t.Parallel()
	w, s := newRoom(t, false)
	create(t, w, s, job("A", m{"RetryPolicies": []any{m{"ExceptionType": []string{"SageMaker.JOB_INTERNAL_ERROR"}, "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 1}}}))
	arn := start(t, w, s, 0)
	w.end(t, "A", "Failed", "InternalServerError: the machine broke")
	w.end(t, "A", "Failed", "InternalServerError: it broke again")
	if got := outcome(t, w, s, arn); got != "Failed: A=Failed(InternalServerError: it broke again)" || w.created["A"] != 2 {
		t.Error(got, w.created)
	}
}

// TestRetryPolicyOfARefusal makes a job that the service first refuses for reasons that pass.
func TestRetryPolicyOfARefusal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		exception string
		refusal   *awsapi.Error
		want      string
	}{
		{"Step.THROTTLING", &awsapi.Error{Code: "ThrottlingException", Status: 400, Message: "Rate exceeded"}, "Succeeded: A=Succeeded"},
		{"SageMaker.RESOURCE_LIMIT", awsapi.LimitExceeded("too many"), "Succeeded: A=Succeeded"},
		{"Step.SERVICE_FAULT", awsapi.Internal(), "Succeeded: A=Succeeded"},
		{"Step.SERVICE_FAULT", awsapi.LimitExceeded("too many"), "Failed: A=Failed(ClientError: Failed to invoke sagemaker:CreateProcessingJob. Error Details: too many)"},
	} {
		w, s := newRoom(t, true)
		w.refusals = []error{c.refusal, c.refusal}
		create(t, w, s, job("A", m{"RetryPolicies": []any{m{"ExceptionType": []string{c.exception}, "IntervalSeconds": 0, "BackoffRate": 0.0, "ExpireAfterMin": 1}}}))
		if got := outcome(t, w, s, start(t, w, s, 0)); got != c.want {
			t.Errorf("%s of %s: %s", c.exception, c.refusal.Code, got)
		}
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	w, s := newRoom(t, false)
	create(t, w, s, job("A", nil), job("B", m{"DependsOn": []string{"A"}}))
	arn := start(t, w, s, 0)
	platformtest.Eventually(t, "A runs", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.created["A"] == 1 })
	if _, err := s.DeletePipeline(w.e.Ctx, &awsapi.DeletePipelineRequest{PipelineName: new("p")}); !awsapi.IsCode(err, "ConflictException") {
		t.Errorf("a pipeline with a running execution was deleted: %v", err)
	}
	if _, err := s.StopPipelineExecution(w.e.Ctx, &awsapi.StopPipelineExecutionRequest{PipelineExecutionArn: arn}); err != nil {
		t.Fatal(err)
	}
	if got := outcome(t, w, s, arn); got != "Stopped: A=Stopped" {
		t.Error(got)
	}
}

func TestParallelLimit(t *testing.T) {
	t.Parallel()
	w, s := newRoom(t, false)
	create(t, w, s, job("A", nil), job("B", nil), job("C", nil), job("D", nil))
	arn := start(t, w, s, 2)
	for _, step := range []string{"A", "B", "C", "D"} {
		w.end(t, step, "Completed", "")
	}
	if got := outcome(t, w, s, arn); got != "Succeeded: A=Succeeded B=Succeeded C=Succeeded D=Succeeded" || w.most > 2 {
		t.Error(got, w.most)
	}
}

func TestStepsThatCannotStartFailWithTheReason(t *testing.T) {
	t.Parallel()
	w, s := newRoom(t, true)
	file := []any{m{"PropertyFileName": "R", "OutputName": "out", "FilePath": "r.json"}}
	rmse := m{"Std:JsonGet": m{"PropertyFile": m{"Get": "Steps.A.PropertyFiles.R"}, "Path": "rmse"}}
	check := m{"Name": "Check", "Type": "Condition", "Arguments": m{"Conditions": []any{m{"Type": "LessThan", "LeftValue": rmse, "RightValue": 5}}, "IfSteps": []any{job("Yes", nil)}, "ElseSteps": []any{}}}
	refused := job("B", m{"DependsOn": []string{"Check"}, "Arguments": m{"AppSpecification": m{"ImageUri": "mobula/go:1", "ContainerArguments": []string{"refuse"}}}})
	create(t, w, s, job("A", m{"PropertyFiles": file}), check, refused)
	for written, want := range map[string]string{
		"":              "Failed: A=Succeeded Check=Failed(ClientError: property file 'R' of step 'A' cannot be read at s3://" + platformtest.Bucket + "/out/A/r.json",
		`{"mae": 1}`:    "Failed: A=Succeeded Check=Failed(ClientError: property file 'R' of step 'A': path 'rmse': there is no 'rmse')",
		`{"rmse": 9}`:   "Failed: A=Succeeded Check=Succeeded B=Failed(ClientError: Failed to invoke sagemaker:CreateProcessingJob. Error Details: no such thing)",
		`{"rmse": 2.5}`: "Failed: A=Succeeded Check=Succeeded Yes=Succeeded B=Failed(ClientError: Failed to invoke sagemaker:CreateProcessingJob. Error Details: no such thing)",
	} {
		if err := w.e.Objects.Delete(w.e.Ctx, platformtest.Bucket, "out/A/r.json"); err != nil {
			t.Fatal(err)
		}
		w.write = map[string]string{}
		if written != "" {
			w.write["r.json"] = written
		}
		if got := outcome(t, w, s, start(t, w, s, 0)); !strings.HasPrefix(got, want) {
			t.Errorf("with %q: %s\nwant %s", written, got, want)
		}
	}
}

func TestThousandExecutions(t *testing.T) {
	t.Parallel()
	w, s := newRoom(t, true)
	create(t, w, s, job("A", nil), m{"Name": "Check", "Type": "Condition", "Arguments": m{"Conditions": []any{m{"Type": "Equals", "LeftValue": m{"Get": "Steps.A.ProcessingJobStatus"}, "RightValue": "Completed"}},
		"IfSteps": []any{}, "ElseSteps": []any{}}})
	var wg sync.WaitGroup
	arns := make([]*string, 1000)
	for i := range arns {
		wg.Go(func() { arns[i] = start(t, w, s, 0) })
	}
	wg.Wait()
	for _, arn := range arns {
		if got := outcome(t, w, s, arn); got != "Succeeded: A=Succeeded Check=Succeeded" {
			t.Fatal(got)
		}
	}
	if w.created["A"] != 1000 {
		t.Errorf("%d jobs were made", w.created["A"])
	}
}

func TestStartIsIdempotentAndSweepKeepsWhatIsNamed(t *testing.T) {
	t.Parallel()
	w, s := newRoom(t, true)
	create(t, w, s, job("A", nil))
	in := &awsapi.StartPipelineExecutionRequest{PipelineName: new("p"), ClientRequestToken: new(strings.Repeat("t", 32))}
	one, err := s.StartPipelineExecution(w.e.Ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if two, err := s.StartPipelineExecution(w.e.Ctx, in); err != nil || *two.PipelineExecutionArn != *one.PipelineExecutionArn {
		t.Errorf("%v, %v", two, err)
	}
	in.PipelineExecutionDisplayName = new("other")
	if _, err := s.StartPipelineExecution(w.e.Ctx, in); err == nil {
		t.Error("the token was taken with another request")
	}
	if n, err := s.SweepBinaries(w.e.Ctx, w.e.Caller.Scope(), platformtest.Bucket); n != 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
}
