package tuning

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/tune"
)

// TestOlderRowsAreRead reads a row of the form that knew a single definition, and one of today's.
func TestOlderRowsAreRead(t *testing.T) {
	t.Parallel()
	text := `{"Name": "a", "Config": {"Strategy": "Random", "HyperParameterTuningJobObjective": {"MetricName": "rmse", "Type": "Minimize"}},
		"Definition": {"RoleArn": "r", "StaticHyperParameters": {"x": "1"}, "AlgorithmSpecification": {"TrainingImage": "i"}, "ResourceConfig": {"InstanceType": "ml.m5.large"}},
		"Space": [{"Name": "eta", "Kind": "Continuous", "Min": 0.1, "Max": 0.5}], "Seed": 7}`
	var j, again job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		t.Fatal(err)
	}
	d := j.describe(time.Now())
	if len(j.Definitions) != 1 || j.Definitions[0].Space.Check() != nil || j.Definitions[0].Space[0].Max != 0.5 ||
		j.goal() != tune.Minimize || d.TrainingJobDefinition.StaticHyperParameters["x"] != "1" || *d.HyperParameterTuningJobName != "a" {
		t.Errorf("%+v", j)
	}
	b, err := json.Marshal(&j)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &again); err != nil || len(again.Definitions) != 1 || string(awsapi.Encode(again.describe(j.Created))) != string(awsapi.Encode(j.describe(j.Created))) {
		t.Errorf("%+v, %v", again, err)
	}
}
