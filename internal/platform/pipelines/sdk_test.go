package pipelines_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/pipelines"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/platform/queues"
	"github.com/mobula-ml/mobula/internal/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

// recorder stands beside the room for the definitions of the SDK: all that is asked of it succeeds at once, and is written down.
type recorder struct {
	*world
	said  []string
	known map[string]any // what was made, by ARN
}

// record notes a request once, as the room sent it.
func (r *recorder) record(operation, name string, in any) (arn string, again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	arn = "arn:aws:sagemaker:us-east-1:123456789012:" + strings.ToLower(strings.TrimPrefix(operation, "Create")) + "/" + name
	if r.known[arn] != nil {
		return arn, true
	}
	r.known[arn] = in
	b, err := json.MarshalIndent(in, "", " ")
	if err != nil {
		panic(err)
	}
	r.said = append(r.said, operation+" "+string(b))
	return arn, false
}

func (r *recorder) request(arn string) any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[arn]
}

func (r *recorder) CreateProcessingJob(ctx context.Context, in *awsapi.CreateProcessingJobRequest) (*awsapi.CreateProcessingJobResponse, error) {
	r.record("CreateProcessingJob", *in.ProcessingJobName, in)
	return r.world.CreateProcessingJob(ctx, in)
}

func (r *recorder) CreateTrainingJob(_ context.Context, in *awsapi.CreateTrainingJobRequest) (*awsapi.CreateTrainingJobResponse, error) {
	arn, _ := r.record("CreateTrainingJob", *in.TrainingJobName, in)
	return &awsapi.CreateTrainingJobResponse{TrainingJobArn: &arn}, nil
}

func (r *recorder) DescribeTrainingJob(_ context.Context, in *awsapi.DescribeTrainingJobRequest) (*awsapi.DescribeTrainingJobResponse, error) {
	arn := "arn:aws:sagemaker:us-east-1:123456789012:trainingjob/" + *in.TrainingJobName
	job := r.request(arn).(*awsapi.CreateTrainingJobRequest)
	model := strings.TrimSuffix(*job.OutputDataConfig.S3OutputPath, "/") + "/" + *in.TrainingJobName + "/output/model.tar.gz"
	return &awsapi.DescribeTrainingJobResponse{TrainingJobName: in.TrainingJobName, TrainingJobArn: &arn, TrainingJobStatus: new("Completed"),
		ModelArtifacts: &awsapi.ModelArtifacts{S3ModelArtifacts: &model}}, nil
}

func (r *recorder) CreateHyperParameterTuningJob(_ context.Context, in *awsapi.CreateHyperParameterTuningJobRequest) (*awsapi.CreateHyperParameterTuningJobResponse, error) {
	arn, _ := r.record("CreateHyperParameterTuningJob", *in.HyperParameterTuningJobName, in)
	return &awsapi.CreateHyperParameterTuningJobResponse{HyperParameterTuningJobArn: &arn}, nil
}

func (r *recorder) DescribeHyperParameterTuningJob(_ context.Context, in *awsapi.DescribeHyperParameterTuningJobRequest) (*awsapi.DescribeHyperParameterTuningJobResponse, error) {
	arn := "arn:aws:sagemaker:us-east-1:123456789012:hyperparametertuningjob/" + *in.HyperParameterTuningJobName
	job := r.request(arn).(*awsapi.CreateHyperParameterTuningJobRequest)
	return &awsapi.DescribeHyperParameterTuningJobResponse{HyperParameterTuningJobArn: &arn, HyperParameterTuningJobName: in.HyperParameterTuningJobName,
		HyperParameterTuningJobStatus: new("Completed"), HyperParameterTuningJobConfig: job.HyperParameterTuningJobConfig, TrainingJobDefinition: job.TrainingJobDefinition}, nil
}

func (r *recorder) StopHyperParameterTuningJob(context.Context, *awsapi.StopHyperParameterTuningJobRequest) error {
	return nil
}

func (r *recorder) ListTrainingJobsForHyperParameterTuningJob(_ context.Context, in *awsapi.ListTrainingJobsForHyperParameterTuningJobRequest) (*awsapi.ListTrainingJobsForHyperParameterTuningJobResponse, error) {
	return &awsapi.ListTrainingJobsForHyperParameterTuningJobResponse{TrainingJobSummaries: []awsapi.HyperParameterTrainingJobSummary{
		{TrainingJobName: new("best-by-" + *in.SortOrder)}, {TrainingJobName: new("second")}}}, nil
}

func (r *recorder) CreateModel(_ context.Context, in *awsapi.CreateModelInput) (*awsapi.CreateModelOutput, error) {
	arn, again := r.record("CreateModel", *in.ModelName, in)
	if again {
		return nil, awsapi.Validation("Cannot create already existing model")
	}
	return &awsapi.CreateModelOutput{ModelArn: &arn}, nil
}

func (r *recorder) DescribeModel(_ context.Context, in *awsapi.DescribeModelInput) (*awsapi.DescribeModelOutput, error) {
	arn := "arn:aws:sagemaker:us-east-1:123456789012:model/" + *in.ModelName
	m := r.request(arn).(*awsapi.CreateModelInput)
	return &awsapi.DescribeModelOutput{ModelName: in.ModelName, ModelArn: &arn, PrimaryContainer: m.PrimaryContainer, Containers: m.Containers}, nil
}

func (r *recorder) CreateModelPackageGroup(_ context.Context, in *awsapi.CreateModelPackageGroupInput) (*awsapi.CreateModelPackageGroupOutput, error) {
	if _, again := r.record("CreateModelPackageGroup", *in.ModelPackageGroupName, in); again {
		return nil, awsapi.Validation("Model Package Group already exists")
	}
	return &awsapi.CreateModelPackageGroupOutput{}, nil
}

func (r *recorder) CreateModelPackage(_ context.Context, in *awsapi.CreateModelPackageInput) (*awsapi.CreateModelPackageOutput, error) {
	arn, _ := r.record("CreateModelPackage", *in.ModelPackageGroupName+"/1", in)
	return &awsapi.CreateModelPackageOutput{ModelPackageArn: &arn}, nil
}

func (r *recorder) DescribeModelPackage(_ context.Context, in *awsapi.DescribeModelPackageInput) (*awsapi.DescribeModelPackageOutput, error) {
	return &awsapi.DescribeModelPackageOutput{ModelPackageArn: in.ModelPackageName, ModelPackageStatus: new("Completed")}, nil
}

func (r *recorder) CreateTransformJob(_ context.Context, in *awsapi.CreateTransformJobRequest) (*awsapi.CreateTransformJobResponse, error) {
	arn, _ := r.record("CreateTransformJob", *in.TransformJobName, in)
	return &awsapi.CreateTransformJobResponse{TransformJobArn: &arn}, nil
}

func (r *recorder) DescribeTransformJob(_ context.Context, in *awsapi.DescribeTransformJobRequest) (*awsapi.DescribeTransformJobResponse, error) {
	job := r.request("arn:aws:sagemaker:us-east-1:123456789012:transformjob/" + *in.TransformJobName).(*awsapi.CreateTransformJobRequest)
	return &awsapi.DescribeTransformJobResponse{TransformJobStatus: new("Completed"), TransformOutput: job.TransformOutput}, nil
}

func (r *recorder) StopTransformJob(context.Context, *awsapi.StopTransformJobRequest) error {
	return nil
}

func (r *recorder) Begin(ctx context.Context, arn, name string, event []byte) error {
	r.mu.Lock()
	r.owners[name] = durable.OwnerFrom(ctx)
	r.mu.Unlock()
	r.record("Invoke", arn+"/"+name, json.RawMessage(event))
	return nil
}

func (r *recorder) Result(context.Context, string) (bool, string, []byte, error) {
	return true, "", []byte(`{"statusCode": 200, "body": "fine", "ok": true, "more": 1}`), nil
}

func (r *recorder) Cancel(context.Context, string) error               { return nil }
func (r *recorder) CodeDigest(context.Context, string) (string, error) { return "code", nil }

func (r *recorder) Image(context.Context, string) (string, error) { return "python:3.11", nil }

func newRecorder(t *testing.T) (*recorder, *pipelines.Service, *queues.Service) {
	t.Helper()
	e := platformtest.New(t)
	r := &recorder{world: newWorld(e), known: map[string]any{}}
	r.auto = true
	r.write["r.json"] = `{"a": 0.75}`
	r.write["report.json"] = `{"a": {"b": [{"c": 0.75}]}, "x": 0.25}`
	q := &queues.Service{DB: e.DB, World: e.World}
	s := pipelines.New(pipelines.Deps{DB: e.DB, Engine: e.Engine, Objects: e.Objects, World: e.World, Log: e.Log, Jobs: r, Experiments: r, Features: r,
		Tuning: r, Registry: r, Models: r, Transforms: r, Functions: r, Queues: q})
	if err := e.Engine.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	return r, s, q
}

func (r *recorder) start(t *testing.T, s *pipelines.Service, name, definition string) *string {
	t.Helper()
	if _, err := s.CreatePipeline(r.e.Ctx, &awsapi.CreatePipelineRequest{PipelineName: &name, PipelineDefinition: &definition, RoleArn: new("arn:aws:iam::123456789012:role/r")}); err != nil {
		t.Fatal(err)
	}
	out, err := s.StartPipelineExecution(r.e.Ctx, &awsapi.StartPipelineExecutionRequest{PipelineName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return out.PipelineExecutionArn
}

// TestDefinitionsOfTheSDK executes what the SageMaker Python SDK sends for each kind of step, and compares what is asked of the other rooms with
// the golden files. The definitions were recorded with version 2.257.7, and version3 with 3.27.0.
func TestDefinitionsOfTheSDK(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/sdk/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no definitions", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, s, q := newRecorder(t)
			if name == "callback" {
				r.answerCallback(t, s, q)
			}
			arn := r.start(t, s, name, string(text))
			got := outcome(t, r.world, s, arn) + "\n"
			r.mu.Lock()
			got += strings.Join(r.said, "\n") + "\n"
			r.mu.Unlock()
			got = neutral(t, r, s, arn, got)
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || got != string(want) {
				t.Errorf("%v: not what %s says. Try: go test -update, and look at the difference\n%s", err, golden, got)
			}
		})
	}
}

// neutral replaces what every execution has another of.
func neutral(t *testing.T, r *recorder, s *pipelines.Service, arn *string, text string) string {
	t.Helper()
	e, err := s.DescribePipelineExecution(r.e.Ctx, &awsapi.DescribePipelineExecutionRequest{PipelineExecutionArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	id := (*arn)[strings.LastIndexByte(*arn, '/')+1:]
	text = strings.ReplaceAll(text, e.CreationTime.UTC().Format("2006-01-02T15:04:05Z"), "START")
	parts := strings.Split(text, id)
	for i := 1; i < len(parts); i++ { // the name of a job ends with a digest
		if at := strings.IndexAny(parts[i], "\"/\n"); at > 11 && parts[i][at-11] == '-' && strings.Trim(parts[i][at-10:at], "0123456789abcdef") == "" {
			parts[i] = parts[i][:at-10] + "DIGEST" + parts[i][at:]
		}
	}
	text = strings.Join(parts, "EXECUTION")
	for name := range r.known {
		if m, ok := r.known[name].(*awsapi.CreateModelPackageInput); ok {
			text = strings.ReplaceAll(text, *m.ClientToken, "TOKEN")
		}
	}
	return text
}

// answerCallback answers the Callback step of the recorded definition as a worker does that reads the queue.
func (r *recorder) answerCallback(t *testing.T, s *pipelines.Service, q *queues.Service) {
	url, err := q.CreateQueue(r.e.Ctx, &awsapi.CreateQueueRequest{QueueName: new("q")})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		got, err := q.ReceiveMessage(r.e.Ctx, &awsapi.ReceiveMessageRequest{QueueUrl: url.QueueUrl, WaitTimeSeconds: new(int32(20))})
		if err != nil || len(got.Messages) != 1 {
			t.Error(got, err)
			return
		}
		var m struct {
			Token     string         `json:"token"`
			Arguments map[string]any `json:"arguments"`
			Status    string         `json:"status"`
		}
		if err := json.Unmarshal([]byte(*got.Messages[0].Body), &m); err != nil || m.Status != "Executing" {
			t.Error(*got.Messages[0].Body, err)
		}
		said := []string{}
		for _, name := range slices.Sorted(maps.Keys(m.Arguments)) {
			said = append(said, fmt.Sprintf("%s=%v", name, m.Arguments[name]))
		}
		if line := strings.Join(said, " "); line != "a=abc j=abc/x lit=text n=1 num=5" {
			t.Errorf("the message has the arguments %s", line)
		}
		if _, err := s.SendPipelineExecutionStepSuccess(r.e.Ctx, &awsapi.SendPipelineExecutionStepSuccessRequest{CallbackToken: &m.Token,
			OutputParameters: []awsapi.OutputParameter{{Name: new("url"), Value: new("https://x")}, {Name: new("k"), Value: new("7")}}}); err != nil {
			t.Error(err)
		}
	}()
}

// TestCauses follows the events of an execution back from the last.
func TestCauses(t *testing.T) {
	t.Parallel()
	r, s, _ := newRecorder(t)
	text, err := os.ReadFile("testdata/sdk/tuning.json")
	if err != nil {
		t.Fatal(err)
	}
	arn := r.start(t, s, "p", string(text))
	outcome(t, r.world, s, arn)
	var events []store.Event
	if err := r.e.DB.View(r.e.Ctx, func(tx *store.Tx) (err error) { events, err = tx.Events(0, 100); return err }); err != nil {
		t.Fatal(err)
	}
	bySeq := map[int64]store.Event{}
	for _, e := range events {
		bySeq[e.Seq] = e
	}
	var trail []string
	for e := events[len(events)-1]; ; e = bySeq[e.Cause] {
		trail = append(trail, e.Type+" "+e.Resource[strings.LastIndexByte(e.Resource, '/')+1:])
		if e.Cause == 0 {
			break
		}
	}
	id := (*arn)[strings.LastIndexByte(*arn, '/')+1:]
	want := "PipelineExecution.Succeeded " + id + ", PipelineExecutionStep.Succeeded best-createmodel, PipelineExecutionStep.Executing best-createmodel, " +
		"PipelineExecutionStep.Succeeded tune, PipelineExecutionStep.Executing tune, PipelineExecution.Executing " + id
	if got := strings.Join(trail, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestCacheCountsWhatAManifestNames trains with an augmented manifest: an object that a line names counts as the manifest does.
func TestCacheCountsWhatAManifestNames(t *testing.T) {
	t.Parallel()
	r, s, _ := newRecorder(t)
	put := func(key, text string) {
		t.Helper()
		if _, err := r.e.Objects.Put(r.e.Ctx, platformtest.Bucket, key, strings.NewReader(text), object.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	uri := "s3://" + platformtest.Bucket
	put("list", `{"source-ref": "`+uri+`/a", "other-ref": "`+uri+`/b", "label": 1}`)
	put("a", "1")
	put("b", "1")
	definition := `{"Version": "2020-12-01", "Steps": [{"Name": "T", "Type": "Training", "CacheConfig": {"Enabled": true, "ExpireAfter": "PT12H"}, "Arguments": {
		"AlgorithmSpecification": {"TrainingImage": "i:1", "TrainingInputMode": "Pipe"}, "OutputDataConfig": {"S3OutputPath": "` + uri + `/out"}, "RoleArn": "arn:aws:iam::123456789012:role/r",
		"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}, "StoppingCondition": {"MaxRuntimeInSeconds": 60},
		"InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "AugmentedManifestFile", "S3Uri": "` + uri + `/list", "AttributeNames": ["source-ref", "label"]}}}]}}]}`
	arn := r.start(t, s, "p", definition)
	for _, c := range []struct {
		change func()
		want   string
	}{{func() {}, "Succeeded: T=Succeeded"}, {func() {}, "Succeeded: T=Succeeded(cached)"}, {func() { put("b", "2") }, "Succeeded: T=Succeeded(cached)"},
		{func() { put("a", "2") }, "Succeeded: T=Succeeded"}, {func() { put("list", `{"source-ref": "`+uri+`/a", "label": 2}`) }, "Succeeded: T=Succeeded"}} {
		c.change()
		if arn == nil {
			out, err := s.StartPipelineExecution(r.e.Ctx, &awsapi.StartPipelineExecutionRequest{PipelineName: new("p")})
			if err != nil {
				t.Fatal(err)
			}
			arn = out.PipelineExecutionArn
		}
		if got := outcome(t, r.world, s, arn); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
		arn = nil
	}
}
