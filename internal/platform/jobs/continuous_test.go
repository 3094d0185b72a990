package jobs_test

import (
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
)

// A continuous output is uploaded while the job runs, each file once it is whole, and stays when the job fails.
func TestContinuousOutput(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 2)
	in := withOutput(shell("continuous", `cd /opt/ml/processing/output; mkfifo pipe; mkdir sub; echo whole > sub/done; echo begin > growing; while echo more >> growing; do sleep 0.05; done`, 1), "out")
	in.ProcessingOutputConfig.Outputs[0].S3Output.S3UploadMode = new("Continuous")
	start(t, e, s, in)
	platformtest.Eventually(t, "the file that is whole is uploaded", func() bool {
		_, err := e.Objects.Head(e.Ctx, platformtest.Bucket, "out/sub/done")
		return err == nil
	})
	if _, err := e.Objects.Head(e.Ctx, platformtest.Bucket, "out/growing"); err == nil {
		t.Error("a file that is being written was uploaded")
	}
	d, err := s.DescribeProcessingJob(e.Ctx, &awsapi.DescribeProcessingJobRequest{ProcessingJobName: new("continuous")})
	if err != nil || *d.ProcessingJobStatus != "InProgress" {
		t.Fatalf("%v, %v", d, err)
	}
	if err := s.StopProcessingJob(e.Ctx, &awsapi.StopProcessingJobRequest{ProcessingJobName: new("continuous")}); err != nil {
		t.Fatal(err)
	}
	if d := ended(t, e, s, "continuous"); *d.ProcessingJobStatus != "Stopped" {
		t.Errorf("it is %s", *d.ProcessingJobStatus)
	}
	if got := read(t, e, "out/growing"); !strings.HasPrefix(got, "begin\nmore\n") {
		t.Errorf("what was written last is %q", got)
	}
}

// Checkpoints are there before the script begins, however large, can be written over, and are kept when the job fails.
func TestCheckpoints(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoomWith(t, e, runner.Auto, 2, worlds(t, e))
	put(t, e, "checkpoints/kept", strings.Repeat("large ", 300_000))
	put(t, e, "checkpoints/last", strings.Repeat("before", 300_000))
	put(t, e, "train/x.csv", "1,2\n")
	put(t, e, "validation/x.csv", "1,2\n")
	in := training("resumes")
	in.AlgorithmSpecification.TrainingImage = new("bare:1")
	in.AlgorithmSpecification.ContainerEntrypoint = []string{"sh", "-c", "cd /opt/ml/checkpoints; grep -q before last && echo after > last && mkdir epoch && echo 1 > epoch/1; exit 3"}
	in.HyperParameters = nil
	in.CheckpointConfig = &awsapi.CheckpointConfig{S3Uri: new("s3://" + platformtest.Bucket + "/checkpoints/")}
	if _, err := s.CreateTrainingJob(e.Ctx, in); err != nil {
		t.Fatal(err)
	}
	if d := trained(t, e, s, "resumes"); *d.TrainingJobStatus != "Failed" || !strings.HasSuffix(awsapi.Val(d.FailureReason), "exit code: 3") {
		t.Fatalf("%s: %s", *d.TrainingJobStatus, awsapi.Val(d.FailureReason))
	}
	for key, want := range map[string]string{"last": "after\n", "epoch/1": "1\n", "kept": strings.Repeat("large ", 300_000)} {
		if got := read(t, e, "checkpoints/"+key); got != want {
			t.Errorf("%s is %.20q", key, got)
		}
	}
}
