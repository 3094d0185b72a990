package xgboost_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/xgboost"
)

// TestPythonMakesTheSameModel trains the same data with the same parameters here and in Python: the model's bytes, its predictions
// and the metrics of each round must be the same.
func TestPythonMakesTheSameModel(t *testing.T) {
	t.Parallel()
	mixed := []string{"q", "c", "q", "c", "q", "q"}
	jobs := []*peerJob{
		{Name: "regression", Rounds: 30, ValidationRows: 300, Params: map[string]string{"objective": "reg:squarederror", "max_depth": "5", "eta": "0.3",
			"subsample": "0.8", "min_child_weight": "3", "seed": "7", "eval_metric": "rmse"}},
		{Name: "binary", Rounds: 20, ValidationRows: 300, Params: map[string]string{"objective": "binary:logistic", "max_depth": "4", "eta": "0.2", "eval_metric": "auc"}},
		{Name: "multi", Rounds: 10, Params: map[string]string{"objective": "multi:softprob", "num_class": "3", "max_depth": "4", "colsample_bytree": "0.7", "seed": "3"}},
		{Name: "categories", Rounds: 15, Types: mixed, Params: map[string]string{"objective": "reg:squarederror", "max_depth": "6", "max_cat_to_onehot": "4"}},
		{Name: "dart", Rounds: 15, Params: map[string]string{"objective": "reg:squarederror", "booster": "dart", "rate_drop": "0.3", "seed": "11"}},
		{Name: "poisson", Rounds: 10, Params: map[string]string{"objective": "count:poisson", "max_depth": "3"}},
		{Name: "stopped", Rounds: 200, ValidationRows: 300, EarlyStopping: 5, Params: map[string]string{"objective": "reg:squarederror", "eta": "0.5", "max_depth": "6", "eval_metric": "rmse"}},
		{Name: "exact", Rounds: 8, Params: map[string]string{"objective": "reg:absoluteerror", "tree_method": "exact", "max_depth": "4"}},
	}
	for i, job := range jobs {
		job.Params["nthread"] = "2"
		job.x, job.y = table(uint64(i), 1500, 6, job.Params["objective"], job.Types)
	}
	dir := runPeer(t, jobs)
	for _, job := range jobs {
		t.Run(job.Name, func(t *testing.T) {
			t.Parallel()
			params, err := xgboost.ParseParams(job.Params)
			if err != nil {
				t.Fatal(err)
			}
			cut := job.x.Rows - job.ValidationRows
			make := func(from, to int, ref *xgboost.Matrix) *xgboost.Matrix {
				if job.Params["tree_method"] == "exact" {
					return plain(t, part(job.x, from, to), job.y[from:to], job.Types)
				}
				return quantile(t, part(job.x, from, to), job.y[from:to], job.Types, ref)
			}
			data := make(0, cut, nil)
			o := xgboost.TrainOptions{Rounds: job.Rounds, Evals: []xgboost.Eval{{Name: "train", Data: data}}}
			if job.ValidationRows > 0 {
				o.Evals = append(o.Evals, xgboost.Eval{Name: "validation", Data: make(cut, job.x.Rows, data)})
			}
			if job.EarlyStopping > 0 {
				o.EarlyStopping = &xgboost.EarlyStopping{Rounds: job.EarlyStopping}
			}
			model := train(t, params, data, o)
			for _, format := range []string{"ubj", "json"} {
				ours, err := model.Bytes(format)
				if err != nil {
					t.Fatal(err)
				}
				theirs, err := os.ReadFile(filepath.Join(dir, job.Name+"."+format))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(ours, theirs) {
					t.Errorf("the %s model differs from Python's: %d bytes and %d", format, len(ours), len(theirs))
				}
			}
			var log strings.Builder
			for _, round := range model.History() {
				fmt.Fprintf(&log, "[%d]", round.Index)
				for _, m := range round.Metrics {
					fmt.Fprintf(&log, "\t%s-%s:%.5f", m.Eval, m.Name, m.Value)
				}
				log.WriteByte('\n')
			}
			if theirs, err := os.ReadFile(filepath.Join(dir, job.Name+".log")); err != nil || string(theirs) != log.String() {
				t.Errorf("metrics differ from Python's (%v):\n%s\nPython:\n%s", err, log.String(), theirs)
			}
			want := readFloats(t, filepath.Join(dir, job.Name+".pred"))
			got, err := model.Predict(job.x)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "Predict", got, want)
			var rows []float32
			for i := range job.x.Rows {
				one, err := model.PredictRow(part(job.x, i, i+1).Data)
				if err != nil {
					t.Fatal(err)
				}
				rows = append(rows, one...)
			}
			same(t, "PredictRow", rows, want)
		})
	}
}

// same compares to the last bit.
func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d predictions, want %d", what, len(got), len(want))
	}
	wrong := 0
	for i := range got {
		if got[i] != want[i] {
			if wrong++; wrong < 4 {
				t.Errorf("%s: prediction %d is %v, want %v", what, i, got[i], want[i])
			}
		}
	}
	if wrong > 0 {
		t.Fatalf("%s: %d of %d predictions differ", what, wrong, len(got))
	}
}
