package pipelines_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/pyenv"
)

// TestCache runs a cached step again and again, after one change at a time, and looks at whether it ran and why.
func TestCache(t *testing.T) {
	t.Parallel()
	w, s := newRoom(t, true)
	w.write["data.csv"] = "1,2,3"
	w.groups["g"] = "first"
	w.touched["A"] = []string{"g"}
	put := func(key, text string) {
		t.Helper()
		if _, err := w.e.Objects.Put(w.e.Ctx, platformtest.Bucket, key, strings.NewReader(text), object.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put("in/a", "a")
	put("code/x", "1")
	put("listed/a", "a")
	put("list.json", `[{"prefix": "s3://`+platformtest.Bucket+`/listed/"}, "a"]`)
	define := func(argument, version string) m {
		input := func(name, key string) m {
			return m{"InputName": name, "S3Input": m{"S3Uri": "s3://" + platformtest.Bucket + "/" + key, "LocalPath": "/opt/ml/processing/" + name, "S3DataType": "S3Prefix", "S3InputMode": "File"}}
		}
		list := input("list", "list.json")
		list["S3Input"].(m)["S3DataType"] = "ManifestFile"
		args := m{"AppSpecification": m{"ImageUri": "mobula/go:1", "ContainerArguments": []string{argument}}, "ProcessingInputs": []any{input("in", "in"), input("code", "code/x"), list}}
		if version != "" {
			args["Environment"] = m{"MOBULA_STEP_VERSION": version}
		}
		return job("A", m{"CacheConfig": m{"Enabled": true, "ExpireAfter": "PT12H"}, "Arguments": args})
	}
	create(t, w, s, define("x", ""))
	update := func(step m) {
		t.Helper()
		b, err := json.Marshal(m{"Version": "2020-12-01", "Steps": []any{step}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.UpdatePipeline(w.e.Ctx, &awsapi.UpdatePipelineRequest{PipelineName: new("p"), PipelineDefinition: new(string(b))}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		change func()
		why    string // of the miss; "" is a hit
	}{
		{"first", func() {}, "no earlier execution"},
		{"same", func() {}, ""},
		{"input changed", func() { put("in/a", "b") }, "the content of ProcessingInputs['in'].S3Input.S3Uri has changed since arn:"},
		{"input as it was", func() { put("in/a", "a") }, ""},
		{"listed object changed", func() { put("listed/a", "b") }, "the content of ProcessingInputs['list'].S3Input.S3Uri has changed since arn:"},
		{"listed object as it was", func() { put("listed/a", "a") }, ""},
		{"code changed", func() { put("code/x", "2") }, "the content of ProcessingInputs['code'].S3Input.S3Uri has changed"},
		{"argument changed", func() { update(define("y", "")) }, "AppSpecification.ContainerArguments has changed"},
		{"version stands for the code", func() { update(define("y", "7")) }, "Environment.MOBULA_STEP_VERSION is new"},
		{"code changed under the version", func() { put("code/x", "3") }, ""},
		{"output gone", func() {
			if err := w.e.Objects.Delete(w.e.Ctx, platformtest.Bucket, "out/A/data.csv"); err != nil {
				t.Fatal(err)
			}
		}, "the output s3://" + platformtest.Bucket + "/out/A is not as"},
		{"made again", func() {}, ""},
		{"runtime of another image", func() { w.setRuntime("other:1", pyenv.Runtime{Name: "other", Python: "3.9"}) }, ""},
		{"runtime", func() {
			w.setRuntime("mobula/go:1", pyenv.Runtime{Name: "r", Python: "3.9", AsOf: "2024-01-01", Packages: []string{"a", "b"}})
		},
			"the Python runtime r is new since arn:"},
		{"its packages in another order", func() {
			w.setRuntime("mobula/go:1", pyenv.Runtime{Name: "r", Python: "3.9", AsOf: "2024-01-01", Packages: []string{"b", "a"}})
		}, ""},
		{"its day changed", func() {
			w.setRuntime("mobula/go:1", pyenv.Runtime{Name: "r", Python: "3.9", AsOf: "2024-02-01", Packages: []string{"b", "a"}})
		},
			"the Python runtime r has changed since arn:"},
		{"its packages changed", func() {
			w.setRuntime("mobula/go:1", pyenv.Runtime{Name: "r", Python: "3.9", AsOf: "2024-02-01", Packages: []string{"a"}})
		},
			"the Python runtime r has changed since arn:"},
		{"feature group changed", func() { w.mu.Lock(); w.groups["g"] = "second"; w.mu.Unlock() }, "the feature group g is not as"},
		{"feature group gone", func() { w.mu.Lock(); w.groups["g"] = ""; w.mu.Unlock() }, "the feature group g, which the job of arn:aws:sagemaker:us-east-1:123456789012:pipeline/p/execution/"},
	} {
		c.change()
		before := w.created["A"]
		arn := start(t, w, s, 0)
		got := outcome(t, w, s, arn)
		why, err := s.Explain(w.e.Ctx, *arn, "A")
		if err != nil {
			t.Fatal(err)
		}
		hit := strings.Contains(got, "cached")
		if hit != (c.why == "") || w.created["A"]-before != map[bool]int{true: 0, false: 1}[hit] || !strings.Contains(why, c.why) {
			t.Errorf("%s: %s, %s", c.name, got, why)
		}
		steps, err := s.ListPipelineExecutionSteps(w.e.Ctx, &awsapi.ListPipelineExecutionStepsRequest{PipelineExecutionArn: arn})
		if err != nil {
			t.Fatal(err)
		}
		if said := awsapi.Val(steps.PipelineExecutionSteps[0].StepDescription); !strings.Contains(said, c.why) || hit != (said == "") {
			t.Errorf("%s: the step's description is %q", c.name, said)
		}
	}
	// A hit puts the output where it is now asked for.
	step := define("y", "7")
	step["Arguments"].(m)["ProcessingOutputConfig"].(m)["Outputs"].([]any)[0].(m)["S3Output"].(m)["S3Uri"] = "s3://" + platformtest.Bucket + "/elsewhere"
	update(step)
	if got := outcome(t, w, s, start(t, w, s, 0)); !strings.Contains(got, "cached") {
		t.Error(got)
	}
	if _, err := w.e.Objects.Head(w.e.Ctx, platformtest.Bucket, "elsewhere/data.csv"); err != nil {
		t.Error(err)
	}
}
