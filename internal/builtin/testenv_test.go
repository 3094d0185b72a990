package builtin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/builtin"
)

func TestMain(m *testing.M) {
	if builtin.Main(os.Args) { // The test binary stands for Mobula's own.
		return
	}
	os.Exit(m.Run())
}

// house is a job's /opt/ml.
type house struct {
	t   *testing.T
	dir string
	env map[string]string
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, dir: t.TempDir()}
	h.env = map[string]string{builtin.MLDirVariable: h.dir}
	return h
}

func (h *house) write(path, text string) {
	h.t.Helper()
	path = filepath.Join(h.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) read(path string) string {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dir, path))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(data)
}

// job writes a training job of CSV channels: file contents by path below input/data.
func (h *house) job(hyperparameters map[string]string, data map[string]string) {
	h.t.Helper()
	text, err := json.Marshal(hyperparameters)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write("input/config/hyperparameters.json", string(text))
	h.write("input/config/resourceconfig.json", `{"current_host":"algo-1","hosts":["algo-1"]}`)
	channels := map[string]any{}
	for path, text := range data {
		h.write("input/data/"+path, text)
		name, _, _ := strings.Cut(path, "/")
		channels[name] = map[string]string{"ContentType": "text/csv; label_size=1", "TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
	}
	text, err = json.Marshal(channels)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write("input/config/inputdataconfig.json", string(text))
}

// run runs a process of the image here.
func (h *house) run(command string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = builtin.Run(h.t.Context(), []string{command}, func(name string) string { return h.env[name] }, &out, &errs)
	return code, out.String(), errs.String()
}

func (h *house) train() string {
	h.t.Helper()
	code, stdout, stderr := h.run(builtin.TrainCommand)
	if code != 0 {
		h.t.Fatalf("status %d\n%s%s", code, stdout, stderr)
	}
	return stdout
}

// table writes deterministic rows: a label, then features, every thirtieth of them missing.
func table(seed uint64, rows, features int) string {
	rng := rand.New(rand.NewPCG(seed, 3))
	var b strings.Builder
	for range rows {
		x := make([]float64, features)
		y := 5.0
		for j := range x {
			x[j] = rng.NormFloat64()
			y += x[j] * float64(j)
		}
		fmt.Fprintf(&b, "%v", y+rng.NormFloat64()/10)
		for _, v := range x {
			if rng.IntN(30) == 0 {
				b.WriteByte(',')
			} else {
				fmt.Fprintf(&b, ",%v", v)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
