package pipelines_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
)

// after is a Processing step that reads the output of another.
func after(name, other string) m {
	return job(name, m{"Arguments": m{"ProcessingInputs": []any{m{"InputName": "in", "S3Input": m{"LocalPath": "/opt/ml/processing/in", "S3DataType": "S3Prefix", "S3InputMode": "File",
		"S3Uri": m{"Get": "Steps." + other + ".ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"}}}}}})
}

func selected(source *string, names ...string) *awsapi.SelectiveExecutionConfig {
	c := &awsapi.SelectiveExecutionConfig{SourcePipelineExecutionArn: source}
	for _, n := range names {
		c.SelectedSteps = append(c.SelectedSteps, awsapi.SelectedStep{StepName: &n})
	}
	return c
}

func TestSelectiveExecution(t *testing.T) {
	t.Parallel()
	w, s := newRoom(t, true)
	create(t, w, s, job("A", nil), after("B", "A"), after("C", "B"), job("D", m{"DependsOn": []string{"C"}}), job("E", nil))
	source := start(t, w, s, 0)
	begin := func(c *awsapi.SelectiveExecutionConfig) (*string, error) {
		out, err := s.StartPipelineExecution(w.e.Ctx, &awsapi.StartPipelineExecutionRequest{PipelineName: new("p"), SelectiveExecutionConfig: c})
		if err != nil {
			return nil, err
		}
		return out.PipelineExecutionArn, nil
	}
	for _, c := range []struct {
		config *awsapi.SelectiveExecutionConfig
		want   string
	}{
		{selected(source, "B", "C"), "is Executing; it must be"},
		{selected(nil, "C"), "SourcePipelineExecutionArn must be given: the selected steps refer to steps that are not selected: [B]"},
		{selected(nil, "X"), "SelectedSteps[0]: pipeline 'p' has no step named 'X'"},
		{selected(nil, "A", "C"), "step 'B' lies between selected steps"},
	} {
		if strings.Contains(c.want, "Executing") {
			if over := outcomeNow(t, w, s, source); over != "Executing" {
				continue // it was quicker than this test
			}
		}
		if _, err := begin(c.config); !awsapi.IsCode(err, "ValidationException") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	outcome(t, w, s, source)
	arn, err := begin(selected(source, "B", "C"))
	if err != nil {
		t.Fatal(err)
	}
	if got := outcome(t, w, s, arn); got != "Succeeded: A=Succeeded B=Succeeded C=Succeeded" || w.created["A"] != 1 || w.created["B"] != 2 || w.created["D"] != 1 {
		t.Error(got, w.created)
	}
	steps, err := s.ListPipelineExecutionSteps(w.e.Ctx, &awsapi.ListPipelineExecutionStepsRequest{PipelineExecutionArn: arn, SortOrder: new("Ascending")})
	if err != nil || *steps.PipelineExecutionSteps[0].SelectiveExecutionResult.SourcePipelineExecutionArn != *source || steps.PipelineExecutionSteps[1].SelectiveExecutionResult != nil {
		t.Errorf("%+v, %v", steps, err)
	}
	e, err := s.DescribePipelineExecution(w.e.Ctx, &awsapi.DescribePipelineExecutionRequest{PipelineExecutionArn: arn})
	if err != nil || len(e.SelectiveExecutionConfig.SelectedSteps) != 2 {
		t.Errorf("%+v, %v", e, err)
	}
	// Order alone needs no source: D runs without C.
	if arn, err = begin(selected(nil, "D", "E")); err != nil {
		t.Fatal(err)
	}
	if got := outcome(t, w, s, arn); got != "Succeeded: D=Succeeded E=Succeeded" && got != "Succeeded: E=Succeeded D=Succeeded" {
		t.Error(got)
	}
}

func outcomeNow(t *testing.T, w *world, s awsapi.DescribePipelineExecutionServer, arn *string) string {
	t.Helper()
	e, err := s.DescribePipelineExecution(w.e.Ctx, &awsapi.DescribePipelineExecutionRequest{PipelineExecutionArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	return *e.PipelineExecutionStatus
}

func TestVersions(t *testing.T) {
	t.Parallel()
	w, s := newRoom(t, true)
	create(t, w, s, job("A", nil))
	change := func(step string, aliases ...string) int64 {
		t.Helper()
		b, err := json.Marshal(m{"Version": "2020-12-01", "Steps": []any{job(step, nil)}})
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.UpdatePipeline(w.e.Ctx, &awsapi.UpdatePipelineRequest{PipelineName: new("p"), PipelineDefinition: new(string(b)), PipelineVersionAliases: aliases})
		if err != nil {
			t.Fatal(err)
		}
		return *out.PipelineVersionId
	}
	if n := change("B", "prod"); n != 2 {
		t.Errorf("the second definition is version %d", n)
	}
	if n := change("B"); n != 2 {
		t.Errorf("the same definition again is version %d", n)
	}
	change("C")
	for _, c := range []struct {
		id    *int64
		alias *string
		want  string
	}{{nil, nil, "Succeeded: C=Succeeded"}, {new(int64(1)), nil, "Succeeded: A=Succeeded"}, {nil, new("prod"), "Succeeded: B=Succeeded"}} {
		out, err := s.StartPipelineExecution(w.e.Ctx, &awsapi.StartPipelineExecutionRequest{PipelineName: new("p"), PipelineVersionId: c.id, PipelineVersionAlias: c.alias})
		if err != nil {
			t.Fatal(err)
		}
		if got := outcome(t, w, s, out.PipelineExecutionArn); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	arn := new("arn:aws:sagemaker:us-east-1:123456789012:pipeline/p")
	if _, err := s.UpdatePipelineVersion(w.e.Ctx, &awsapi.UpdatePipelineVersionRequest{PipelineArn: arn, PipelineVersionId: new(int64(3)), PipelineVersionDisplayName: new("third"),
		PipelineVersionAliasOperations: &awsapi.AliasOperations{Add: []string{"prod", "new"}}}); err != nil {
		t.Fatal(err)
	}
	list, err := s.ListPipelineVersions(w.e.Ctx, &awsapi.ListPipelineVersionsRequest{PipelineName: new("p")})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, v := range list.PipelineVersionSummaries {
		got += strings.TrimSpace(strings.Join(append([]string{awsapi.Val(v.PipelineVersionDisplayName)}, v.PipelineVersionAliases...), " ")) + ";"
		if v.LastExecutionPipelineExecutionArn == nil {
			t.Errorf("version %d has no last execution", *v.PipelineVersionId)
		}
	}
	if got != "third prod new;;;" {
		t.Errorf("versions: %s", got)
	}
	p, err := s.DescribePipeline(w.e.Ctx, &awsapi.DescribePipelineRequest{PipelineName: new("p"), PipelineVersionId: new(int64(1))})
	if err != nil || !strings.Contains(*p.PipelineDefinition, `"Name":"A"`) {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := s.DescribePipeline(w.e.Ctx, &awsapi.DescribePipelineRequest{PipelineName: new("p"), PipelineVersionId: new(int64(9))}); !awsapi.IsNotFound(err) {
		t.Error(err)
	}
}

func TestCallbackEndsWithItsAnswer(t *testing.T) {
	t.Parallel()
	r, s, q := newRecorder(t)
	url, err := q.CreateQueue(r.e.Ctx, &awsapi.CreateQueueRequest{QueueName: new("q")})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(m{"Version": "2020-12-01", "Steps": []any{m{"Name": "Call", "Type": "Callback", "Arguments": m{"a": 1}, "SqsQueueUrl": *url.QueueUrl,
		"OutputParameters": []any{m{"OutputName": "k", "OutputType": "Integer"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	receive := func() (token, status string) {
		t.Helper()
		got, err := q.ReceiveMessage(r.e.Ctx, &awsapi.ReceiveMessageRequest{QueueUrl: url.QueueUrl, WaitTimeSeconds: new(int32(20))})
		if err != nil || len(got.Messages) != 1 {
			t.Fatal(got, err)
		}
		var m struct {
			Token, Status string
			Arguments     map[string]int
		}
		if err := json.Unmarshal([]byte(*got.Messages[0].Body), &m); err != nil || m.Arguments["a"] != 1 {
			t.Fatal(*got.Messages[0].Body, err)
		}
		return m.Token, m.Status
	}
	arn := r.start(t, s, "fails", string(b))
	token, _ := receive()
	for _, p := range []awsapi.OutputParameter{{Name: new("k"), Value: new("many")}, {Name: new("x"), Value: new("1")}} {
		if _, err := s.SendPipelineExecutionStepSuccess(r.e.Ctx, &awsapi.SendPipelineExecutionStepSuccessRequest{CallbackToken: &token, OutputParameters: []awsapi.OutputParameter{p}}); !awsapi.IsCode(err, "ValidationException") {
			t.Error(err)
		}
	}
	if _, err := s.SendPipelineExecutionStepFailure(r.e.Ctx, &awsapi.SendPipelineExecutionStepFailureRequest{CallbackToken: &token, FailureReason: new("no luck")}); err != nil {
		t.Fatal(err)
	}
	if got := outcome(t, r.world, s, arn); got != "Failed: Call=Failed(no luck)" {
		t.Error(got)
	}
	if _, err := s.SendPipelineExecutionStepSuccess(r.e.Ctx, &awsapi.SendPipelineExecutionStepSuccessRequest{CallbackToken: &token}); !awsapi.IsCode(err, "ConflictException") {
		t.Error(err)
	}
	if _, err := s.SendPipelineExecutionStepSuccess(r.e.Ctx, &awsapi.SendPipelineExecutionStepSuccessRequest{CallbackToken: new("0123456789")}); !awsapi.IsNotFound(err) {
		t.Error(err)
	}

	arn = r.start(t, s, "stops", string(b))
	token, _ = receive()
	if _, err := s.StopPipelineExecution(r.e.Ctx, &awsapi.StopPipelineExecutionRequest{PipelineExecutionArn: arn}); err != nil {
		t.Fatal(err)
	}
	if again, status := receive(); again != token || status != "Stopping" {
		t.Errorf("the queue was told %s of %s", status, again)
	}
	if got := outcomeNow(t, r.world, s, arn); got != "Stopping" {
		t.Errorf("the execution is %s before the answer", got)
	}
	if _, err := s.SendPipelineExecutionStepSuccess(r.e.Ctx, &awsapi.SendPipelineExecutionStepSuccessRequest{CallbackToken: &token}); err != nil {
		t.Fatal(err)
	}
	if got := outcome(t, r.world, s, arn); got != "Stopped: Call=Stopped" {
		t.Error(got)
	}
}

// TestKeyCountsTheMembersOfAnArchive packs the same code at another time, and then other code.
func TestKeyCountsTheMembersOfAnArchive(t *testing.T) {
	t.Parallel()
	w, s := newRoom(t, true)
	input := m{"InputName": "code", "S3Input": m{"S3Uri": "s3://" + platformtest.Bucket + "/code/sourcedir.tar.gz", "LocalPath": "/opt/ml/processing/code", "S3DataType": "S3Prefix", "S3InputMode": "File"}}
	create(t, w, s, job("A", m{"CacheConfig": m{"Enabled": true}, "Arguments": m{"ProcessingInputs": []any{input}}}))
	for i, c := range []struct {
		text string
		hit  bool
	}{{"one", false}, {"one", true}, {"two", false}, {"no archive", false}, {"no archive", true}} {
		data := []byte(c.text)
		if c.text != "no archive" {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			z.ModTime = time.Unix(int64(1000+i), 0)
			a := tar.NewWriter(z)
			if err := a.WriteHeader(&tar.Header{Name: "train.py", Mode: 0o644, Size: int64(len(c.text)), ModTime: time.Unix(int64(2000+i), 0)}); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Write([]byte(c.text)); err != nil {
				t.Fatal(err)
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			data = b.Bytes()
		}
		if _, err := w.e.Objects.Put(w.e.Ctx, platformtest.Bucket, "code/sourcedir.tar.gz", bytes.NewReader(data), object.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := outcome(t, w, s, start(t, w, s, 0)); strings.Contains(got, "cached") != c.hit {
			t.Errorf("%d %s: %s", i, c.text, got)
		}
	}
}

// TestNames looks at the names of jobs: of steps with names that jobs may not have, with a prefix of the user's, and of a job that knows its own.
func TestNames(t *testing.T) {
	t.Parallel()
	r, s, _ := newRecorder(t)
	own := job("An_underscore-and_a_long_name_-that_is_cut", m{"Arguments": m{"AppSpecification": m{"ImageUri": "mobula/go:1", "ContainerArguments": []any{m{"Get": "Execution.ProcessingJobName"}}}}})
	custom := job("B", m{"Arguments": m{"ProcessingJobName": "mine"}})
	b, err := json.Marshal(m{"Version": "2020-12-01", "Steps": []any{own, custom}})
	if err != nil {
		t.Fatal(err)
	}
	arn := r.start(t, s, "p", string(b))
	outcome(t, r.world, s, arn)
	id := (*arn)[strings.LastIndexByte(*arn, '/')+1:]
	for name, j := range r.jobs {
		if args := j.AppSpecification.ContainerArguments; len(args) == 1 && args[0] != name {
			t.Errorf("job %s knows itself as %s", name, args[0])
		}
		if !strings.HasPrefix(name, "pipelines-"+id+"-An-underscore-and-a-long-nam-") && !strings.HasPrefix(name, "mine-"+id+"-") || len(name) > 63 || strings.Contains(name, "--") {
			t.Errorf("a job is named %s", name)
		}
	}
}

func TestRefusedStepTypesSayWhy(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("definition/testdata/refused/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = definition.Parse(string(text)); err == nil || strings.Count(err.Error(), "step '") != 1 || !strings.Contains(err.Error(), "cannot be executed: ") {
			t.Errorf("%s: %v", file, err)
		}
	}
	w, s := newRoom(t, true) // without queues
	b := `{"Version": "2020-12-01", "Steps": [{"Name": "Call", "Type": "Callback", "Arguments": {}, "SqsQueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/q"}]}`
	if _, err := s.CreatePipeline(w.e.Ctx, &awsapi.CreatePipelineRequest{PipelineName: new("p"), PipelineDefinition: &b, RoleArn: new("arn:aws:iam::123456789012:role/r")}); err == nil ||
		!strings.Contains(err.Error(), "step 'Call' at Steps[0].Type: steps of type Callback cannot be executed") {
		t.Error(err)
	}
}
