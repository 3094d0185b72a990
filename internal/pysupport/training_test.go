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

// sdkFile is a file that the SageMaker Python SDK has written as RecordIO-protobuf, of the rows 1,2,0 and 2,2,0.
func sdkFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../builtin/testdata/sdk-" + name + ".rec")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Records are the rows that the SDK wrote, in requests and in scripts.
func TestRecordIOProtobuf(t *testing.T) {
	t.Parallel()
	python, err := filepath.Abs("../../.cache/venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(python, "-c", "import xgboost, scipy").Run(); err != nil {
		t.Skip("scripts/setup --what test makes the Python world of this test")
	}
	tree, err := pysupport.Install(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", `
from sagemaker_xgboost_container import data_utils, encoder, recordio_protobuf
for name in ("dense", "int", "sparse"):
    path = "../builtin/testdata/sdk-%s.rec" % name
    with open(path, "rb") as f:
        data = f.read()
    rows, labels = recordio_protobuf.read(data)
    print(name, rows.tolist() if name != "sparse" else rows.toarray().tolist(), None if labels is None else labels.tolist())
    m = encoder.decode(data, "application/x-recordio-protobuf")
    m = data_utils.get_dmatrix(path, "application/x-recordio-protobuf")
    print(m.num_row(), m.num_col(), m.get_label().tolist())
`)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+tree)
	out, err := cmd.CombinedOutput()
	want := `dense [[1.0, 2.0, 0.0], [2.0, 2.0, 0.0]] [0.0, 1.0]
2 3 [0.0, 1.0]
int [[1.0, 2.0, 0.0], [2.0, 2.0, 0.0]] None
2 3 []
sparse [[1.0, 2.0, 0.0], [2.0, 2.0, 0.0]] [0.0, 1.0]
2 3 [0.0, 1.0]
`
	if err != nil || string(out) != want {
		t.Errorf("%v: %s", err, out)
	}
}

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
		tag, parameters, kind, data string
		log, failure                string
		reads                       string // Python that reads the model from the file m
	}{
		"good":      {"1.7-1", good, "text/csv", csv.String(), "[4]#011train-rmse:", "", "import xgboost; b = xgboost.Booster(); b.load_model(m)"},
		"pickled":   {"1.2-2", good, "text/csv", csv.String(), "", "", "import pickle; b = pickle.load(open(m, 'rb'))"},
		"since 1.3": {"1.3-1", good, "text/csv", csv.String(), "", "", "import xgboost; b = xgboost.Booster(); b.load_model(m)"},
		"dense":     {"1.7-1", good, "application/x-recordio-protobuf", sdkFile(t, "dense"), "[4]#011train-rmse:", "", "import xgboost; b = xgboost.Booster(); b.load_model(m)"},
		"pipe":      {"1.7-1", good, "text/csv", csv.String(), "[4]#011train-rmse:", "", "import xgboost; b = xgboost.Booster(); b.load_model(m)"},
		"no labels": {"1.7-1", good, "application/x-recordio-protobuf", sdkFile(t, "int"), "", "has no labels", ""},
		"no record": {"1.7-1", good, "application/x-recordio-protobuf", "1,2,3,4\n", "", "no RecordIO record at byte 0", ""},
		"no rounds": {"1.7-1", `{}`, "text/csv", csv.String(), "", "num_round is required", ""},
		"text":      {"1.7-1", good, "text/csv", "1,a\n", "", "Channel train is not CSV of numbers", ""},
		"kind":      {"1.7-1", good, "image/png", csv.String(), "", "image/png is not served", ""},
		"objective": {"1.7-1", `{"num_round":"5","objective":"none:such"}`, "text/csv", csv.String(), "", "none:such", ""},
		"no data":   {"1.7-1", good, "text/csv", "", "", "Channel train has no data", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ml := t.TempDir()
			data, mode := "input/data/train/a.csv", "File"
			if name == "pipe" {
				data, mode = "input/data/train_0", "Pipe"
			}
			for path, text := range map[string]string{"input/config/hyperparameters.json": c.parameters, data: c.data,
				"input/config/inputdataconfig.json": `{"train":{"ContentType":"` + c.kind + `","TrainingInputMode":"` + mode + `"}}`, "input/config/resourceconfig.json": `{"hosts":["algo-1"]}`} {
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
			cmd := exec.Command(python, "-m", pysupport.XGBoostModule, c.tag)
			cmd.Env = append(os.Environ(), "MOBULA_ML_DIR="+ml, "PYTHONPATH="+tree, "SM_NUM_CPUS=1")
			out, err := cmd.CombinedOutput()
			if !strings.Contains(string(out), c.log) || (err == nil) != (c.failure == "") {
				t.Errorf("%v: %s", err, out)
			}
			if c.failure == "" {
				look := exec.Command(python, "-c", "import sys; m = sys.argv[1]; "+c.reads+"; assert len(b.get_dump()) == 5", filepath.Join(ml, "model", "xgboost-model"))
				if out, err := look.CombinedOutput(); err != nil {
					t.Errorf("the model: %v: %s", err, out)
				}
				return
			}
			if b, err := os.ReadFile(filepath.Join(ml, "output", "failure")); err != nil || !strings.Contains(string(b), c.failure) {
				t.Errorf("failure %q, want %q: %v", b, c.failure, err)
			}
		})
	}
}
