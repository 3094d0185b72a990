package pysupport_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/pysupport"
)

// The XGBoost image's own algorithm learns what it is shown, writes rounds as the image does, and says what is wrong with a job.
func TestXGBoostAlgorithm(t *testing.T) {
	t.Parallel()
	python, err := filepath.Abs("../../.cache/venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(python, "-c", "import xgboost, pandas").Run(); err != nil {
		t.Skip("scripts/setup --what test makes the Python world of this test")
	}
	var csv strings.Builder
	for i := range 200 {
		fmt.Fprintf(&csv, "%d,%d,%d\n", i, i, i%7)
	}
	const good = `{"num_round":"5","max_depth":"3","objective":"reg:squarederror","eval_metric":"rmse,mae"}`
	for name, c := range map[string]struct {
		parameters, kind, data string
		log, failure           string
	}{
		"good":      {good, "text/csv", csv.String(), "[4]#011train-rmse:", ""},
		"no rounds": {`{}`, "text/csv", csv.String(), "", "num_round is required"},
		"text":      {good, "text/csv", "1,a\n", "", "Channel train is not CSV of numbers"},
		"kind":      {good, "image/png", csv.String(), "", "image/png is not served"},
		"objective": {`{"num_round":"5","objective":"none:such"}`, "text/csv", csv.String(), "", "none:such"},
		"no data":   {good, "text/csv", "", "", "Channel train has no data"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ml := t.TempDir()
			for path, text := range map[string]string{"input/config/hyperparameters.json": c.parameters, "input/data/train/a.csv": c.data,
				"input/config/inputdataconfig.json": `{"train":{"ContentType":"` + c.kind + `"}}`, "input/config/resourceconfig.json": `{"hosts":["algo-1"]}`} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(ml, path)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(ml, path), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			tree, err := pysupport.Install(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(python, "-m", pysupport.XGBoostModule)
			cmd.Env = append(os.Environ(), "MOBULA_ML_DIR="+ml, "PYTHONPATH="+tree, "SM_NUM_CPUS=1")
			out, err := cmd.CombinedOutput()
			if !strings.Contains(string(out), c.log) || (err == nil) != (c.failure == "") {
				t.Errorf("%v: %s", err, out)
			}
			if c.failure == "" {
				if info, err := os.Stat(filepath.Join(ml, "model", "xgboost-model")); err != nil || info.Size() == 0 {
					t.Errorf("the model: %v", err)
				}
				return
			}
			if b, err := os.ReadFile(filepath.Join(ml, "output", "failure")); err != nil || !strings.Contains(string(b), c.failure) {
				t.Errorf("failure %q, want %q: %v", b, c.failure, err)
			}
		})
	}
}
