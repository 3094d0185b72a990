package jobs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/jobs"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
)

// script is a training job that runs a shell script.
func script(name, text string) *awsapi.CreateTrainingJobRequest {
	in := training(name)
	in.InputDataConfig = nil
	in.AlgorithmSpecification.TrainingImage = new(jobs.NativeImage)
	in.AlgorithmSpecification.ContainerEntrypoint = []string{"/bin/sh", "-c", text}
	return in
}

// TestStoppedTrainingKeepsItsModel stops a training job that saves its model when it is told to end, and one that has none.
func TestStoppedTrainingKeepsItsModel(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 16)
	for name, last := range map[string]string{"saves": "echo half > /opt/ml/model/weights;", "saves-not": ""} {
		in := script(name, "trap '"+last+" exit 0' TERM; echo ready; while true; do sleep 0.05; done")
		if _, err := s.CreateTrainingJob(e.Ctx, in); err != nil {
			t.Fatal(err)
		}
		platformtest.Eventually(t, name+" runs", func() bool {
			found, _ := filepath.Glob(filepath.Join(e.Dir, "logs/TrainingJobs", name, "*.log"))
			b, _ := os.ReadFile(strings.Join(found, ""))
			return strings.Contains(string(b), "ready")
		})
		if err := s.StopTrainingJob(e.Ctx, &awsapi.StopTrainingJobRequest{TrainingJobName: &name}); err != nil {
			t.Fatal(err)
		}
		if d := trained(t, e, s, name); *d.TrainingJobStatus != "Stopped" {
			t.Errorf("%s is %s: %s", name, *d.TrainingJobStatus, awsapi.Val(d.FailureReason))
		}
		if _, err := e.Objects.Head(e.Ctx, platformtest.Bucket, "models/"+name+"/output/model.tar.gz"); (err == nil) != (last != "") {
			t.Errorf("%s: its model: %v", name, err)
		}
	}
}

// TestReports reads the values of a metric while its job runs and when it has ended: those that are no numbers, too, which are no final metric.
func TestReports(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 16)
	name := "diverges"
	in := script(name, "echo loss=3; echo other=1; echo loss=2; sleep 0.2; echo loss=nan; echo loss=inf")
	in.AlgorithmSpecification.MetricDefinitions = []awsapi.MetricDefinition{{Name: new("loss"), Regex: new("loss=(.*)")}, {Name: new("other"), Regex: new("other=(.*)")}}
	if _, err := s.CreateTrainingJob(e.Ctx, in); err != nil {
		t.Fatal(err)
	}
	var got []float64
	var place int64
	more := func() {
		values, next, err := s.Reports(e.Ctx, name, "loss", place)
		if err != nil {
			t.Fatal(err)
		}
		got, place = append(got, values...), next
	}
	platformtest.Eventually(t, "two values are there", func() bool { more(); return len(got) >= 2 })
	d := trained(t, e, s, name)
	more()
	if text := fmt.Sprint(got); text != "[3 2 NaN +Inf]" {
		t.Errorf("reports %s", text)
	}
	if *d.TrainingJobStatus != "Completed" || len(d.FinalMetricDataList) != 2 || *d.FinalMetricDataList[0].Value != 2 {
		t.Errorf("%s: %s, %+v", *d.TrainingJobStatus, awsapi.Val(d.FailureReason), d.FinalMetricDataList)
	}
}
