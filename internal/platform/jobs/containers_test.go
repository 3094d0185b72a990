package jobs_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/container"
	"github.com/mobula-ml/mobula/internal/container/containertest"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/runner/runnertest"
)

// Jobs of a container image run in its file system, with its settings and the contract of every job.
func TestContainerImages(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 4)
	program, _ := containertest.Engine(t, runnertest.SmallRoot(t), `["/bin/sh", "-c"]`)
	s.Containers = container.Open(filepath.Join(e.Dir, "images"), program)
	put(t, e, "train/0.csv", "1,2\n")
	put(t, e, "validation/0.csv", "1,2\n")
	for name, arguments := range map[string][]string{
		"trains":  {`cat /etc/marker /opt/ml/input/data/train/0.csv > /opt/ml/model/m; echo "loss=0.5; $FROM $PWD $SM_CURRENT_HOST"; [ "$SM_HP_DEPTH" = 3 ]`},
		"default": nil, // sh -c train, which the image does not have
	} {
		in := training(name)
		in.HyperParameters = map[string]string{"depth": "3"}
		in.ResourceConfig.InstanceCount = new(int32(2))
		in.AlgorithmSpecification = &awsapi.AlgorithmSpecification{TrainingImage: new(containertest.Image), TrainingInputMode: new("File"), ContainerArguments: arguments,
			MetricDefinitions: []awsapi.MetricDefinition{{Name: new("loss"), Regex: new("loss=([0-9.]+);")}}}
		if _, err := s.CreateTrainingJob(e.Ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	if d := trained(t, e, s, "trains"); *d.TrainingJobStatus != "Completed" || len(d.FinalMetricDataList) != 1 || *d.FinalMetricDataList[0].Value != 0.5 {
		t.Errorf("%s: %s, %v", *d.TrainingJobStatus, awsapi.Val(d.FailureReason), d.FinalMetricDataList)
	}
	if d := trained(t, e, s, "default"); *d.TrainingJobStatus != "Failed" || !strings.Contains(awsapi.Val(d.FailureReason), "train: not found") {
		t.Errorf("%s: %s", *d.TrainingJobStatus, awsapi.Val(d.FailureReason))
	}
	process := withOutput(shell("processes", "", 1), "out")
	process.AppSpecification = &awsapi.AppSpecification{ImageUri: new(containertest.Image), ContainerArguments: []string{"cat /etc/marker > /opt/ml/processing/output/m"}}
	start(t, e, s, process)
	if d := ended(t, e, s, "processes"); *d.ProcessingJobStatus != "Completed" {
		t.Errorf("%s: %s", *d.ProcessingJobStatus, awsapi.Val(d.FailureReason))
	}
	if got := read(t, e, "out/m"); got != "of the image\n" {
		t.Errorf("out/m: %q", got)
	}
	process.ProcessingJobName, process.AppSpecification.ImageUri = new("unknown"), new("nobody/knows:1")
	if _, err := s.CreateProcessingJob(e.Ctx, process); err == nil || !strings.Contains(err.Error(), "the engine does not have the image") {
		t.Errorf("an image that nobody has: %v", err)
	}
}
