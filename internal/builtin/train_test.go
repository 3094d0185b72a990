package builtin_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/xgboost"
)

// TestTrainedModelIsPythons trains a job and lets Python train on the same files: the models' bytes must be equal.
func TestTrainedModelIsPythons(t *testing.T) {
	t.Parallel()
	params := map[string]string{"num_round": "12", "max_depth": "5", "eta": "0.3", "min_child_weight": "3", "subsample": "0.8", "seed": "7",
		"objective": "reg:squarederror", "eval_metric": "rmse"}
	h := newHouse(t)
	h.job(params, map[string]string{"train/a.csv": table(1, 700, 6), "validation/v.csv": table(2, 150, 6)})
	h.train()
	python := filepath.Join("..", "..", ".cache", "venv", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%v. Try: make setup-test", err)
	}
	text, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(t.TempDir(), "model.ubj")
	cmd := exec.Command(python, "testdata/peer.py", filepath.Join(h.dir, "input/data/train/a.csv"), filepath.Join(h.dir, "input/data/validation/v.csv"), string(text), theirs)
	predictions, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.read("model/xgboost-model"); got != string(want) {
		t.Errorf("the model has %d bytes, Python's %d, and they differ", len(got), len(want))
	}
	url := h.serve()
	body := withoutLabels(h.read("input/data/validation/v.csv"))
	if status, answer := post(t, url, "text/csv", "", body); status != 200 || answer != string(predictions) {
		t.Errorf("the server answers %d:\n%s\nPython predicts:\n%s", status, head(answer), head(string(predictions)))
	}
}

func withoutLabels(csv string) string {
	var b strings.Builder
	for line := range strings.Lines(csv) {
		_, features, _ := strings.Cut(line, ",")
		b.WriteString(features)
	}
	return b.String()
}

func head(text string) string { return text[:min(len(text), 200)] }

// TestTrainingLog compares the whole log with what SageMaker's metric patterns read.
func TestTrainingLog(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.job(map[string]string{"num_round": `"20"`, "nthread": "1", "objective": "reg:squarederror", "_tuning_objective_metric": "validation:rmse", "predictor": "auto", "early_stopping_rounds": "50"},
		map[string]string{"train/a.csv": table(1, 300, 3), "validation/v.csv": table(2, 60, 3)})
	log := h.train()
	golden := filepath.Join("testdata", "train.log")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(log), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if log != string(want) {
		t.Errorf("the log is\n%s\nwant\n%s", log, want)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "output/failure")); err == nil {
		t.Error("a failure was written")
	}
}

// TestFilesAndPieces: many files, sub-folders, markers, blank lines, carriage returns, weights and no last line end give the model of
// one plain file.
func TestFilesAndPieces(t *testing.T) {
	t.Parallel()
	params := map[string]string{"num_round": "3"}
	lines := strings.SplitAfter(table(1, 400, 4), "\n")
	one, many := newHouse(t), newHouse(t)
	one.job(params, map[string]string{"train/a.csv": strings.Join(lines, "")})
	one.train()
	many.job(params, map[string]string{
		"train/a/1.csv":  strings.ReplaceAll(strings.Join(lines[:50], ""), "\n", "\r\n"),
		"train/b.csv":    "\n" + strings.Join(lines[50:51], "") + "\n \t\n",
		"train/c.csv":    strings.TrimSuffix(strings.Join(lines[51:], ""), "\n"),
		"train/_SUCCESS": "x", "train/.hidden": "x", "train/empty.csv": "",
	})
	many.train()
	if one.read("model/xgboost-model") != many.read("model/xgboost-model") {
		t.Error("the models differ")
	}
	weighted := newHouse(t)
	var text strings.Builder
	for _, line := range lines[:400] {
		label, rest, _ := strings.Cut(line, ",")
		fmt.Fprintf(&text, "%s,2,%s", label, rest)
	}
	weighted.job(map[string]string{"num_round": "3", "csv_weights": "1", "min_child_weight": "2"}, map[string]string{"train/a.csv": text.String()})
	if log := weighted.train(); !strings.Contains(log, "400 rows and 4 columns") {
		t.Errorf("with weights:\n%s", log)
	}
}

func TestLibsvm(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, "%d 0:%d 2:%g # comment\n", i%7, i%7, float64(i%3)/2)
	}
	h.job(map[string]string{"num_round": "20", "eta": "0.5"}, map[string]string{"train/a": text.String()})
	h.write("input/config/inputdataconfig.json", `{"train":{}}`) // libsvm is SageMaker's default
	if log := h.train(); !strings.Contains(log, "100 rows and 3 columns") {
		t.Errorf("the log is\n%s", log)
	}
	url := h.serve()
	if status, answer := post(t, url, "text/libsvm", "", "0:3 2:0.5\n5 0:6\n"); status != 200 || !strings.HasPrefix(answer, "3.0") && !strings.HasPrefix(answer, "2.9") {
		t.Errorf("the server answers %d %q", status, answer)
	}
}

func TestTrainRefusals(t *testing.T) {
	t.Parallel()
	good := table(1, 20, 2)
	params := func(more ...string) map[string]string {
		m := map[string]string{"num_round": "2"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	files := func(text string) map[string]string { return map[string]string{"train/a.csv": text} }
	for want, c := range map[string]struct {
		params map[string]string
		data   map[string]string
	}{
		`hyper-parameter "num_round": value "": it is required`:                                                  {map[string]string{}, files(good)},
		`hyper-parameter "num_round": value "0": a whole number of at least 1 is needed`:                         {params("num_round", "0"), files(good)},
		`hyper-parameter "eta": value "1.2": out of range; a number from 0 to 1 is needed`:                       {params("eta", "1.2"), files(good)},
		`hyper-parameter "max_dept": value "3": there is no such parameter; known are`:                           {params("max_dept", "3"), files(good)},
		`hyper-parameter "csv_weights": value "2": it must be 0 or 1`:                                            {params("csv_weights", "2"), files(good)},
		`hyper-parameter "num_class": value "": it is required for objective "multi:softmax"`:                    {params("objective", "multi:softmax"), files(good)},
		`hyper-parameter "num_class": value "3": it is for the objectives multi:softmax and multi:softprob only`: {params("num_class", "3"), files(good)},
		`hyper-parameter "eval_metric": value "auc": it is for classification and ranking`:                       {params("eval_metric", "auc"), files(good)},
		`hyper-parameter "eval_metric": value "rmse@2": only error`:                                              {params("eval_metric", "rmse@2"), files(good)},
		`hyper-parameter "eval_metric": value "best": it must be one of`:                                         {params("_tuning_objective_metric", "validation:best"), files(good)},
		`hyper-parameter "_kfold": value "3": cross-validation is not served here`:                               {params("_kfold", "3"), files(good)},
		`hyper-parameter "tree_method": value "gpu_hist": there is no GPU training here`:                         {params("tree_method", "gpu_hist"), files(good)},
		`channel "train": label 3: objective "multi:softmax" needs labels 0, 1, … 2 (num_class is 3)`:            {params("objective", "multi:softmax", "num_class", "3"), files("0,2\n3,1\n")},
		`channel "train" is required: the job has none`:                                                          {params(), map[string]string{"validation/v.csv": good}},
		`channel "train" has no data: there is no file in it`:                                                    {params(), files("")},
		`channel "train": there is no row in its files`:                                                          {params(), files("\n\n")},
		`channel "train": a.csv line 1: column 1: "price" is not a number`:                                       {params(), files("price,rooms\n" + good)},
		`channel "train": a.csv line 4: column 2: "abc" is not a number`:                                         {params(), files("1,2,3\n4,5,6\n\n7,abc,9\n")},
		`channel "train": a.csv line 2: 2 columns where the first line has 3`:                                    {params(), files("1,2,3\n4,5\n")},
		`channel "train": a.csv line 2: 5 columns where the first line has 3`:                                    {params(), files("1,2,3\n4,5,6,7,8\n")},
		`channel "train": a.csv line 2: column 1: the label is missing`:                                          {params(), files("1,2,3\n,5,6\n")},
		`channel "train": a.csv line 1: 1 columns; a row needs a label and at least one feature`:                 {params(), files("1\n2\n")},
		`channel "train": a.csv line 1: column 2: the weight is "-1"`:                                            {params("csv_weights", "1"), files("1,-1,3\n")},
		`channel "train": a.csv line 1: column 3: "inf" is not a number`:                                         {params(), files("1,2,inf\n")},
		`channel "validation": 3 features where the training data has 2`:                                         {params(), map[string]string{"train/a.csv": good, "validation/v.csv": table(1, 5, 3)}},
		`channel "train": label 5: objective "binary:logistic" needs labels from 0 to 1`:                         {params("objective", "binary:logistic"), files("5,2\n6,1\n7,4\n")},
	} {
		h := newHouse(t)
		h.job(c.params, c.data)
		code, _, stderr := h.run(builtin.TrainCommand)
		failure := h.read("output/failure")
		if code != 1 || !strings.Contains(failure, want) || !strings.Contains(stderr, want) {
			t.Errorf("status %d, %q; want %q", code, failure, want)
		}
		if _, err := os.Stat(filepath.Join(h.dir, "model")); err == nil {
			t.Errorf("%q left a model folder", want)
		}
	}
}

func TestTrainRefusesWhatIsNotServed(t *testing.T) {
	t.Parallel()
	for want, path := range map[string][2]string{
		`InstanceCount 2: the built-in XGBoost trains on one host`:                                               {"input/config/resourceconfig.json", `{"hosts":["algo-1","algo-2"]}`},
		`ContentType "image/jpeg" is not served by the built-in XGBoost; give text/csv`:                          {"input/config/inputdataconfig.json", `{"train":{"ContentType":"image/jpeg"}}`},
		`TrainingInputMode Pipe is served for text/csv and application/x-recordio-protobuf, not for text/libsvm`: {"input/config/inputdataconfig.json", `{"train":{"TrainingInputMode":"Pipe"}}`},
		`set the channel's ContentType to text/csv if this is CSV`:                                               {"input/config/inputdataconfig.json", `{"train":{}}`},
		`is not an object of hyper-parameters`:                                                                   {"input/config/hyperparameters.json", `[1]`},
	} {
		h := newHouse(t)
		h.job(map[string]string{"num_round": "2"}, map[string]string{"train/a.csv": table(1, 20, 2)})
		h.write(path[0], path[1])
		if code, _, stderr := h.run(builtin.TrainCommand); code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("status %d, %q; want %q", code, stderr, want)
		}
	}
}

// TestSIGTERMSavesTheRoundsThatAreDone stops a real process in the middle of a long training.
func TestSIGTERMSavesTheRoundsThatAreDone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.job(map[string]string{"num_round": "1000000", "nthread": "1"}, map[string]string{"train/a.csv": table(1, 500, 4)})
	cmd := exec.Command(os.Args[0], builtin.Command, builtin.TrainCommand)
	cmd.Env = append(os.Environ(), builtin.MLDirVariable+"="+h.dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var last string
	for lines.Scan() {
		if last = lines.Text(); strings.HasPrefix(last, "[5]") {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	trees, err := xgboost.LoadTrees(filepath.Join(h.dir, "model/xgboost-model"))
	if err != nil || trees.Trees() < 6 || last != fmt.Sprintf("Saved the model of %d trees", trees.Trees()) {
		t.Errorf("after SIGTERM: %v, last line %q", err, last)
	}
}

func TestUnknownCommand(t *testing.T) {
	t.Parallel()
	if code, _, stderr := newHouse(t).run("xgboost-dance"); code != 2 || !strings.Contains(stderr, "known are xgboost-train and xgboost-serve") {
		t.Errorf("status %d, %q", code, stderr)
	}
}
