package xgboost_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/xgboost"
)

// TestTreesEqualTheLibrary walks models of every objective that the Go predictor knows, with missing values and categories in the
// rows, among them categories that training never saw. The objective of a trained model is exchanged in its JSON, so that each
// transformation meets the same trees.
func TestTreesEqualTheLibrary(t *testing.T) {
	t.Parallel()
	types := []string{"q", "c", "q", "q", "c"}
	x, y := table(99, 800, 5, "reg:squarederror", types)
	for i := range y {
		y[i] /= 500 // keeps the exponentials in range
	}
	model := train(t, xgboost.Params{MaxDepth: new(7), MaxCatToOneHot: new(3), BaseScore: new(0.4)}, quantile(t, x, y, types, nil), xgboost.TrainOptions{Rounds: 40})
	text, err := model.Bytes("json")
	if err != nil {
		t.Fatal(err)
	}
	odd := []float32{-3, 12, 13, 31, 32, 4000, 16777215, 16777216, 3e9, 1.5, -0.5, float32(math.Copysign(0, -1)), float32(math.NaN())}
	for i, v := range odd {
		x.Data[i*5+1], x.Data[i*5+4] = v, v
	}
	for _, name := range []string{"reg:squarederror", "reg:squaredlogerror", "reg:logistic", "reg:pseudohubererror", "reg:absoluteerror", "reg:gamma",
		"reg:tweedie", "binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson", "rank:pairwise", "rank:ndcg", "rank:map",
		"survival:cox", "survival:aft"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := bytes.Replace(text, []byte(`"name":"reg:squarederror"`), []byte(fmt.Sprintf(`"name":%q%s`, name, objectiveParams[name])), 1)
			compareWithLibrary(t, changed, x)
		})
	}
}

// objectiveParams is what the library wants beside an objective's name.
var objectiveParams = map[string]string{
	"reg:pseudohubererror": `,"pseudo_huber_param":{"huber_slope":"1"}`,
	"reg:tweedie":          `,"tweedie_regression_param":{"tweedie_variance_power":"1.5"}`,
	"count:poisson":        `,"poisson_regression_param":{"max_delta_step":"0.7"}`,
	"rank:pairwise":        `,"lambdarank_param":{}`,
	"rank:ndcg":            `,"lambdarank_param":{}`,
	"rank:map":             `,"lambdarank_param":{}`,
	"survival:aft":         `,"aft_loss_param":{"aft_loss_distribution":"normal","aft_loss_distribution_scale":"1"}`,
}

func compareWithLibrary(t *testing.T, data []byte, x xgboost.Dense) {
	t.Helper()
	model, err := xgboost.ParseModel(data)
	if err != nil {
		t.Fatal(err)
	}
	want, err := model.Predict(x)
	if err != nil {
		t.Fatal(err)
	}
	trees, err := model.Trees()
	if err != nil {
		t.Fatal(err)
	}
	var got []float32
	for i := range x.Rows {
		if got, err = trees.PredictRow(part(x, i, i+1).Data, got); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "PredictRow", got, want)
}

// TestTreesEqualTheLibraryOnRandomModels draws shapes of models and data; the sub-test's name repeats a failure.
func TestTreesEqualTheLibraryOnRandomModels(t *testing.T) {
	t.Parallel()
	for seed := range 24 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			objective := []string{"reg:squarederror", "binary:logistic", "multi:softprob", "multi:softmax", "count:poisson", "reg:absoluteerror"}[seed%6]
			cols := 2 + seed%5
			types := make([]string, cols)
			for j := range types {
				types[j] = []string{"q", "q", "c"}[(seed+j)%3]
			}
			x, y := table(uint64(1000+seed), 300, cols, objective, types)
			p := xgboost.Params{Objective: &objective, MaxDepth: new(1 + seed%9), Subsample: new(0.7), Seed: new(seed), Eta: new(0.1 + float64(seed%7)/10),
				NumParallelTree: new(1 + seed%2), GrowPolicy: new([]string{"depthwise", "lossguide"}[seed%2])}
			if strings.HasPrefix(objective, "multi") {
				p.NumClass = new(3)
			}
			if seed%8 == 7 {
				p.Booster, p.RateDrop = new("dart"), new(0.4)
			}
			model := train(t, p, quantile(t, x, y, types, nil), xgboost.TrainOptions{Rounds: 5 + seed})
			fresh, _ := table(uint64(2000+seed), 200, cols, objective, types)
			for _, format := range []string{"json", "ubj"} {
				data, err := model.Bytes(format)
				if err != nil {
					t.Fatal(err)
				}
				compareWithLibrary(t, data, fresh)
			}
		})
	}
}

func TestWhatTreesCannotDoTheLibraryDoes(t *testing.T) {
	t.Parallel()
	x, y := table(5, 200, 3, "reg:squarederror", nil)
	for i, v := range x.Data {
		if v != v {
			x.Data[i] = 0 // A linear model takes missing as zero in a matrix.
		}
	}
	model := train(t, xgboost.Params{Booster: new("gblinear")}, plain(t, x, y, nil), xgboost.TrainOptions{Rounds: 3})
	var unsupported *xgboost.UnsupportedError
	if _, err := model.Trees(); !errors.As(err, &unsupported) || !strings.Contains(err.Error(), `booster "gblinear"`) {
		t.Fatalf("Trees of a linear model: %v", err)
	}
	all, err := model.Predict(x)
	if err != nil {
		t.Fatal(err)
	}
	one, err := model.PredictRow(part(x, 4, 5).Data)
	if err != nil || one[0] != all[4] {
		t.Fatalf("PredictRow gives %v, %v; Predict gives %v", one, err, all[4])
	}
}

func TestRowOfTheWrongLengthIsRefused(t *testing.T) {
	t.Parallel()
	x, y := table(6, 100, 3, "reg:squarederror", nil)
	model := train(t, xgboost.Params{}, plain(t, x, y, nil), xgboost.TrainOptions{Rounds: 2})
	const want = "the row has 2 features; the model was trained with 3"
	if _, err := model.PredictRow([]float32{1, 2}); err == nil || err.Error() != want {
		t.Errorf("PredictRow: %v", err)
	}
	if _, err := model.Predict(xgboost.Dense{Data: []float32{1, 2}, Rows: 1, Cols: 2}); err == nil || err.Error() != want {
		t.Errorf("Predict: %v", err)
	}
}

func TestDamagedModelsAreRefused(t *testing.T) {
	t.Parallel()
	x, y := table(6, 300, 3, "reg:squarederror", nil)
	model := train(t, xgboost.Params{}, plain(t, x, y, nil), xgboost.TrainOptions{Rounds: 3})
	text, err := model.Bytes("json")
	if err != nil {
		t.Fatal(err)
	}
	binary, err := model.Bytes("ubj")
	if err != nil {
		t.Fatal(err)
	}
	edit := func(from, to string) []byte {
		out := bytes.Replace(text, []byte(from), []byte(to), 1)
		if bytes.Equal(out, text) {
			t.Fatalf("%q is not in the model", from)
		}
		return out
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":          {nil, "it is empty"},
		"a zip":          {[]byte("PK\x03\x04rest"), "it begins with"},
		"half json":      {text[:len(text)/2], "it ends after"},
		"half ubj":       {binary[:len(binary)/2], "not a whole XGBoost model: at byte"},
		"more after ubj": {append(bytes.Clone(binary), 1), "follow the model"},
		"other json":     {[]byte(`{"a":1}`), `it has no "learner"`},
		"child":          {edit(`"left_children":[1,`, `"left_children":[9999,`), "has children 9999"},
		"cycle":          {edit(`"left_children":[1,`, `"left_children":[0,`), "has two parents"},
		"feature":        {edit(`"num_class":"0","num_feature":"3"`, `"num_class":"0","num_feature":"1"`), "splits on feature"},
		"tree_info":      {edit(`"tree_info":[0,`, `"tree_info":[5,`), "is of output 5 of 1"},
		"base_score":     {edit(`"base_score":"[`, `"base_score":"[x`), "is no number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "model")
			if err := os.WriteFile(path, c.data, 0o644); err != nil {
				t.Fatal(err)
			}
			for what, load := range map[string]func() error{
				"LoadTrees": func() error { _, err := xgboost.LoadTrees(path); return err },
				"LoadModel": func() error { _, err := xgboost.LoadModel(path); return err },
			} {
				if err := load(); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path) {
					t.Errorf("%s: %v; want %q", what, err, c.want)
				}
			}
		})
	}
}

// FuzzParseTrees: no bytes crash the reader, and what it accepts predicts.
func FuzzParseTrees(f *testing.F) {
	for booster, types := range map[string][]string{"gbtree": {"q", "c", "q"}, "dart": {"q", "c", "q"}, "gblinear": nil} {
		x, y := table(6, 60, 3, "reg:squarederror", types)
		m, err := xgboost.NewDMatrix(x, xgboost.Info{Labels: y, FeatureTypes: types}, 1)
		if err != nil {
			f.Fatal(err)
		}
		defer m.Close()
		model, err := xgboost.Train(f.Context(), xgboost.Params{Booster: &booster, MaxDepth: new(2)}, m, xgboost.TrainOptions{Rounds: 2})
		if err != nil {
			f.Fatal(err)
		}
		for _, format := range []string{"json", "ubj"} {
			data, err := model.Bytes(format)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
			f.Add(data[:len(data)*2/3])
		}
	}
	f.Add([]byte("{L\x00\x00\x00\x00\x7f\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		trees, err := xgboost.ParseTrees(data)
		if err != nil || trees.Features() > 1<<16 {
			return
		}
		if _, err := trees.PredictRow(make([]float32, trees.Features()), nil); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkPredictRow(b *testing.B) {
	x, y := table(3, 20000, 8, "reg:squarederror", nil)
	m, err := xgboost.NewDMatrix(x, xgboost.Info{Labels: y}, 2)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	model, err := xgboost.Train(b.Context(), xgboost.Params{}, m, xgboost.TrainOptions{Rounds: 100})
	if err != nil {
		b.Fatal(err)
	}
	trees, err := model.Trees()
	if err != nil {
		b.Fatal(err)
	}
	out := make([]float32, 0, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if out, err = trees.PredictRow(part(x, i%x.Rows, i%x.Rows+1).Data, out[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
