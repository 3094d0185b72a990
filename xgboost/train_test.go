package xgboost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/mobula-ml/mobula/xgboost"
)

func TestTrainRefusesBadInput(t *testing.T) {
	t.Parallel()
	x, y := table(1, 100, 4, "reg:squarederror", nil)
	data := plain(t, x, y, nil)
	binned := quantile(t, x, y, nil, nil)
	narrowX, narrowY := table(1, 100, 3, "reg:squarederror", nil)
	narrow := plain(t, narrowX, narrowY, nil)
	closed := plain(t, x, y, nil)
	closed.Close()
	for want, c := range map[string]struct {
		p xgboost.Params
		m *xgboost.Matrix
		o xgboost.TrainOptions
	}{
		"Rounds is 0":   {m: data},
		"nil or closed": {m: closed, o: xgboost.TrainOptions{Rounds: 1}},
		`hyper-parameter "eta": value "1.5": out of range; a number from 0 to 1 is needed`:  {p: xgboost.Params{Eta: new(1.5)}, m: data, o: xgboost.TrainOptions{Rounds: 1}},
		`hyper-parameter "subsample": value "0": out of range; a number above 0 to 1`:       {p: xgboost.Params{Subsample: new(0.0)}, m: data, o: xgboost.TrainOptions{Rounds: 1}},
		`hyper-parameter "objective": value "reg:best": it must be one of reg:squarederror`: {p: xgboost.Params{Objective: new("reg:best")}, m: data, o: xgboost.TrainOptions{Rounds: 1}},
		`hyper-parameter "tree_method": value "exact": a quantile matrix serves hist only`:  {p: xgboost.Params{TreeMethod: new("exact")}, m: binned, o: xgboost.TrainOptions{Rounds: 1}},
		`hyper-parameter "max_bin": value "64": the training matrix was made with 256 bins`: {p: xgboost.Params{MaxBin: new(64)}, m: binned, o: xgboost.TrainOptions{Rounds: 1}},
		`eval name "a:b"`: {m: data, o: xgboost.TrainOptions{Rounds: 1, Evals: []xgboost.Eval{{Name: "a:b", Data: data}}}},
		`the matrix of eval "v" has 3 features where the training matrix has 4`: {m: data, o: xgboost.TrainOptions{Rounds: 1, Evals: []xgboost.Eval{{Name: "v", Data: narrow}}}},
		"early stopping needs at least one eval":                                {m: data, o: xgboost.TrainOptions{Rounds: 1, EarlyStopping: &xgboost.EarlyStopping{Rounds: 1}}},
	} {
		model, err := xgboost.Train(t.Context(), c.p, c.m, c.o)
		if err == nil || !strings.Contains(err.Error(), want) || model != nil {
			t.Errorf("%v, %v; want %q", model, err, want)
		}
	}
	// What only the library knows comes in its words, without the place in its source.
	_, err := xgboost.Train(t.Context(), xgboost.Params{Objective: new("binary:logistic")}, data, xgboost.TrainOptions{Rounds: 1})
	var library *xgboost.LibraryError
	if !errors.As(err, &library) || !strings.Contains(library.Text, "base_score") && !strings.Contains(library.Text, "label") ||
		strings.Contains(library.Text, "Stack trace") || strings.Contains(library.Text, ".cc") {
		t.Errorf("labels out of range: %v", err)
	}
}

func TestMatrixRefusesBadInput(t *testing.T) {
	t.Parallel()
	for want, make := range map[string]func() (*xgboost.Matrix, error){
		"0 rows and 3 columns has no data": func() (*xgboost.Matrix, error) {
			return xgboost.NewDMatrix(xgboost.Dense{Cols: 3}, xgboost.Info{}, 0)
		},
		"needs 6 numbers, not 5": func() (*xgboost.Matrix, error) {
			return xgboost.NewDMatrix(xgboost.Dense{Data: []float32{1, 2, 3, 4, 5}, Rows: 2, Cols: 3}, xgboost.Info{}, 0)
		},
		"Labels has 1 entries where the table needs 2": func() (*xgboost.Matrix, error) {
			return xgboost.NewDMatrix(xgboost.Dense{Data: []float32{1, 2}, Rows: 2, Cols: 1}, xgboost.Info{Labels: []float32{1}}, 0)
		},
		"value 1 is in column 7 of 2": func() (*xgboost.Matrix, error) {
			return xgboost.NewSparseDMatrix(xgboost.Sparse{Starts: []uint64{0, 2}, Columns: []uint32{0, 7}, Values: []float32{1, 2}, Cols: 2}, xgboost.Info{}, 0)
		},
		"the source has no batch": func() (*xgboost.Matrix, error) {
			return xgboost.NewQuantileDMatrix(xgboost.Batches(), xgboost.QuantileOptions{})
		},
		"batch 1: it has 2 columns where the first has 1": func() (*xgboost.Matrix, error) {
			return xgboost.NewQuantileDMatrix(xgboost.Batches(xgboost.Batch{Columns: [][]float32{{1}}}, xgboost.Batch{Columns: [][]float32{{1}, {2}}}), xgboost.QuantileOptions{})
		},
	} {
		if m, err := make(); err == nil || !strings.Contains(err.Error(), want) || m != nil {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// TestSparseAndColumnsEqualRows trains on the same numbers in three shapes.
func TestSparseAndColumnsEqualRows(t *testing.T) {
	t.Parallel()
	x, y := table(8, 500, 4, "reg:squarederror", nil)
	sparse := xgboost.Sparse{Starts: []uint64{0}, Cols: x.Cols}
	columns := make([][]float32, x.Cols)
	for i := range x.Rows {
		for j, v := range part(x, i, i+1).Data {
			columns[j] = append(columns[j], v)
			if v == v {
				sparse.Columns, sparse.Values = append(sparse.Columns, uint32(j)), append(sparse.Values, v)
			}
		}
		sparse.Starts = append(sparse.Starts, uint64(len(sparse.Values)))
	}
	want := train(t, xgboost.Params{}, plain(t, x, y, nil), xgboost.TrainOptions{Rounds: 5})
	s, err := xgboost.NewSparseDMatrix(sparse, xgboost.Info{Labels: y}, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := xgboost.NewQuantileDMatrix(xgboost.Batches(xgboost.Batch{Columns: columns, Info: xgboost.Info{Labels: y}}), xgboost.QuantileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, m := range map[string]*xgboost.Matrix{"sparse": s, "columns": c} {
		equalModels(t, name, train(t, xgboost.Params{}, m, xgboost.TrainOptions{Rounds: 5}), want)
	}
}

func equalModels(t *testing.T, what string, got, want *xgboost.Model) {
	t.Helper()
	a, err := got.Bytes("ubj")
	if err != nil {
		t.Fatal(err)
	}
	b, err := want.Bytes("ubj")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%s: the models differ (%d bytes and %d)", what, len(a), len(b))
	}
}

// TestTrialsShareAQuantileMatrix trains sixteen times at once over one matrix, and the same again one by one.
func TestTrialsShareAQuantileMatrix(t *testing.T) {
	t.Parallel()
	x, y := table(2, 2000, 6, "reg:squarederror", nil)
	data := quantile(t, part(x, 0, 1600), y[:1600], nil, nil)
	validation := quantile(t, part(x, 1600, 2000), y[1600:], nil, data)
	trial := func(i int) *xgboost.Model {
		p := xgboost.Params{MaxDepth: new(2 + i%4), Eta: new(0.1 + float64(i)/40), Subsample: new(0.8), Seed: new(7), Threads: new(1)}
		m, err := xgboost.Train(t.Context(), p, data, xgboost.TrainOptions{Rounds: 8, Evals: []xgboost.Eval{{Name: "validation", Data: validation}}})
		if err != nil {
			t.Error(err)
		}
		return m
	}
	models := make([]*xgboost.Model, 16)
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.NumCPU())
	for i := range models {
		wg.Go(func() {
			slots <- struct{}{}
			models[i] = trial(i)
			<-slots
		})
	}
	wg.Wait()
	for i, m := range models {
		equalModels(t, fmt.Sprint("trial ", i), m, trial(i))
	}
}

func TestPlainMatrixServesOneTrainingAtATime(t *testing.T) {
	t.Parallel()
	x, y := table(2, 200, 3, "reg:squarederror", nil)
	data := plain(t, x, y, nil)
	var second error
	train(t, xgboost.Params{}, data, xgboost.TrainOptions{Rounds: 1, Progress: func(xgboost.Round) {
		_, second = xgboost.Train(t.Context(), xgboost.Params{}, data, xgboost.TrainOptions{Rounds: 1})
	}})
	if !errors.Is(second, xgboost.ErrMatrixBusy) {
		t.Errorf("a second training over a plain matrix: %v", second)
	}
	train(t, xgboost.Params{}, data, xgboost.TrainOptions{Rounds: 1})
}

// TestResumedTrainingEqualsOneRun stops after four rounds, goes on from the checkpoint, and gets the model of one run.
func TestResumedTrainingEqualsOneRun(t *testing.T) {
	t.Parallel()
	x, y := table(3, 800, 5, "reg:squarederror", nil)
	data := quantile(t, x, y, nil, nil)
	p := xgboost.Params{MaxDepth: new(5), Seed: new(5)}
	ctx, cancel := context.WithCancel(t.Context())
	path := filepath.Join(t.TempDir(), "checkpoint")
	saves := 0
	partial, err := xgboost.Train(ctx, p, data, xgboost.TrainOptions{Rounds: 10,
		Checkpoint: &xgboost.Checkpoint{Every: 2, Save: func(rounds int, m *xgboost.Model) error {
			saves++
			if rounds == 4 {
				cancel()
			}
			return m.Save(path)
		}}})
	if !errors.Is(err, context.Canceled) || saves != 2 || partial == nil || len(partial.History()) != 4 {
		t.Fatalf("cancelled after a checkpoint: %v, %d checkpoints, model %v", err, saves, partial)
	}
	from, err := xgboost.LoadModel(path)
	if err != nil {
		t.Fatal(err)
	}
	equalModels(t, "checkpoint and what Train returned", from, partial)
	resumed := train(t, p, data, xgboost.TrainOptions{Rounds: 6, From: from})
	if first := resumed.History()[0]; first.Index != 4 || first.Rounds != 10 {
		t.Errorf("the first resumed round is %d of %d, want 4 of 10", first.Index, first.Rounds)
	}
	equalModels(t, "resumed", resumed, train(t, p, data, xgboost.TrainOptions{Rounds: 10}))
}

func TestNothingTrainedIsNoModel(t *testing.T) {
	t.Parallel()
	x, y := table(3, 100, 3, "reg:squarederror", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m, err := xgboost.Train(ctx, xgboost.Params{}, plain(t, x, y, nil), xgboost.TrainOptions{Rounds: 3}); m != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("a training cancelled before its first round: %v, %v", m, err)
	}
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	x, y := table(4, 400, 4, "reg:squarederror", nil)
	data := plain(t, x, y, nil)
	model := train(t, xgboost.Params{EvalMetric: []string{"rmse", "mae"}}, data, xgboost.TrainOptions{Rounds: 6, Evals: []xgboost.Eval{{Name: "my-train", Data: data}}})
	got, err := model.Evaluate(data, "rmse", "mae")
	if err != nil {
		t.Fatal(err)
	}
	last := model.History()[5].Metrics
	if len(got) != 2 || got[0].Name != "rmse" || got[0].Value != last[0].Value || got[1].Value != last[1].Value || last[0].Eval != "my-train" {
		t.Errorf("Evaluate gives %v, the last round %v", got, last)
	}
	if _, err := model.Evaluate(data, "bestness"); err == nil || !strings.Contains(err.Error(), "bestness") {
		t.Errorf("an unknown metric: %v", err)
	}
}

func TestSaveLeavesWholeFilesOnly(t *testing.T) {
	t.Parallel()
	x, y := table(4, 100, 3, "reg:squarederror", nil)
	model := train(t, xgboost.Params{}, plain(t, x, y, nil), xgboost.TrainOptions{Rounds: 2})
	dir := t.TempDir()
	for _, name := range []string{"m.json", "xgboost-model", "m.ubj"} {
		if err := model.Save(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		again, err := xgboost.LoadModel(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		equalModels(t, name, again, model)
	}
	if err := model.Save(filepath.Join(dir, "none", "m.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("saving into no folder: %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 3 {
		t.Errorf("the folder has %v (%v), want the three models", left, err)
	}
}

func TestParseParams(t *testing.T) {
	t.Parallel()
	p, err := xgboost.ParseParams(map[string]string{"learning_rate": "0.5", "max_depth": " 3 ", "eval_metric": "rmse, mae", "objective": "reg:squarederror"})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.List()); got != "[{eta 0.5} {max_depth 3} {objective reg:squarederror} {eval_metric rmse} {eval_metric mae}]" {
		t.Errorf("List gives %s", got)
	}
	for name, c := range map[string]struct{ value, want string }{
		"max_depth":              {"2.5", "a whole number of at least 0 is needed"},
		"eta":                    {"fast", "a number from 0 to 1 is needed"},
		"seed":                   {"99999999999", "out of range"},
		"tweedie_variance_power": {"2", "a number above 1 below 2 is needed"},
		"gamma":                  {"NaN", "a number of at least 0 is needed"},
		"depth":                  {"3", "there is no such parameter; known are aft_loss_distribution"},
	} {
		_, err := xgboost.ParseParams(map[string]string{name: c.value})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("hyper-parameter %q: value %q: ", name, c.value)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

func TestLibraryPath(t *testing.T) {
	t.Setenv(xgboost.PathVariable, filepath.Join(t.TempDir(), "nowhere.so"))
	if _, err := xgboost.LibraryPath(); !errors.Is(err, xgboost.ErrNoLibrary) || !strings.Contains(err.Error(), xgboost.PathVariable) {
		t.Errorf("a variable that names no file: %v", err)
	}
	t.Setenv(xgboost.PathVariable, "")
	path, err := xgboost.LibraryPath()
	if err != nil || filepath.Base(filepath.Dir(path)) != "lib" {
		t.Fatalf("in the checkout: %q, %v", path, err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	if path, err := xgboost.LibraryPath(); !errors.Is(err, xgboost.ErrNoLibrary) || !strings.Contains(err.Error(), "Try: make setup") {
		t.Errorf("outside of every checkout: %q, %v", path, err)
	}
	if version, err := xgboost.Version(); err == nil && version != "3.2.0" {
		t.Errorf("version %s, want the one that scripts/xgboost.txt pins", version)
	}
}
