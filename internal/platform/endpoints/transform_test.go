package endpoints_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/platform/endpoints"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/transform"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/records"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/store"
)

// newTransforms is the room of transform jobs beside that of their models. The engine is started.
func newTransforms(t testing.TB, e *platformtest.Env) (*endpoints.Service, *transform.Service) {
	t.Helper()
	return newTransformsOn(t, e, nil)
}

// newTransformsOn is newTransforms on a part of the machine.
func newTransformsOn(t testing.TB, e *platformtest.Env, m *capacity.Machine) (*endpoints.Service, *transform.Service) {
	t.Helper()
	s := openRoom(t, e, runner.Auto)
	j := transform.New(transform.Deps{DB: e.DB, Engine: e.Engine, Objects: e.Objects, Keys: e.Keys, Hosts: s.Hosts, Models: s, World: e.World, Log: e.Log,
		Dir: filepath.Join(e.Dir, "transform"), LogDir: filepath.Join(e.Dir, "logs"), Capacity: m})
	if err := j.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.Engine.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	return s, j
}

func modelOf(t testing.TB, e *platformtest.Env, s *endpoints.Service, name string, c awsapi.ContainerDefinition) {
	t.Helper()
	if _, err := s.CreateModel(e.Ctx, &awsapi.CreateModelInput{ModelName: &name, PrimaryContainer: &c, ExecutionRoleArn: new(e.Caller.RoleARN)}); err != nil {
		t.Fatal(err)
	}
}

// request is a job that reads lines of CSV below in/ and writes below out/.
func request(name string, change func(*awsapi.CreateTransformJobRequest)) *awsapi.CreateTransformJobRequest {
	in := &awsapi.CreateTransformJobRequest{TransformJobName: &name, ModelName: new("m"),
		TransformInput: &awsapi.TransformInput{ContentType: new("text/csv"), SplitType: new("Line"), DataSource: &awsapi.TransformDataSource{
			S3DataSource: &awsapi.TransformS3DataSource{S3DataType: new("S3Prefix"), S3Uri: new("s3://" + platformtest.Bucket + "/in/")}}},
		TransformOutput:    &awsapi.TransformOutput{S3OutputPath: new("s3://" + platformtest.Bucket + "/out-" + name), Accept: new("text/csv")},
		TransformResources: &awsapi.TransformResources{InstanceType: new("ml.m5.large"), InstanceCount: new(int32(1))}}
	if change != nil {
		change(in)
	}
	return in
}

func ended(t testing.TB, e *platformtest.Env, j *transform.Service, name string) (d *awsapi.DescribeTransformJobResponse) {
	t.Helper()
	platformtest.Eventually(t, "transform job "+name+" has ended", func() bool {
		var err error
		if d, err = j.DescribeTransformJob(e.Ctx, &awsapi.DescribeTransformJobRequest{TransformJobName: &name}); err != nil {
			t.Fatal(err)
		}
		return d.TransformEndTime != nil
	})
	return d
}

// sizes is a model that tells how long a request is, and how it begins.
const sizes = `
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return body if isinstance(body, bytes) else body.encode("latin-1")
def predict_fn(body, model):
    return "%d %s" % (len(body), body[:4].hex())
def output_fn(text, accept):
    return text, accept
`

func TestTransform(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s, j := newTransforms(t, e)
	defer s.Stop()
	modelOf(t, e, s, "m", scripted(t, e, "m", times, "2"))
	put(t, e, "in/a.csv", []byte("1\n2\r\n\n3"))
	put(t, e, "in/deep/b.csv", []byte("10\n20\n"))
	put(t, e, "wide/c.csv", []byte("x,1\ny,2\n"))
	put(t, e, "list", []byte(`[{"prefix": "s3://`+platformtest.Bucket+`/in/"}, "deep/b.csv"]`))
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	fmt.Fprint(zip, "5\n")
	zip.Close()
	put(t, e, "zip/d.csv.gz", zipped.Bytes())
	modelOf(t, e, s, "sizes", scripted(t, e, "sizes", sizes, "2"))
	var wrapped bytes.Buffer
	for _, text := range []string{"1", "2"} {
		if err := records.WriteRecordIO(&wrapped, strings.NewReader(text), 1); err != nil {
			t.Fatal(err)
		}
	}
	put(t, e, "binary/a.rec", wrapped.Bytes())
	put(t, e, "binary/a.tfrecord", records.AppendTFRecord(records.AppendTFRecord(nil, []byte("3")), []byte("4")))
	from := func(in *awsapi.CreateTransformJobRequest, path string) {
		in.TransformInput.DataSource.S3DataSource.S3Uri = new("s3://" + platformtest.Bucket + "/" + path)
	}
	for name, c := range map[string]struct {
		change func(*awsapi.CreateTransformJobRequest)
		want   map[string]string // by key below the output path
	}{
		"many": {nil, map[string]string{"a.csv.out": "2\n4\n6\n", "deep/b.csv.out": "20\n40\n"}},
		"single": {func(in *awsapi.CreateTransformJobRequest) {
			in.BatchStrategy = new("SingleRecord")
			in.MaxConcurrentTransforms = new(int32(4))
		}, map[string]string{"a.csv.out": "2\n4\n6\n", "deep/b.csv.out": "20\n40\n"}},
		"whole": {func(in *awsapi.CreateTransformJobRequest) {
			in.TransformInput.SplitType = nil
			from(in, "in/deep/b.csv")
		}, map[string]string{"b.csv.out": "20\n40\n"}},
		"part of a name": {func(in *awsapi.CreateTransformJobRequest) {
			in.TransformJobName = new("part")
			from(in, "in/de")
			in.TransformOutput.S3OutputPath = new("s3://" + platformtest.Bucket + "/out-part of a name")
		},
			map[string]string{"deep/b.csv.out": "20\n40\n"}},
		"list": {func(in *awsapi.CreateTransformJobRequest) {
			from(in, "list")
			in.TransformInput.DataSource.S3DataSource.S3DataType = new("ManifestFile")
		}, map[string]string{"deep/b.csv.out": "20\n40\n"}},
		"zip": {func(in *awsapi.CreateTransformJobRequest) {
			from(in, "zip/")
			in.TransformInput.CompressionType = new("Gzip")
		}, map[string]string{"d.csv.gz.out": "10\n"}},
		"join": {func(in *awsapi.CreateTransformJobRequest) {
			from(in, "wide/")
			in.DataProcessing = &awsapi.DataProcessing{InputFilter: new("$[1:]"), JoinSource: new("Input"), OutputFilter: new("$[0,-1]")}
		}, map[string]string{"c.csv.out": "x,2\ny,4\n"}},
		"recordio": {func(in *awsapi.CreateTransformJobRequest) {
			from(in, "binary/a.rec")
			in.TransformInput.SplitType, in.BatchStrategy, in.TransformOutput.AssembleWith = new("RecordIO"), new("SingleRecord"), new("Line")
		}, map[string]string{"a.rec.out": "2\n4\n"}},
		"tfrecord": {func(in *awsapi.CreateTransformJobRequest) {
			from(in, "binary/a.tfrecord")
			in.TransformInput.SplitType, in.BatchStrategy = new("TFRecord"), new("SingleRecord")
		}, map[string]string{"a.tfrecord.out": "6\n8\n"}},
		"frames": {func(in *awsapi.CreateTransformJobRequest) {
			in.ModelName = new("sizes")
			from(in, "binary/a.rec")
			in.TransformInput.SplitType, in.TransformInput.ContentType, in.TransformOutput.AssembleWith = new("RecordIO"), new("application/x-recordio"), new("Line")
		}, map[string]string{"a.rec.out": "24 0a23d7ce\n"}},
		"environment": {func(in *awsapi.CreateTransformJobRequest) {
			in.Environment = map[string]string{"SAGEMAKER_BATCH": "sure"}
			from(in, "in/deep/")
		}, map[string]string{"b.csv.out": "20\n40\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := request(name, c.change)
			if _, err := j.CreateTransformJob(e.Ctx, in); err != nil {
				t.Fatal(err)
			}
			if d := ended(t, e, j, *in.TransformJobName); *d.TransformJobStatus != "Completed" || d.TransformStartTime == nil {
				t.Fatalf("%s: %s", *d.TransformJobStatus, awsapi.Val(d.FailureReason))
			}
			found, _, err := e.Objects.List(e.Ctx, platformtest.Bucket, "out-"+name+"/", "", 0)
			if err != nil || len(found) != len(c.want) {
				t.Errorf("%v, %v", found, err)
			}
			for key, want := range c.want {
				if got := content(t, e, "out-"+name+"/"+key); got != want {
					t.Errorf("%s: %q, want %q", key, got, want)
				}
			}
		})
	}
	platformtest.Eventually(t, "nothing is left of the jobs", func() bool {
		left, err := os.ReadDir(filepath.Join(e.Dir, "transform"))
		return err == nil && len(left) == 0
	})
	list, err := j.ListTransformJobs(e.Ctx, &awsapi.ListTransformJobsRequest{NameContains: new("in"), StatusEquals: new("Completed")})
	if err != nil || len(list.TransformJobSummaries) != 2 {
		t.Errorf("%v, %v", list, err)
	}
}

const jsonTimes = `
import json
def model_fn(model_dir): return 2
def transform_fn(model, body, content_type, accept):
    return "\n".join(json.dumps({"score": model * json.loads(line)["x"]}) for line in body.split("\n")), accept
`

func TestTransformOfJSONLinesJoins(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s, j := newTransforms(t, e)
	defer s.Stop()
	modelOf(t, e, s, "m", scripted(t, e, "m", strings.Replace(jsonTimes, "body.split", "(body if isinstance(body, str) else body.decode()).split", 1), "1"))
	put(t, e, "in/a.jsonl", []byte("{\"z\": 1, \"x\": 4}\n{\"z\": 2, \"x\": 5.5}\n"))
	in := request("lines", func(in *awsapi.CreateTransformJobRequest) {
		in.TransformInput.ContentType, in.TransformOutput.Accept, in.TransformOutput.AssembleWith = new("application/jsonlines"), new("application/jsonlines"), new("Line")
		in.DataProcessing = &awsapi.DataProcessing{JoinSource: new("Input"), OutputFilter: new("$['z','SageMakerOutput']")}
	})
	if _, err := j.CreateTransformJob(e.Ctx, in); err != nil {
		t.Fatal(err)
	}
	if d := ended(t, e, j, "lines"); *d.TransformJobStatus != "Completed" {
		t.Fatal(awsapi.Val(d.FailureReason))
	}
	if got, want := content(t, e, "out-lines/a.jsonl.out"), "{\"z\":1,\"SageMakerOutput\":{\"score\":8}}\n{\"z\":2,\"SageMakerOutput\":{\"score\":11.0}}\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// One object that fails leaves no output and does not keep the others from theirs; the job says which and why, and tells its owner.
func TestTransformFails(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	told := make(chan struct{}, 9)
	e.Engine.Handle("owner", durable.KindOptions{}, func(context.Context, *durable.Lease) error {
		told <- struct{}{}
		return durable.Park(time.Hour)
	})
	s, j := newTransforms(t, e)
	defer s.Stop()
	if err := e.DB.Update(e.Ctx, func(tx *store.Tx) error { return e.Engine.Enqueue(tx, "owner", "o") }); err != nil {
		t.Fatal(err)
	}
	<-told
	modelOf(t, e, s, "m", scripted(t, e, "m", times, "2"))
	modelOf(t, e, s, "broken", scripted(t, e, "broken", "def model_fn(d):\n    raise RuntimeError('no weights')", "2"))
	put(t, e, "in/good.csv", []byte("1\n2\n"))
	put(t, e, "in/wrong.csv", []byte("1\nfail\n"))
	in := request("wrong", func(in *awsapi.CreateTransformJobRequest) {
		in.BatchStrategy, in.ModelClientConfig = new("SingleRecord"), &awsapi.ModelClientConfig{InvocationsMaxRetries: new(int32(0))}
	})
	if _, err := j.CreateTransformJob(durable.WithOwner(e.Ctx, durable.Owner{Kind: "owner", Key: "o"}), in); err != nil {
		t.Fatal(err)
	}
	d := ended(t, e, j, "wrong")
	for _, want := range []string{"1 of 2 objects", "in/wrong.csv: from record 2 on", "the user's own error"} {
		if *d.TransformJobStatus != "Failed" || !strings.Contains(awsapi.Val(d.FailureReason), want) {
			t.Errorf("%s: %s, want %s", *d.TransformJobStatus, awsapi.Val(d.FailureReason), want)
		}
	}
	<-told
	found, _, err := e.Objects.List(e.Ctx, platformtest.Bucket, "out-wrong/", "", 0)
	if err != nil || len(found) != 1 || found[0].Key != "out-wrong/good.csv.out" {
		t.Errorf("%v, %v", found, err)
	}
	for name, c := range map[string]struct {
		change func(*awsapi.CreateTransformJobRequest)
		want   string
	}{
		"broken": {func(in *awsapi.CreateTransformJobRequest) { in.ModelName = new("broken") }, "RuntimeError: no weights"},
		"empty": {func(in *awsapi.CreateTransformJobRequest) {
			in.TransformInput.DataSource.S3DataSource.S3Uri = new("s3://" + platformtest.Bucket + "/nothing/")
		}, "no S3 objects found"},
		"killer": {func(in *awsapi.CreateTransformJobRequest) {
			put(t, e, "killer/x.csv", []byte("die\n"))
			in.TransformInput.DataSource.S3DataSource.S3Uri = new("s3://" + platformtest.Bucket + "/killer/")
			in.ModelClientConfig = &awsapi.ModelClientConfig{InvocationsMaxRetries: new(int32(1))}
		}, "the model gave no answer"},
	} {
		if _, err := j.CreateTransformJob(e.Ctx, request(name, c.change)); err != nil {
			t.Fatal(err)
		}
		if d := ended(t, e, j, name); *d.TransformJobStatus != "Failed" || !strings.Contains(awsapi.Val(d.FailureReason), c.want) {
			t.Errorf("%s: %s, %s, want %s", name, *d.TransformJobStatus, awsapi.Val(d.FailureReason), c.want)
		}
	}
}

// slow takes its time for every record.
const slow = `
import time
def model_fn(d): return 1
def transform_fn(model, body, content_type, accept):
    time.sleep(0.03)
    return body, accept
`

// A job goes on after a restart of the server, with its host and what it has done; one that is asked to stop stops.
func TestTransformOverARestartAndStopped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := platformtest.Open(t, dir)
	s, j := newTransforms(t, e)
	modelOf(t, e, s, "m", scripted(t, e, "m", slow, "1"))
	for i := range 40 {
		put(t, e, fmt.Sprintf("in/%02d.csv", i), fmt.Appendf(nil, "%d", i))
	}
	if _, err := j.CreateTransformJob(e.Ctx, request("long", nil)); err != nil {
		t.Fatal(err)
	}
	written := func() int {
		found, _, err := e.Objects.List(e.Ctx, platformtest.Bucket, "out-long/", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	platformtest.Eventually(t, "some objects are done", func() bool { return written() > 3 })
	s.Stop()
	e.Close()
	e = platformtest.Open(t, dir)
	defer e.Close()
	before, err := e.Objects.Head(e.Ctx, platformtest.Bucket, "out-long/00.csv.out")
	if err != nil || written() == 40 {
		t.Fatalf("the job was done before the restart: %v", err)
	}
	s, j = newTransforms(t, e)
	defer s.Stop()
	if d := ended(t, e, j, "long"); *d.TransformJobStatus != "Completed" || written() != 40 {
		t.Errorf("%s: %s, %d objects", *d.TransformJobStatus, awsapi.Val(d.FailureReason), written())
	}
	if after, err := e.Objects.Head(e.Ctx, platformtest.Bucket, "out-long/00.csv.out"); err != nil || !after.Modified.Equal(before.Modified) {
		t.Errorf("an object that was done was done again: %v, %v", after, err)
	}
	if _, err := j.CreateTransformJob(e.Ctx, request("stopped", nil)); err != nil {
		t.Fatal(err)
	}
	platformtest.Eventually(t, "it runs", func() bool {
		found, _, err := e.Objects.List(e.Ctx, platformtest.Bucket, "out-stopped/", "", 0)
		return err == nil && len(found) > 0
	})
	if err := j.StopTransformJob(e.Ctx, &awsapi.StopTransformJobRequest{TransformJobName: new("stopped")}); err != nil {
		t.Fatal(err)
	}
	if d := ended(t, e, j, "stopped"); *d.TransformJobStatus != "Stopped" {
		t.Errorf("%s", *d.TransformJobStatus)
	}
}

func TestTransformRefuses(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s, j := newTransforms(t, e)
	defer s.Stop()
	modelOf(t, e, s, "m", scripted(t, e, "m", times, "2"))
	for want, change := range map[string]func(*awsapi.CreateTransformJobRequest){
		"cannot be used with transformInput.splitType RecordIO": func(in *awsapi.CreateTransformJobRequest) {
			in.TransformInput.SplitType = new("RecordIO")
			in.DataProcessing = &awsapi.DataProcessing{JoinSource: new("Input")}
		},
		"Could not find model": func(in *awsapi.CreateTransformJobRequest) { in.ModelName = new("none") },
		"must begin with $": func(in *awsapi.CreateTransformJobRequest) {
			in.DataProcessing = &awsapi.DataProcessing{InputFilter: new("x")}
		},
		"with which it is joined": func(in *awsapi.CreateTransformJobRequest) {
			in.DataProcessing = &awsapi.DataProcessing{JoinSource: new("Input")}
			in.TransformOutput.Accept = new("application/json")
		},
		"must not be larger than 100 MB": func(in *awsapi.CreateTransformJobRequest) {
			in.MaxPayloadInMB, in.MaxConcurrentTransforms = new(int32(50)), new(int32(3))
		},
		"dataCaptureConfig is not served": func(in *awsapi.CreateTransformJobRequest) { in.DataCaptureConfig = &awsapi.BatchDataCaptureConfig{} },
	} {
		if _, err := j.CreateTransformJob(e.Ctx, request("r", change)); !awsapi.IsCode(err, "ValidationException") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if list, err := j.ListTransformJobs(e.Ctx, &awsapi.ListTransformJobsRequest{}); err != nil || len(list.TransformJobSummaries) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}
