package pysupport_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/pysupport"
)

// worldOf is the interpreter of a Python world with a version of XGBoost, without all else that its image has.
func worldOf(t *testing.T, version string) string {
	t.Helper()
	if found, _ := filepath.Glob(filepath.Join(os.Getenv("HOME"), ".pyenv/versions/3.8.*")); len(found) == 0 && exec.Command("python3.8", "-V").Run() != nil {
		t.Skip("no Python 3.8 was found, which these versions of XGBoost need")
	}
	uv, err := filepath.Abs("../../.cache/venv/bin/uv")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := filepath.Abs("../../.cache/test-worlds")
	if err != nil {
		t.Fatal(err)
	}
	m, err := pyenv.Open(pyenv.Options{Dir: cache, UV: uv})
	if err != nil {
		t.Fatal(err)
	}
	world, err := m.Build(t.Context(), pyenv.Runtime{Name: "xgboost", Python: "3.8", AsOf: "2023-12-15",
		Packages: []string{"xgboost==" + version, "numpy<1.24", "scipy", "pandas<1.5"}}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return world.Interpreter()
}

// oldVersions are those between which XGBoost's API changed in what the images without a script, and scripts with rabit_run, need of it: callbacks,
// trackers, and how models are saved.
var oldVersions = []struct{ tag, version string }{{"0.90-2", "0.90"}, {"1.0-1", "1.0.0"}, {"1.3-1", "1.3.3"}}

// The libraries of the old images train as the algorithm of the image does, and leave a model that a script of their time loads.
func TestOldXGBoostImages(t *testing.T) {
	t.Parallel()
	for _, c := range oldVersions {
		t.Run(c.tag, func(t *testing.T) {
			t.Parallel()
			python := worldOf(t, c.version)
			ml := t.TempDir()
			var csv strings.Builder
			for i := range 200 {
				fmt.Fprintf(&csv, "%d,%d,%d\n", i, i, i%7)
			}
			for path, text := range map[string]string{"input/data/train/a.csv": csv.String(), "input/data/validation/a.csv": csv.String(),
				"input/config/hyperparameters.json": `{"num_round":"50","early_stopping_rounds":"3","max_depth":"3","objective":"reg:squarederror","eval_metric":"rmse"}`,
				"input/config/inputdataconfig.json": `{"train":{"ContentType":"text/csv"},"validation":{"ContentType":"text/csv"}}`,
				"input/config/resourceconfig.json":  `{"hosts":["algo-1"]}`} {
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
			if err != nil || !strings.Contains(string(out), "[4]#011train-rmse:") || !strings.Contains(string(out), "#011validation-rmse:") {
				t.Fatalf("%v: %s", err, out)
			}
			reads := "import pickle; b = pickle.load(open(m, 'rb'))"
			if c.tag == "1.3-1" {
				reads = "b = xgboost.Booster(); b.load_model(m)"
			}
			look := exec.Command(python, "-c", "import sys, numpy, xgboost; m = sys.argv[1]; "+reads+`
assert xgboost.__version__ == sys.argv[2], xgboost.__version__
assert abs(b.predict(xgboost.DMatrix(numpy.array([[100.0, 2.0]])))[0] - 100) < 5`, filepath.Join(ml, "model", "xgboost-model"), c.version)
			if out, err := look.CombinedOutput(); err != nil {
				t.Errorf("the model: %v: %s", err, out)
			}
		})
	}
}

// scriptOfAHost trains a part of the data under rabit_run, on a host that has some of it or none.
const scriptOfAHost = `
import sys, numpy, xgboost
from sagemaker_xgboost_container import distributed
hosts, current, port, part = sys.argv[1].split(","), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def train(rows, is_master):
    x = numpy.array([[i] for i in range(rows[0], rows[1])], dtype=float)
    booster = xgboost.train({"max_depth": 6, "objective": "reg:squarederror", "nthread": 1, "base_score": 0, "eta": 1, "tree_method": "hist"},
                            xgboost.DMatrix(x, label=x[:, 0]), num_boost_round=3)
    known = booster.predict(xgboost.DMatrix(numpy.array([[10.0], [90.0]])))
    print("master" if is_master else "worker", "knows all" if abs(known[0] - 10) < 8 and abs(known[1] - 90) < 8 else known, flush=True)

distributed.rabit_run(train, {"rows": (part * 50, part * 50 + 50)}, part >= 0, hosts, current, first_port=port, connect_retry_timeout=0.1, update_rabit_args=True)
print("returned", flush=True)
`

// Hosts that have data train one model of all of it under rabit_run, one of them as the master; a host without data returns.
func TestRabitRun(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"0.90", "1.0.0", "1.3.3", "1.7.6"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			python := worldOf(t, version)
			tree, err := pysupport.Install(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
			l.Close()
			hosts := []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}
			logs := make([]bytes.Buffer, len(hosts))
			var wg sync.WaitGroup
			for i, part := range []string{"0", "1", "-1"} {
				wg.Go(func() {
					cmd := exec.CommandContext(t.Context(), python, "-c", scriptOfAHost, strings.Join(hosts, ","), hosts[i], port, part)
					cmd.Env = append(os.Environ(), "PYTHONPATH="+tree)
					cmd.Stdout, cmd.Stderr = &logs[i], &logs[i]
					if err := cmd.Run(); err != nil {
						t.Errorf("host %s: %v", hosts[i], err)
					}
				})
			}
			wg.Wait()
			masters, all := 0, ""
			for i := range logs {
				text := logs[i].String()
				all += hosts[i] + ": " + text
				masters += strings.Count(text, "master ")
				if !strings.HasSuffix(text, "returned\n") {
					t.Errorf("host %s did not return", hosts[i])
				}
			}
			if masters != 1 || strings.Count(all, "worker ") != 1 || strings.Count(all, "knows all\n") != 2 {
				t.Errorf("%d masters\n%s", masters, all)
			}
		})
	}
}
