package jobs_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/jobs"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/scriptmode"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/xgboost"
)

func TestMain(m *testing.M) {
	if runner.Main(os.Args[1:]) || builtin.Main(os.Args) || pyenv.Main(os.Args) || scriptmode.Main(os.Args) {
		return
	}
	if dir := os.Getenv("JOBS_TEST_SERVER"); dir != "" {
		t := &testing.T{}
		newRoom(t, platformtest.Open(t, dir), runner.Auto, 2)
		select {}
	}
	os.Exit(m.Run())
}

func newRoom(t testing.TB, e *platformtest.Env, mode string, cpus int) *jobs.Service {
	t.Helper()
	return newRoomWith(t, e, mode, cpus, nil)
}

func newRoomWith(t testing.TB, e *platformtest.Env, mode string, cpus int, python *pyenv.Manager) *jobs.Service {
	t.Helper()
	r, _, err := runner.Choose(e.Ctx, mode, runner.Options{PlatformAddr: "127.0.0.1:9", Hidden: []string{e.Dir}})
	if err != nil {
		t.Fatal(err)
	}
	library, err := xgboost.LibraryPath()
	if err != nil {
		t.Fatal(err)
	}
	s := jobs.New(jobs.Deps{DB: e.DB, Engine: e.Engine, Objects: e.Objects, Keys: e.Keys, Runner: r, Python: python, World: e.World, Log: e.Log, Capacity: capacity.New(cpus, 0),
		Dir: filepath.Join(e.Dir, "jobs"), LogDir: filepath.Join(e.Dir, "logs"), Socket: filepath.Join(e.Dir, "mobula.sock"), Library: library})
	if err := s.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.Engine.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, e *platformtest.Env, key, text string) {
	t.Helper()
	if _, err := e.Objects.Put(e.Ctx, platformtest.Bucket, key, strings.NewReader(text), object.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, e *platformtest.Env, key string) string {
	t.Helper()
	body, _, err := e.Objects.Get(e.Ctx, platformtest.Bucket, key)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// shell is a processing job that runs a script.
func shell(name, script string, instances int32) *awsapi.CreateProcessingJobRequest {
	return &awsapi.CreateProcessingJobRequest{ProcessingJobName: &name, RoleArn: new("arn:aws:iam::123456789012:role/r"),
		AppSpecification:    &awsapi.AppSpecification{ImageUri: new(jobs.NativeImage), ContainerEntrypoint: []string{"/bin/sh", "-c", script}},
		ProcessingResources: &awsapi.ProcessingResources{ClusterConfig: &awsapi.ProcessingClusterConfig{InstanceType: new("ml.t3.medium"), InstanceCount: &instances, VolumeSizeInGB: new(int32(1))}},
		StoppingCondition:   &awsapi.ProcessingStoppingCondition{MaxRuntimeInSeconds: new(int32(60))}}
}

func start(t testing.TB, e *platformtest.Env, s *jobs.Service, in *awsapi.CreateProcessingJobRequest) {
	t.Helper()
	if _, err := s.CreateProcessingJob(e.Ctx, in); err != nil {
		t.Fatal(err)
	}
}

func ended(t testing.TB, e *platformtest.Env, s *jobs.Service, name string) *awsapi.DescribeProcessingJobResponse {
	t.Helper()
	var d *awsapi.DescribeProcessingJobResponse
	platformtest.Eventually(t, name+" has ended", func() bool {
		var err error
		if d, err = s.DescribeProcessingJob(e.Ctx, &awsapi.DescribeProcessingJobRequest{ProcessingJobName: &name}); err != nil {
			t.Fatal(err)
		}
		return *d.ProcessingJobStatus != "InProgress" && *d.ProcessingJobStatus != "Stopping"
	})
	return d
}

func withInput(in *awsapi.CreateProcessingJobRequest, prefix string) *awsapi.CreateProcessingJobRequest {
	in.ProcessingInputs = []awsapi.ProcessingInput{{InputName: new("in"), S3Input: &awsapi.ProcessingS3Input{S3Uri: new("s3://" + platformtest.Bucket + "/" + prefix),
		LocalPath: new("/opt/ml/processing/input"), S3DataType: new("S3Prefix"), S3InputMode: new("File")}}}
	return in
}

func withOutput(in *awsapi.CreateProcessingJobRequest, prefix string) *awsapi.CreateProcessingJobRequest {
	in.ProcessingOutputConfig = &awsapi.ProcessingOutputConfig{Outputs: []awsapi.ProcessingOutput{{OutputName: new("out"), S3Output: &awsapi.ProcessingS3Output{
		S3Uri: new("s3://" + platformtest.Bucket + "/" + prefix), LocalPath: new("/opt/ml/processing/output"), S3UploadMode: new("EndOfJob")}}}}
	return in
}

func TestProcessingJobs(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 16)
	put(t, e, "in/a.txt", "small")
	put(t, e, "in/sub/b.txt", strings.Repeat("large ", 300_000))
	put(t, e, "inside.txt", "not below the prefix")
	cases := []struct {
		name, status, reason, message string
		in                            *awsapi.CreateProcessingJobRequest
	}{
		{"copies", "Completed", "", "", withOutput(withInput(shell("copies", "cp -r /opt/ml/processing/input/. /opt/ml/processing/output; test ! -e /opt/ml/processing/input/inside.txt; ln -s /etc/passwd /opt/ml/processing/output/link", 1), "in"), "out")},
		{"fails", "Failed", "AlgorithmError: went wrong, exit code: 3", "", withOutput(shell("fails", "echo went wrong; echo x > /opt/ml/processing/output/x; exit 3", 1), "failed")},
		{"tells", "Failed", "AlgorithmError: the file said so, exit code: 1", "the file said so", shell("tells", "echo the file said so > /opt/ml/output/message; exit 1", 1)},
		{"missing", "Failed", "ClientError: Data download failed: input in: no S3 objects found under S3 URL 's3://" + platformtest.Bucket + "/nowhere'", "", withInput(shell("missing", "true", 1), "nowhere")},
		{"cannot-write", "Completed", "", "", withInput(shell("cannot-write", "! echo changed > /opt/ml/processing/input/sub/b.txt", 1), "in")},
		{"two-hosts", "Completed", "", "", withOutput(shell("two-hosts", `if [ "$SM_CURRENT_HOST" = algo-2 ]; then sleep 60; fi; cat /opt/ml/config/resourceconfig.json > /opt/ml/processing/output/$SM_CURRENT_HOST.json`, 2), "two")},
		{"environment", "Completed", "", "", shell("environment", `test -n "$AWS_ACCESS_KEY_ID" && test -n "$AWS_SESSION_TOKEN" && test "$AWS_REGION" = us-east-1 && test -n "$AWS_ENDPOINT_URL" && test "$PROCESSING_JOB_NAME" = environment`, 1)},
	}
	for _, c := range cases {
		start(t, e, s, c.in)
	}
	for _, c := range cases {
		d := ended(t, e, s, c.name)
		if *d.ProcessingJobStatus != c.status || awsapi.Val(d.FailureReason) != c.reason || awsapi.Val(d.ExitMessage) != c.message {
			t.Errorf("%s: %s, reason %q, message %q", c.name, *d.ProcessingJobStatus, awsapi.Val(d.FailureReason), awsapi.Val(d.ExitMessage))
		}
	}
	if got := read(t, e, "out/a.txt"); got != "small" {
		t.Errorf("out/a.txt: %q", got)
	}
	if got := read(t, e, "out/sub/b.txt"); len(got) != 1_800_000 {
		t.Errorf("out/sub/b.txt: %d bytes", len(got))
	}
	for _, key := range []string{"out/link", "failed/x"} {
		if _, err := e.Objects.Head(e.Ctx, platformtest.Bucket, key); err == nil {
			t.Errorf("%s was uploaded", key)
		}
	}
	if got := read(t, e, "two/algo-1.json"); !strings.Contains(got, `"hosts":["algo-1","algo-2"]`) {
		t.Errorf("resource configuration: %s", got)
	}
	platformtest.Eventually(t, "the jobs' folders are gone", func() bool {
		left, err := os.ReadDir(filepath.Join(e.Dir, "jobs"))
		return err == nil && len(left) == 0
	})
	list, err := s.ListProcessingJobs(e.Ctx, &awsapi.ListProcessingJobsRequest{StatusEquals: new("Failed"), SortBy: new("Name"), SortOrder: new("Ascending")})
	if err != nil || len(list.ProcessingJobSummaries) != 3 || *list.ProcessingJobSummaries[0].ProcessingJobName != "fails" {
		t.Errorf("list: %v, %v", list, err)
	}
}

func TestJobsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 2)
	for want, change := range map[string]func(*awsapi.CreateProcessingJobRequest){
		"'ml.m5' is not an instance type": func(r *awsapi.CreateProcessingJobRequest) {
			r.ProcessingResources.ClusterConfig.InstanceType = new("ml.m5")
		},
		"no runtime is known for it":      func(r *awsapi.CreateProcessingJobRequest) { r.AppSpecification.ImageUri = new("x/y:1") },
		"containerEntrypoint must not be": func(r *awsapi.CreateProcessingJobRequest) { r.AppSpecification.ContainerEntrypoint = nil },
		"must begin with /opt/ml/processing": func(r *awsapi.CreateProcessingJobRequest) {
			withInput(r, "x").ProcessingInputs[0].S3Input.LocalPath = new("/etc")
		},
		"LocalPath '/opt/ml/processing/../../../etc' must begin": func(r *awsapi.CreateProcessingJobRequest) {
			withInput(r, "x").ProcessingInputs[0].S3Input.LocalPath = new("/opt/ml/processing/../../../etc")
		},
	} {
		in := shell("bad", "true", 1)
		change(in)
		if _, err := s.CreateProcessingJob(e.Ctx, in); !awsapi.IsCode(err, "ValidationException") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	in := training("bad")
	in.AlgorithmSpecification.TrainingImage = new("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1")
	if _, err := s.CreateTrainingJob(e.Ctx, in); err == nil || !strings.Contains(err.Error(), "no runtime is known for it") {
		t.Errorf("got %v", err)
	}
}

func training(name string) *awsapi.CreateTrainingJobRequest {
	channel := func(name string) awsapi.Channel {
		return awsapi.Channel{ChannelName: &name, ContentType: new("text/csv"), DataSource: &awsapi.DataSource{S3DataSource: &awsapi.S3DataSource{
			S3DataType: new("S3Prefix"), S3Uri: new("s3://" + platformtest.Bucket + "/" + name + "/")}}}
	}
	return &awsapi.CreateTrainingJobRequest{TrainingJobName: &name, RoleArn: new("arn:aws:iam::123456789012:role/r"),
		HyperParameters:        map[string]string{"num_round": "10", "objective": "reg:squarederror", "max_depth": "3"},
		AlgorithmSpecification: &awsapi.AlgorithmSpecification{TrainingImage: new("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-1"), TrainingInputMode: new("File")},
		InputDataConfig:        []awsapi.Channel{channel("train"), channel("validation")},
		OutputDataConfig:       &awsapi.OutputDataConfig{S3OutputPath: new("s3://" + platformtest.Bucket + "/models")},
		ResourceConfig:         &awsapi.ResourceConfig{InstanceType: new("ml.m5.large"), InstanceCount: new(int32(1)), VolumeSizeInGB: new(int32(1))},
		StoppingCondition:      &awsapi.StoppingCondition{MaxRuntimeInSeconds: new(int32(60))}}
}

func trained(t testing.TB, e *platformtest.Env, s *jobs.Service, name string) (d *awsapi.DescribeTrainingJobResponse) {
	t.Helper()
	platformtest.Eventually(t, name+" has ended", func() bool {
		var err error
		if d, err = s.DescribeTrainingJob(e.Ctx, &awsapi.DescribeTrainingJobRequest{TrainingJobName: &name}); err != nil {
			t.Fatal(err)
		}
		return *d.TrainingJobStatus != "InProgress" && *d.TrainingJobStatus != "Stopping"
	})
	return d
}

func TestBuiltinTraining(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 2)
	var rows strings.Builder
	for i := range 200 {
		fmt.Fprintf(&rows, "%d,%d,%d\n", i*3, i, i%7)
	}
	put(t, e, "train/0.csv", rows.String())
	put(t, e, "validation/0.csv", rows.String())
	for _, name := range []string{"one", "two"} {
		if _, err := s.CreateTrainingJob(e.Ctx, training(name)); err != nil {
			t.Fatal(err)
		}
	}
	piped := training("piped")
	piped.AlgorithmSpecification.TrainingInputMode = new("Pipe")
	if _, err := s.CreateTrainingJob(e.Ctx, piped); err != nil {
		t.Fatal(err)
	}
	wrong := training("wrong")
	wrong.HyperParameters["max_depth"] = "deep"
	if _, err := s.CreateTrainingJob(e.Ctx, wrong); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two", "piped"} {
		d := trained(t, e, s, name)
		if *d.TrainingJobStatus != "Completed" {
			t.Fatalf("%s: %s, %s", name, *d.TrainingJobStatus, awsapi.Val(d.FailureReason))
		}
		got := map[string]float32{}
		for _, m := range d.FinalMetricDataList {
			got[*m.MetricName] = *m.Value
		}
		if got["train:rmse"] <= 0 || got["validation:rmse"] != got["train:rmse"] {
			t.Errorf("metrics %v", got)
		}
		var turns []string
		for _, x := range d.SecondaryStatusTransitions {
			turns = append(turns, *x.Status)
		}
		if all := strings.Join(turns, " "); !strings.HasPrefix(all, "Starting ") || !strings.HasSuffix(all, "Downloading Training Uploading Completed") {
			t.Errorf("transitions %s", all)
		}
		if awsapi.Val(d.OutputDataConfig.KmsKeyId) != "" || d.OutputDataConfig.KmsKeyId == nil {
			t.Error("clients read OutputDataConfig.KmsKeyId")
		}
	}
	one, _ := e.Objects.Digest(e.Ctx, platformtest.Bucket, "models/one/output/model.tar.gz")
	two, _ := e.Objects.Digest(e.Ctx, platformtest.Bucket, "models/two/output/model.tar.gz")
	three, _ := e.Objects.Digest(e.Ctx, platformtest.Bucket, "models/piped/output/model.tar.gz")
	if one != two || one != three || one == "" {
		t.Errorf("equal models have the digests %s, %s and %s", one, two, three)
	}
	zip, err := gzip.NewReader(strings.NewReader(read(t, e, "models/one/output/model.tar.gz")))
	if err != nil {
		t.Fatal(err)
	}
	if h, err := tar.NewReader(zip).Next(); err != nil || h.Name != "xgboost-model" {
		t.Errorf("archive: %v, %v", h, err)
	}
	if d := trained(t, e, s, "wrong"); *d.TrainingJobStatus != "Failed" || !strings.Contains(awsapi.Val(d.FailureReason), "max_depth") {
		t.Errorf("wrong: %s, %s", *d.TrainingJobStatus, awsapi.Val(d.FailureReason))
	}
}

// An algorithm that is told its threads takes so many processors, whatever its instance type shows.
func TestThreadsOfTrainingShareTheMachine(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 2)
	put(t, e, "train/0.csv", strings.Repeat("1,2,3\n2,3,4\n", 1000))
	put(t, e, "validation/0.csv", "1,2,3\n")
	status := func(name string) string {
		d, err := s.DescribeTrainingJob(e.Ctx, &awsapi.DescribeTrainingJobRequest{TrainingJobName: &name})
		if err != nil {
			t.Fatal(err)
		}
		return *d.SecondaryStatus
	}
	for _, name := range []string{"first", "second", "third"} {
		in := training(name)
		in.HyperParameters["num_round"], in.HyperParameters["nthread"] = "1000000", "1"
		if _, err := s.CreateTrainingJob(e.Ctx, in); err != nil {
			t.Fatal(err)
		}
		if name == "third" {
			break
		}
		platformtest.Eventually(t, name+" trains", func() bool { return status(name) == "Training" })
	}
	platformtest.Eventually(t, "third waits", func() bool { return status("third") == "Pending" })
	for _, name := range []string{"third", "second", "first"} {
		if err := s.StopTrainingJob(e.Ctx, &awsapi.StopTrainingJobRequest{TrainingJobName: &name}); err != nil {
			t.Fatal(err)
		}
		if d := trained(t, e, s, name); *d.TrainingJobStatus != "Stopped" {
			t.Errorf("%s is %s", name, *d.TrainingJobStatus)
		}
	}
}

func TestStopAndTimeLimit(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 2)
	endless := "trap 'echo got the signal; exit 0' TERM; echo ready; while true; do sleep 0.05; done"
	start(t, e, s, shell("running", endless, 1))
	platformtest.Eventually(t, "the job runs", func() bool {
		found, _ := filepath.Glob(filepath.Join(e.Dir, "logs/ProcessingJobs/running/*.log"))
		b, _ := os.ReadFile(strings.Join(found, ""))
		return strings.Contains(string(b), "ready")
	})
	start(t, e, s, shell("waiting", "true", 1)) // for the room that the first takes
	for _, name := range []string{"waiting", "running"} {
		if err := s.StopProcessingJob(e.Ctx, &awsapi.StopProcessingJobRequest{ProcessingJobName: &name}); err != nil {
			t.Fatal(err)
		}
		if d := ended(t, e, s, name); *d.ProcessingJobStatus != "Stopped" {
			t.Errorf("%s is %s: %s", name, *d.ProcessingJobStatus, awsapi.Val(d.FailureReason))
		}
	}
	long := shell("long", endless, 1)
	long.StoppingCondition.MaxRuntimeInSeconds = new(int32(1))
	start(t, e, s, long)
	if d := ended(t, e, s, "long"); *d.ProcessingJobStatus != "Stopped" || awsapi.Val(d.FailureReason) != "ClientError: The job ran longer than its limit of 1s." {
		t.Errorf("a job beyond its time limit is %s: %s", *d.ProcessingJobStatus, awsapi.Val(d.FailureReason))
	}
	if err := s.StopProcessingJob(e.Ctx, &awsapi.StopProcessingJobRequest{ProcessingJobName: new("long")}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("stopping a job that has ended: %v", err)
	}
}

// TestKilledServerRunsNothingTwice kills the server while a job runs. The next server finds it, and the job's code has run once.
func TestKilledServerRunsNothingTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := platformtest.Open(t, dir)
	put(t, e, "in/a.txt", "x")
	if err := e.DB.Update(e.Ctx, func(*store.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	quiet := jobs.New(jobs.Deps{DB: e.DB, Engine: e.Engine, Objects: e.Objects, World: e.World, Log: e.Log}) // its engine is not started
	for i := range 4 {
		name := fmt.Sprint("job", i)
		start(t, e, quiet, withOutput(withInput(shell(name, fmt.Sprintf("echo run; sleep 0.%d; cp /opt/ml/processing/input/a.txt /opt/ml/processing/output/%s", 3+i, name), 1), "in"), "out"))
	}
	e.Close()
	for _, after := range []time.Duration{20, 60, 150, 300, 600} {
		cmd := exec.CommandContext(context.Background(), os.Args[0])
		cmd.Env = append(os.Environ(), "JOBS_TEST_SERVER="+dir)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond) // the moment of the kill is what is tried
		cmd.Process.Kill()
		cmd.Wait()
	}
	e = platformtest.Open(t, dir)
	defer e.Close()
	s := newRoom(t, e, runner.Auto, 2)
	for i := range 4 {
		name := fmt.Sprint("job", i)
		if d := ended(t, e, s, name); *d.ProcessingJobStatus != "Completed" {
			t.Errorf("%s is %s: %s", name, *d.ProcessingJobStatus, awsapi.Val(d.FailureReason))
		}
		if got := read(t, e, "out/"+name); got != "x" {
			t.Errorf("%s left %q", name, got)
		}
		logs, err := filepath.Glob(filepath.Join(dir, "logs/ProcessingJobs", name, "*.log"))
		if err != nil || len(logs) != 1 {
			t.Fatal(logs, err)
		}
		if b, err := os.ReadFile(logs[0]); err != nil || string(b) != "run\n" {
			t.Errorf("%s ran: %q, %v", name, b, err)
		}
	}
}

// After a restart, what runs keeps its part of the machine, and what waits goes on waiting for it.
func TestRestartKeepsTheQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := platformtest.Open(t, dir)
	s := newRoom(t, e, runner.Auto, 2)
	start(t, e, s, shell("first", "echo ready; sleep 1", 1))
	platformtest.Eventually(t, "the first runs", func() bool {
		found, _ := filepath.Glob(filepath.Join(dir, "logs/ProcessingJobs/first/*.log"))
		if len(found) == 0 {
			return false
		}
		b, _ := os.ReadFile(found[0])
		return string(b) == "ready\n"
	})
	for i := range 6 {
		start(t, e, s, shell(fmt.Sprint("later", i), "true", 1))
	}
	e.Close()
	e = platformtest.Open(t, dir)
	defer e.Close()
	s = newRoom(t, e, runner.Auto, 2)
	first := ended(t, e, s, "first")
	for i := range 6 {
		if d := ended(t, e, s, fmt.Sprint("later", i)); d.ProcessingStartTime.Before(first.ProcessingEndTime.Time) {
			t.Errorf("later%d began %v before the first ended", i, first.ProcessingEndTime.Sub(d.ProcessingStartTime.Time))
		}
	}
}

func TestPlainRunner(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Plain, 2)
	put(t, e, "in/a.txt", "x")
	start(t, e, s, withOutput(withInput(shell("plain", `cp "$MOBULA_ML_DIR"/processing/input/a.txt "$MOBULA_ML_DIR"/processing/output/`, 1), "in"), "out"))
	if d := ended(t, e, s, "plain"); *d.ProcessingJobStatus != "Completed" || read(t, e, "out/a.txt") != "x" {
		t.Errorf("%s: %s", *d.ProcessingJobStatus, awsapi.Val(d.FailureReason))
	}
}

func BenchmarkNoOp(b *testing.B) {
	e := platformtest.New(b)
	s := newRoom(b, e, runner.Auto, 2)
	for i := 0; b.Loop(); i++ {
		name := fmt.Sprint("job", i)
		start(b, e, s, shell(name, "true", 1))
		if d := ended(b, e, s, name); *d.ProcessingJobStatus != "Completed" {
			b.Fatal(awsapi.Val(d.FailureReason))
		}
	}
}
