package jobs_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/tarball"
)

// worlds keeps Python worlds of the test, one of them of the machine's own Python and without packages.
func worlds(t testing.TB, e *platformtest.Env) *pyenv.Manager {
	t.Helper()
	if uv, err := filepath.Abs("../../../.cache/venv/bin/uv"); err == nil && os.Getenv("MOBULA_UV") == "" {
		if _, err := os.Stat(uv); err == nil {
			os.Setenv("MOBULA_UV", uv)
		}
	}
	version, err := exec.Command("python3", "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(e.Dir, "runtimes.toml")
	text := "[[runtime]]\nname = \"bare\"\nimage = \"(bare|sagemaker-xgboost):.*\"\nas_of = \"2021-01-31\"\npython = \"" + strings.TrimSpace(string(version)) + "\"\n" +
		"[[runtime]]\nname = \"broken\"\nimage = \"broken:.*\"\nas_of = \"2021-01-31\"\npackages = [\"six==99\"]\npython = \"" + strings.TrimSpace(string(version)) + "\"\n"
	if err := os.WriteFile(table, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := pyenv.Open(pyenv.Options{Dir: filepath.Join(e.Dir, "cache"), Table: table})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// serve answers hosts as the server does, without looking at signatures.
func serve(t testing.TB, e *platformtest.Env, m *pyenv.Manager) {
	t.Helper()
	l, err := runner.ListenForHosts(filepath.Join(e.Dir, "mobula.sock"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(pyenv.Path, m)
	mux.Handle("/", object.Handler(e.Objects, object.HandlerOptions{World: e.World, Log: e.Log}))
	server := &http.Server{Handler: mux}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

// A script-mode training job unpacks its code, installs its requirements, and runs it on several hosts; its metrics and its model are kept.
func TestScriptMode(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	m := worlds(t, e)
	s := newRoomWith(t, e, runner.Auto, 2, m)
	serve(t, e, m)
	code := t.TempDir()
	for name, text := range map[string]string{"requirements.txt": "six<1.15\n", "train.py": `
import argparse, os, six
from model import write
a = argparse.ArgumentParser()
a.add_argument("--depth", type=int)
print("depth", a.parse_args().depth, "six", six.__version__, "cpus", os.cpu_count(), os.environ["SM_CURRENT_HOST"], sorted(os.listdir(os.environ["SM_CHANNEL_TRAIN"])))
print("[4] #011validation-rmse:2.5"); print("loss=0.5;")
write()
`, "model.py": `
import os
def write():
    open(os.environ["SM_MODEL_DIR"] + "/" + os.environ["SM_CURRENT_HOST"], "w").write("x")
`} {
		if err := os.WriteFile(filepath.Join(code, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	if err := tarball.Pack(zip, code); err != nil {
		t.Fatal(err)
	}
	zip.Close()
	put(t, e, "code/sourcedir.tar.gz", archive.String())
	put(t, e, "data/a.csv", "1\n")
	put(t, e, "data/b.csv", "2\n")
	in := training("script")
	in.AlgorithmSpecification = &awsapi.AlgorithmSpecification{TrainingImage: new("sagemaker-xgboost:1.7-1"), TrainingInputMode: new("File"),
		MetricDefinitions: []awsapi.MetricDefinition{{Name: new("loss"), Regex: new("loss=([0-9.]+);")},
			{Name: new("loss of a line"), Regex: new("loss=([0-9.]+).*$")}}}
	in.HyperParameters = map[string]string{"sagemaker_program": `"train.py"`, "sagemaker_submit_directory": `"s3://` + platformtest.Bucket + `/code/sourcedir.tar.gz"`, "depth": `"5"`}
	in.ResourceConfig.InstanceCount, in.ResourceConfig.InstanceType = new(int32(2)), new("ml.m5.xlarge")
	in.InputDataConfig = []awsapi.Channel{{ChannelName: new("train"), DataSource: &awsapi.DataSource{S3DataSource: &awsapi.S3DataSource{S3Uri: new("s3://" + platformtest.Bucket + "/data"),
		S3DataType: new("S3Prefix"), S3DataDistributionType: new("ShardedByS3Key")}}}}
	if _, err := s.CreateTrainingJob(e.Ctx, in); err != nil {
		t.Fatal(err)
	}
	d := trained(t, e, s, "script")
	logs, err := filepath.Glob(filepath.Join(e.Dir, "logs", "TrainingJobs", "script", "*"))
	if err != nil || len(logs) != 2 || *d.TrainingJobStatus != "Completed" {
		t.Fatalf("%s: %s; logs %v, %v", *d.TrainingJobStatus, awsapi.Val(d.FailureReason), logs, err)
	}
	for i, want := range []string{"depth 5 six 1.14.0 cpus 4 algo-1 ['a.csv']", "depth 5 six 1.14.0 cpus 4 algo-2 ['b.csv']"} {
		if text, err := os.ReadFile(logs[i]); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %s, want %q", logs[i], text, want)
		}
	}
	metrics := map[string]float32{}
	for _, x := range d.FinalMetricDataList {
		metrics[*x.MetricName] = *x.Value
	}
	if metrics["validation:rmse"] != 2.5 || metrics["loss"] != 0.5 || metrics["loss of a line"] != 0.5 {
		t.Errorf("metrics %v", metrics)
	}
	body, _, err := e.Objects.Get(e.Ctx, platformtest.Bucket, "models/script/output/model.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	model := t.TempDir()
	if err := tarball.Unpack(model, body); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(model); err != nil || len(files) != 2 {
		t.Errorf("the model has %v: %v", files, err)
	}
}

// What is wrong with an image, its packages or the script is said in the words of those who know.
func TestScriptsThatFail(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	m := worlds(t, e)
	s := newRoomWith(t, e, runner.Auto, 2, m)
	serve(t, e, m)
	python := func(name, image, script string) *awsapi.CreateProcessingJobRequest {
		in := shell(name, script, 1)
		in.AppSpecification.ImageUri, in.AppSpecification.ContainerEntrypoint = &image, []string{"python3", "-c", script}
		return in
	}
	for name, c := range map[string]struct{ image, script, want string }{
		"raises":  {"bare:1", "raise ValueError('no luck')", "ValueError: no luck"},
		"pip":     {"bare:1", "import subprocess, sys; subprocess.check_call([sys.executable, '-m', 'pip', 'install', 'six==99'])", "returned non-zero exit status"},
		"runtime": {"broken:1", "", "six==99"},
	} {
		start(t, e, s, python(name, c.image, c.script))
		if d := ended(t, e, s, name); *d.ProcessingJobStatus != "Failed" || !strings.Contains(awsapi.Val(d.FailureReason), c.want) {
			t.Errorf("%s: %s, %s", name, *d.ProcessingJobStatus, awsapi.Val(d.FailureReason))
		}
	}
	if _, err := s.CreateProcessingJob(e.Ctx, python("none", "unheard-of:1", "")); err == nil || !strings.Contains(err.Error(), "runtimes.toml") {
		t.Errorf("an image without a runtime: %v", err)
	}
}

// Channels come as pipes, once for each epoch, and as the objects that a manifest names.
func TestPipesAndManifests(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 2)
	put(t, e, "data/a.csv", "1\n")
	put(t, e, "data/b.csv", "2\n")
	put(t, e, "data/sub/c.csv", "3\n")
	put(t, e, "list.json", `[{"prefix":"s3://`+platformtest.Bucket+`/data/"},"b.csv","sub/c.csv"]`)
	put(t, e, "wrong.json", `[{"prefix":"s3://`+platformtest.Bucket+`/data/"},"none.csv"]`)
	channel := func(name, uri, kind, mode string) awsapi.Channel {
		return awsapi.Channel{ChannelName: &name, InputMode: awsapi.Optional(mode), DataSource: &awsapi.DataSource{S3DataSource: &awsapi.S3DataSource{S3DataType: &kind, S3Uri: new("s3://" + platformtest.Bucket + "/" + uri)}}}
	}
	run := func(name, script string, channels ...awsapi.Channel) *awsapi.DescribeTrainingJobResponse {
		in := training(name)
		in.AlgorithmSpecification.TrainingImage, in.AlgorithmSpecification.ContainerEntrypoint = new("mobula/go:1"), []string{"/bin/sh", "-c", script}
		in.HyperParameters, in.InputDataConfig = nil, channels
		if _, err := s.CreateTrainingJob(e.Ctx, in); err != nil {
			t.Fatal(err)
		}
		return trained(t, e, s, name)
	}
	const script = `cd /opt/ml/input/data && test "$(cat train_0 | tr '\n' ' ')" = "1 2 3 " && test "$(cat train_1 | wc -l)" = 3 && test "$(cat listed/b.csv listed/sub/c.csv | tr '\n' ' ')" = "2 3 " && test ! -e listed/a.csv`
	if d := run("good", script, channel("train", "data/", "S3Prefix", "Pipe"), channel("listed", "list.json", "ManifestFile", "")); *d.TrainingJobStatus != "Completed" {
		t.Errorf("%s: %s", *d.TrainingJobStatus, awsapi.Val(d.FailureReason))
	}
	if d := run("wrong", "true", channel("listed", "wrong.json", "ManifestFile", "")); *d.TrainingJobStatus != "Failed" || !strings.Contains(awsapi.Val(d.FailureReason), "none.csv' does not exist") {
		t.Errorf("%s: %s", *d.TrainingJobStatus, awsapi.Val(d.FailureReason))
	}
	broken := channel("train", "data/", "S3Prefix", "Pipe")
	broken.CompressionType = new("Gzip")
	if d := run("broken", "cat /opt/ml/input/data/train_0", broken); *d.TrainingJobStatus != "Failed" || !strings.Contains(awsapi.Val(d.FailureReason), "pipe of channel train: a.csv is no gzip") {
		t.Errorf("%s: %s", *d.TrainingJobStatus, awsapi.Val(d.FailureReason))
	}
}
