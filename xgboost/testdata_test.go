package xgboost_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/xgboost"
)

// table makes deterministic data: missing values, ties, categories in the columns that types calls "c", and labels of the kind that
// the objective needs.
func table(seed uint64, rows, cols int, objective string, types []string) (xgboost.Dense, []float32) {
	rng := rand.New(rand.NewPCG(seed, 7))
	x := xgboost.Dense{Data: make([]float32, rows*cols), Rows: rows, Cols: cols}
	y := make([]float32, rows)
	for i := range rows {
		row := x.Data[i*cols : (i+1)*cols]
		var signal float64
		for j := range row {
			switch {
			case rng.IntN(20) == 0:
				row[j] = float32(math.NaN())
				continue
			case types != nil && types[j] == "c":
				row[j] = float32(rng.IntN(12))
				signal += float64(int(row[j])%3) - 1
			case j%3 == 2:
				row[j] = float32(rng.IntN(5))
				signal += float64(row[j]) / 3
			default:
				row[j] = float32(rng.NormFloat64())
				signal += float64(row[j]) * float64(j%4) / 2
			}
		}
		signal += rng.NormFloat64() / 3
		y[i] = label(objective, signal)
	}
	return x, y
}

func label(objective string, signal float64) float32 {
	family, _, _ := strings.Cut(objective, ":")
	switch {
	case family == "multi":
		return float32(((int(math.Floor(signal)) % 3) + 3) % 3)
	case family == "binary", objective == "reg:logistic":
		if signal > 1 {
			return 1
		}
		return 0
	case family == "count":
		return float32(math.Floor(math.Abs(signal) * 2))
	case objective == "reg:gamma", objective == "reg:tweedie", family == "survival", objective == "reg:squaredlogerror":
		return float32(math.Abs(signal) + 0.1)
	}
	return float32(signal * 1000)
}

// python is the interpreter that `make setup-test` made.
func python(t *testing.T) string {
	t.Helper()
	path := filepath.Join("..", ".cache", "venv", "bin", "python")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("Python's XGBoost is not set up: %v. Try: make setup-test", err)
	}
	return path
}

// peerJob is what testdata/peer.py trains.
type peerJob struct {
	Name           string            `json:"name"`
	Rows           int               `json:"rows"`
	Cols           int               `json:"cols"`
	Params         map[string]string `json:"params"`
	Rounds         int               `json:"rounds"`
	ValidationRows int               `json:"validation_rows"`
	EarlyStopping  int               `json:"early_stopping"`
	Types          []string          `json:"types"`

	x xgboost.Dense
	y []float32
}

func runPeer(t *testing.T, jobs []*peerJob) string {
	t.Helper()
	dir := t.TempDir()
	for _, job := range jobs {
		job.Rows, job.Cols = job.x.Rows, job.x.Cols
		writeFloats(t, filepath.Join(dir, job.Name+".x"), job.x.Data)
		writeFloats(t, filepath.Join(dir, job.Name+".y"), job.y)
	}
	text, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "jobs.json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python(t), "testdata/peer.py", dir)
	cmd.Env = append(os.Environ(), "OMP_WAIT_POLICY=PASSIVE")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func writeFloats(t *testing.T, path string, values []float32) {
	t.Helper()
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFloats(t *testing.T, path string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, len(b)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return values
}

func part(x xgboost.Dense, from, to int) xgboost.Dense {
	return xgboost.Dense{Data: x.Data[from*x.Cols : to*x.Cols], Rows: to - from, Cols: x.Cols}
}

// quantile makes a shared matrix, cut into uneven batches.
func quantile(t *testing.T, x xgboost.Dense, y []float32, types []string, ref *xgboost.Matrix) *xgboost.Matrix {
	t.Helper()
	var batches []xgboost.Batch
	for from, size := 0, 37; from < x.Rows; from, size = from+size, size*2 {
		to := min(from+size, x.Rows)
		batches = append(batches, xgboost.Batch{Dense: part(x, from, to), Info: xgboost.Info{Labels: y[from:to], FeatureTypes: types}})
	}
	m, err := xgboost.NewQuantileDMatrix(xgboost.Batches(batches...), xgboost.QuantileOptions{Ref: ref})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func plain(t *testing.T, x xgboost.Dense, y []float32, types []string) *xgboost.Matrix {
	t.Helper()
	m, err := xgboost.NewDMatrix(x, xgboost.Info{Labels: y, FeatureTypes: types}, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func train(t *testing.T, p xgboost.Params, m *xgboost.Matrix, o xgboost.TrainOptions) *xgboost.Model {
	t.Helper()
	model, err := xgboost.Train(t.Context(), p, m, o)
	if err != nil {
		t.Fatal(err)
	}
	return model
}
