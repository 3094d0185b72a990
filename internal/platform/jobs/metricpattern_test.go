package jobs_test

import (
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
)

// Metrics are found in the logs of all hosts, by patterns as Python has them.
func TestMetricsOfHosts(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto, 4)
	put(t, e, "train/0.csv", "1,2\n")
	put(t, e, "validation/0.csv", "1,2\n")
	in := training("Metrics-Of-Hosts")
	in.ResourceConfig.InstanceCount = new(int32(2))
	in.HyperParameters = nil
	define := func(name, pattern string) awsapi.MetricDefinition {
		return awsapi.MetricDefinition{Name: &name, Regex: &pattern}
	}
	in.AlgorithmSpecification = &awsapi.AlgorithmSpecification{TrainingImage: new("mobula/go:1"), TrainingInputMode: new("File"),
		ContainerEntrypoint: []string{"sh", "-c", `echo "both=${SM_CURRENT_HOST#algo-};"; [ $SM_CURRENT_HOST = algo-1 ] || echo "rmse=7.5; other=1"; echo "both=1${SM_CURRENT_HOST#algo-};"`},
		MetricDefinitions:   []awsapi.MetricDefinition{define("both", "both=([0-9]+);"), define("rmse", `(?<=rmse=)([0-9.]+)(?!x)`)}}
	if _, err := s.CreateTrainingJob(e.Ctx, in); err != nil {
		t.Fatal(err)
	}
	got := map[string]float32{}
	for _, m := range trained(t, e, s, "metrics-of-hosts").FinalMetricDataList { // the name as the ARN has it
		got[*m.MetricName] = *m.Value
	}
	if len(got) != 2 || got["both"] != 11 || got["rmse"] != 7.5 {
		t.Errorf("metrics: %v", got)
	}
	for _, pattern := range []string{"no group", "(", "(?<=x)y"} {
		in.TrainingJobName, in.AlgorithmSpecification.MetricDefinitions = new("wrong"), []awsapi.MetricDefinition{define("m", pattern)}
		if _, err := s.CreateTrainingJob(e.Ctx, in); !awsapi.IsCode(err, "ValidationException") {
			t.Errorf("pattern %q: %v", pattern, err)
		}
	}
}
