package pipeline_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/pipeline"
)

const pipelineARN = "arn:aws:sagemaker:us-east-1:210987654321:pipeline/steps"

func TestUpsertUploadsTheProgramOnceAndUpdatesWhatIsThere(t *testing.T) {
	t.Parallel()
	s := newService(t)
	var text string
	created := false
	s.on("CreatePipeline", func(in map[string]any) (any, error) {
		if created {
			return nil, refusal{"ValidationException", "Pipeline names must be unique. Pipeline with name (steps) already exists."}
		}
		created, text = true, in["PipelineDefinition"].(string)
		if in["RoleArn"] != "arn:aws:iam::210987654321:role/service-role/Trees" {
			t.Errorf("the role is %v", in["RoleArn"])
		}
		return map[string]any{"PipelineArn": pipelineARN}, nil
	})
	s.on("UpdatePipeline", func(in map[string]any) (any, error) {
		if in["PipelineDefinition"] != text {
			t.Error("the same workflow has another definition the second time")
		}
		return map[string]any{"PipelineArn": pipelineARN}, nil
	})
	c := s.start()
	for range 2 {
		if arn, err := c.Upsert(t.Context(), stepWorkflow()); err != nil || arn != pipelineARN {
			t.Fatalf("Upsert: %s, %v", arn, err)
		}
	}
	if puts := s.called("PUT /sagemaker-us-east-1-210987654321/mobula/bin/"); puts != 1 {
		t.Errorf("the program was uploaded %d times, want once", puts)
	}
	parsed, err := definition.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	inputs := parsed.Step("Copy").Arguments["ProcessingInputs"].([]any)
	uri := inputs[1].(map[string]any)["S3Input"].(map[string]any)["S3Uri"].(string)
	body, err := c.Open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	uploaded, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if program, err := os.ReadFile(self); err != nil || !bytes.Equal(program, uploaded) {
		t.Errorf("%s is not the running program, %v", uri, err)
	}
}

func TestUpsertRefusesBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	s := newService(t)
	w := stepWorkflow()
	w.Fail("Wrong", pipeline.Get[string]("Steps.Nope.X"))
	if _, err := s.start().Upsert(t.Context(), w); err == nil || !strings.Contains(err.Error(), "there is no step named 'Nope'") {
		t.Errorf("Upsert says %v", err)
	}
	if n := s.called(""); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.on("StartPipelineExecution", func(in map[string]any) (any, error) {
		got, _ := json.Marshal(in)
		want := `{"ClientRequestToken":"0123456789abcdef0123456789abcdef","PipelineExecutionDisplayName":"first","PipelineName":"steps","PipelineParameters":[{"Name":"Rounds","Value":"7"}]}`
		if string(got) != want {
			t.Errorf("sent %s, want %s", got, want)
		}
		return map[string]any{"PipelineExecutionArn": pipelineARN + "/execution/1"}, nil
	})
	c := s.start()
	arn, err := c.Start(t.Context(), stepWorkflow(), pipeline.StartOptions{
		Parameters: map[string]any{"Rounds": 7}, Token: "0123456789abcdef0123456789abcdef", DisplayName: "first"})
	if err != nil || arn != pipelineARN+"/execution/1" {
		t.Errorf("Start: %s, %v", arn, err)
	}
	before := s.called("")
	if _, err := c.Start(t.Context(), stepWorkflow(), pipeline.StartOptions{Parameters: map[string]any{"Rounds": "x"}}); err == nil || s.called("") != before {
		t.Errorf("a wrong parameter must be refused before anything is sent: %v", err)
	}
}

func TestCallAndErrors(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.on("DescribeFeatureGroup", func(in map[string]any) (any, error) {
		if in["FeatureGroupName"] == "none" {
			return nil, refusal{"ResourceNotFound", "Resource Not Found"}
		}
		return map[string]any{"FeatureGroupName": in["FeatureGroupName"], "FeatureGroupStatus": "Created"}, nil
	})
	c := s.start()
	var out struct{ FeatureGroupStatus string }
	if err := c.Call(t.Context(), "DescribeFeatureGroup", map[string]any{"FeatureGroupName": "trees"}, &out); err != nil || out.FeatureGroupStatus != "Created" {
		t.Errorf("Call: %+v, %v", out, err)
	}
	err := c.Call(t.Context(), "DescribeFeatureGroup", map[string]any{"FeatureGroupName": "none"}, &out)
	if pipeline.ErrorCode(err) != "ResourceNotFound" {
		t.Errorf("the error is %v", err)
	}
	if err := c.Call(t.Context(), "DescribeWeather", nil, nil); err == nil || pipeline.ErrorCode(err) != "" {
		t.Errorf("an operation that does not exist: %v", err)
	}
	if _, err := pipeline.NewClient(pipeline.Config{Endpoint: "http://127.0.0.1:1", AccessKeyID: "A"}); err == nil || !strings.Contains(err.Error(), "SecretAccessKey is not given") {
		t.Errorf("a client without a key: %v", err)
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	c := newService(t).start()
	dir := t.TempDir()
	path := filepath.Join(dir, "rows.csv")
	if err := os.WriteFile(path, []byte("1,2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	uri, err := c.Upload(t.Context(), path, "data/rows.csv")
	if err != nil || uri != "s3://sagemaker-us-east-1-210987654321/data/rows.csv" {
		t.Fatalf("Upload: %s, %v", uri, err)
	}
	for got, err := range c.Objects(t.Context(), "s3://sagemaker-us-east-1-210987654321/data/") {
		if got != uri || err != nil {
			t.Errorf("listed %s, %v", got, err)
		}
	}
	if err := c.Download(t.Context(), uri, path+".copy"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path + ".copy"); err != nil || string(text) != "1,2\n" {
		t.Errorf("downloaded %q, %v", text, err)
	}
	if err := c.Download(t.Context(), "http://x/y", path); err == nil || !strings.Contains(err.Error(), "must read s3://bucket/key") {
		t.Errorf("a URI that is none: %v", err)
	}
}
