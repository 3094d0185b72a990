package endpoints_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/endpoints"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
)

const sklearn = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"

// times answers each number times the model, and does what some bodies say.
const times = `
import os, signal
def model_fn(model_dir):
    with open(os.path.join(model_dir, "factor")) as f:
        return float(f.read())
def input_fn(body, content_type):
    if body == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if body == "fail":
        raise ValueError("the user's own error")
    if body == "env":
        return [float(os.environ["ADDED"])]
    return [float(x) for line in body.split() for x in line.split(",")]
def predict_fn(numbers, model):
    print("predicting", numbers)
    return [model * x for x in numbers]
def output_fn(numbers, accept):
    return "".join("%g\n" % x for x in numbers), accept
`

func put(t testing.TB, e *platformtest.Env, key string, content []byte) string {
	t.Helper()
	if _, err := e.Objects.Put(e.Ctx, platformtest.Bucket, key, bytes.NewReader(content), object.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	return "s3://" + platformtest.Bucket + "/" + key
}

// scripted is a container that serves a script with a factor.
func scripted(t testing.TB, e *platformtest.Env, name, script, factor string) awsapi.ContainerDefinition {
	t.Helper()
	data := put(t, e, name+"/model.tar.gz", archive(t, map[string][]byte{"factor": []byte(factor)}))
	code := put(t, e, name+"/sourcedir.tar.gz", archive(t, map[string][]byte{"serve.py": []byte(script)}))
	return awsapi.ContainerDefinition{Image: new(sklearn), ModelDataUrl: &data, Environment: map[string]string{
		"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": code, "SAGEMAKER_MODEL_SERVER_WORKERS": "1", "ADDED": "7"}}
}

func configure(t testing.TB, e *platformtest.Env, s *endpoints.Service, name string, change func(*awsapi.CreateEndpointConfigInput), containers ...awsapi.ContainerDefinition) {
	t.Helper()
	in := &awsapi.CreateModelInput{ModelName: &name, Containers: containers, ExecutionRoleArn: new(e.Caller.RoleARN)}
	if len(containers) == 1 {
		in.PrimaryContainer, in.Containers = &containers[0], nil
	}
	if _, err := s.CreateModel(e.Ctx, in); err != nil {
		t.Fatal(err)
	}
	config := &awsapi.CreateEndpointConfigInput{EndpointConfigName: &name, ProductionVariants: []awsapi.ProductionVariant{
		{VariantName: new("v"), ModelName: &name, InstanceType: new("ml.m5.large"), InitialInstanceCount: new(int32(1))}}}
	if change != nil {
		change(config)
	}
	if _, err := s.CreateEndpointConfig(e.Ctx, config); err != nil {
		t.Fatal(err)
	}
}

func text(e *platformtest.Env, s *endpoints.Service, name, body string) (string, error) {
	out, err := s.InvokeEndpoint(e.Ctx, &awsapi.InvokeEndpointInput{EndpointName: &name, ContentType: new("text/csv"), Accept: new("text/csv"), Body: []byte(body)})
	if err != nil {
		return "", err
	}
	return string(out.Body), nil
}

func TestScriptServes(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{runner.Auto, runner.Plain} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			e := platformtest.New(t)
			s := newRoom(t, e, mode)
			defer end(t, e, s)
			configure(t, e, s, "m", nil, scripted(t, e, "m", times, "3"))
			if d := create(t, e, s, "e", "m"); *d.EndpointStatus != "InService" {
				t.Fatal(awsapi.Val(d.FailureReason))
			}
			asked := func(body, want string) {
				t.Helper()
				if got, err := text(e, s, "e", body); err != nil || got != want {
					t.Errorf("asked %q: %q, %v, want %q", body, got, err, want)
				}
			}
			asked("1,2", "3\n6\n")
			asked("env", "21\n")
			if _, err := text(e, s, "e", "fail"); !awsapi.IsCode(err, "ModelError") || !strings.Contains(err.Error(), "the user's own error") {
				t.Errorf("an error of the script: %v", err)
			}
			if _, err := text(e, s, "e", "die"); !awsapi.IsCode(err, "ModelError") {
				t.Errorf("a request that kills workers: %v", err)
			}
			asked("4", "12\n") // the worker was replaced, the endpoint never left
		})
	}
}

// What a script's start ends with stands in the endpoint's FailureReason.
func TestScriptThatDoesNotStart(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto)
	defer end(t, e, s)
	for name, c := range map[string]struct{ script, want string }{
		"raises":  {"def model_fn(d):\n    raise RuntimeError('the weights are missing')", "RuntimeError: the weights are missing"},
		"imports": {"import nothing_of_the_kind", "No module named 'nothing_of_the_kind'"},
	} {
		configure(t, e, s, name, nil, scripted(t, e, name, c.script, "1"))
		d := create(t, e, s, name, name)
		reason := awsapi.Val(d.FailureReason)
		if *d.EndpointStatus != "Failed" || !strings.Contains(reason, c.want) || !strings.Contains(reason, "Traceback") || !strings.Contains(reason, "variant v") {
			t.Errorf("%s: %s, %q, want %q", name, *d.EndpointStatus, reason, c.want)
		}
	}
	gone := scripted(t, e, "gone", times, "1")
	gone.Environment["SAGEMAKER_SUBMIT_DIRECTORY"] = "s3://" + platformtest.Bucket + "/none.tar.gz"
	configure(t, e, s, "gone", nil, gone)
	if d := create(t, e, s, "gone", "gone"); !strings.Contains(awsapi.Val(d.FailureReason), "none.tar.gz does not exist") {
		t.Errorf("code that is not there: %s", awsapi.Val(d.FailureReason))
	}
}

// Each container of an inference pipeline gets the answer of the one before; data need not be an archive, nor be there at all.
func TestContainersInARow(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto)
	defer end(t, e, s)
	first := scripted(t, e, "first", times, "2")
	put(t, e, "plain/factor", []byte("10"))
	second := scripted(t, e, "second", times, "0")
	second.ModelDataUrl = nil
	second.ModelDataSource = &awsapi.ModelDataSource{S3DataSource: &awsapi.S3ModelDataSource{S3Uri: new("s3://" + platformtest.Bucket + "/plain/"),
		S3DataType: new(awsapi.S3ModelDataTypeS3Prefix), CompressionType: new(awsapi.ModelCompressionTypeNone)}}
	third := scripted(t, e, "third", strings.Replace(times, `    with open(os.path.join(model_dir, "factor")) as f:
        return float(f.read())`, "    return 0.5", 1), "0")
	third.ModelDataUrl = nil
	configure(t, e, s, "m", nil, first, second, third)
	if d := create(t, e, s, "e", "m"); *d.EndpointStatus != "InService" {
		t.Fatal(awsapi.Val(d.FailureReason))
	}
	if got, err := text(e, s, "e", "1,3"); err != nil || got != "10\n30\n" {
		t.Errorf("%q, %v", got, err)
	}
	d, err := s.DescribeEndpoint(e.Ctx, &awsapi.DescribeEndpointInput{EndpointName: new("e")})
	if err != nil || len(d.ProductionVariants[0].DeployedImages) != 3 {
		t.Errorf("%v, %v", d, err)
	}
}

func TestVariantsShareByWeight(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto)
	defer end(t, e, s)
	configure(t, e, s, "one", nil, scripted(t, e, "one", times, "1"))
	configure(t, e, s, "two", func(in *awsapi.CreateEndpointConfigInput) {
		one := awsapi.ProductionVariant{VariantName: new("w"), ModelName: new("one"), ServerlessConfig: &awsapi.ProductionVariantServerlessConfig{MemorySizeInMB: new(int32(1024)), MaxConcurrency: new(int32(2))}}
		in.ProductionVariants = append(in.ProductionVariants, one)
	}, scripted(t, e, "two", times, "2"))
	if d := create(t, e, s, "e", "two"); *d.EndpointStatus != "InService" {
		t.Fatal(awsapi.Val(d.FailureReason))
	}
	share := func() (ones int) {
		for range 100 {
			got, err := text(e, s, "e", "1")
			if err != nil {
				t.Fatal(err)
			}
			if got == "1\n" {
				ones++
			}
		}
		return ones
	}
	if n := share(); n < 20 || n > 80 {
		t.Errorf("%d of 100 requests went to one of two equal variants", n)
	}
	weigh := func(v, w float32) {
		if _, err := s.UpdateEndpointWeightsAndCapacities(e.Ctx, &awsapi.UpdateEndpointWeightsAndCapacitiesInput{EndpointName: new("e"),
			DesiredWeightsAndCapacities: []awsapi.DesiredWeightAndCapacity{{VariantName: new("v"), DesiredWeight: &v}, {VariantName: new("w"), DesiredWeight: &w}}}); err != nil {
			t.Fatal(err)
		}
	}
	weigh(0, 1)
	if n := share(); n != 100 {
		t.Errorf("%d of 100 requests went to the only variant with a weight", n)
	}
	out, err := s.InvokeEndpoint(e.Ctx, &awsapi.InvokeEndpointInput{EndpointName: new("e"), TargetVariant: new("v"), ContentType: new("text/csv"), Body: []byte("1")})
	if err != nil || string(out.Body) != "2\n" || *out.InvokedProductionVariant != "v" {
		t.Errorf("%v, %v", out, err)
	}
}

// An update waits for the requests that are on their way, however long their script takes.
func TestUpdateOfAScriptLosesNoRequest(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto)
	defer end(t, e, s)
	lazy := strings.Replace(times, `print("predicting", numbers)`, "__import__('time').sleep(0.3)", 1)
	configure(t, e, s, "one", nil, scripted(t, e, "one", lazy, "1"))
	configure(t, e, s, "two", nil, scripted(t, e, "two", lazy, "2"))
	create(t, e, s, "e", "one")
	ctx, cancel := context.WithCancel(e.Ctx)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if got, err := text(e, s, "e", "1"); err != nil || got != "1\n" && got != "2\n" {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
	if _, err := s.UpdateEndpoint(e.Ctx, &awsapi.UpdateEndpointInput{EndpointName: new("e"), EndpointConfigName: new("two")}); err != nil {
		t.Fatal(err)
	}
	settled(t, e, s, "e")
	if got, err := text(e, s, "e", "1"); err != nil || got != "2\n" {
		t.Errorf("after the update: %q, %v", got, err)
	}
	cancel()
	wg.Wait()
}

// What is captured is there in S3 in the form that AWS documents.
func TestDataCapture(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto)
	defer end(t, e, s)
	configure(t, e, s, "m", func(in *awsapi.CreateEndpointConfigInput) {
		in.DataCaptureConfig = &awsapi.DataCaptureConfig{EnableCapture: new(true), InitialSamplingPercentage: new(int32(100)),
			DestinationS3Uri: new("s3://" + platformtest.Bucket + "/capture"), CaptureContentTypeHeader: &awsapi.CaptureContentTypeHeader{CsvContentTypes: []string{"text/csv"}},
			CaptureOptions: []awsapi.CaptureOption{{CaptureMode: new(awsapi.CaptureModeInput)}, {CaptureMode: new(awsapi.CaptureModeOutput)}}}
	}, scripted(t, e, "m", times, "2"))
	create(t, e, s, "e", "m")
	for i := range 3 {
		if _, err := text(e, s, "e", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	platformtest.Eventually(t, "three invocations are captured", func() bool {
		lines = nil
		found, _, err := e.Objects.List(e.Ctx, platformtest.Bucket, "capture/e/v/"+time.Now().UTC().Format("2006/"), "", 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range found {
			lines = append(lines, strings.Split(strings.TrimSpace(content(t, e, o.Key)), "\n")...)
		}
		return len(lines) == 3
	})
	var line struct {
		CaptureData struct {
			EndpointInput, EndpointOutput struct{ ObservedContentType, Mode, Data, Encoding string }
		}
		EventMetadata struct{ EventID, InferenceTime string }
		EventVersion  string
	}
	if err := json.Unmarshal([]byte(lines[2]), &line); err != nil {
		t.Fatal(err)
	}
	in, out := line.CaptureData.EndpointInput, line.CaptureData.EndpointOutput
	if in.Data != "2" || in.Mode != "INPUT" || in.Encoding != "CSV" || out.Data != "4\n" || out.Mode != "OUTPUT" || len(line.EventMetadata.EventID) != 36 || line.EventVersion != "0" {
		t.Errorf("%s", lines[2])
	}
}

func content(t testing.TB, e *platformtest.Env, key string) string {
	t.Helper()
	body, _, err := e.Objects.Get(e.Ctx, platformtest.Bucket, key)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func BenchmarkInvokeScript(b *testing.B) {
	e := platformtest.New(b)
	s := newRoom(b, e, runner.Auto)
	defer end(b, e, s)
	configure(b, e, s, "m", nil, scripted(b, e, "m", times, "3"))
	create(b, e, s, "warm", "m") // the Python world is made
	began := time.Now()
	create(b, e, s, "e", "m")
	start := time.Since(began)
	for b.Loop() {
		if _, err := text(e, s, "e", "1"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(start.Seconds(), "s-to-serve")
}
