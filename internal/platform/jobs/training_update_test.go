package jobs_test

import (
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
)

// What is changed of a job while it waits or runs is there when it has ended, and nothing changes after that.
func TestUpdateTrainingJob(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 2)
	put(t, e, "train/0.csv", "1,1\n2,2\n")
	put(t, e, "validation/0.csv", "1,1\n")
	in := training("job")
	in.ProfilerConfig = &awsapi.ProfilerConfig{S3OutputPath: new("s3://a/b"), DisableProfiler: new(true)}
	start(t, e, s, shell("before", "while true; do sleep 0.05; done", 1)) // takes the machine, so that the job waits
	if _, err := s.CreateTrainingJob(e.Ctx, in); err != nil {
		t.Fatal(err)
	}
	update := func(u awsapi.UpdateTrainingJobRequest) error {
		u.TrainingJobName = new("job")
		_, err := s.UpdateTrainingJob(e.Ctx, &u)
		return err
	}
	if err := update(awsapi.UpdateTrainingJobRequest{ProfilerConfig: &awsapi.ProfilerConfigForUpdate{DisableProfiler: new(false), ProfilingIntervalInMilliseconds: new(int64(500))},
		RemoteDebugConfig: &awsapi.RemoteDebugConfigForUpdate{EnableRemoteDebug: new(true)}}); err != nil {
		t.Fatal(err)
	}
	if err := update(awsapi.UpdateTrainingJobRequest{ResourceConfig: &awsapi.ResourceConfigForUpdate{KeepAlivePeriodInSeconds: new(int32(60))}}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("the warm pool of a job without one: %v", err)
	}
	if err := s.StopProcessingJob(e.Ctx, &awsapi.StopProcessingJobRequest{ProcessingJobName: new("before")}); err != nil {
		t.Fatal(err)
	}
	d := trained(t, e, s, "job")
	if p := d.ProfilerConfig; *d.TrainingJobStatus != "Completed" || *p.S3OutputPath != "s3://a/b" || *p.DisableProfiler || *p.ProfilingIntervalInMilliseconds != 500 || !*d.RemoteDebugConfig.EnableRemoteDebug {
		t.Errorf("%s with %+v and %+v", *d.TrainingJobStatus, p, d.RemoteDebugConfig)
	}
	if err := update(awsapi.UpdateTrainingJobRequest{}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("a job that has ended: %v", err)
	}
	if _, err := s.UpdateTrainingJob(e.Ctx, &awsapi.UpdateTrainingJobRequest{TrainingJobName: new("none")}); err == nil {
		t.Error("a job that is not there was updated")
	}
}
