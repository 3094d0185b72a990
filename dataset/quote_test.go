package dataset_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mobula-ml/mobula/dataset"
)

// FuzzQuoting puts any text where names and values go, and any number into a scaler: each must come back as it was.
func FuzzQuoting(f *testing.F) {
	f.Add(`a"b`, "it's", -1.5)
	f.Add("select", "--", math.Copysign(0, -1))
	f.Add(`";drop table t;--`, "a\nb", 5e-324)
	f.Add("é世", "\\", -math.MaxFloat64)
	f.Add("%s{}$1", "/*", math.Inf(-1))
	s, err := dataset.Open(dataset.Config{TempDir: f.TempDir(), Threads: 1})
	must(f, err)
	f.Cleanup(func() { s.Close() })
	path := file(f, "in.csv", "x\n1\n")
	f.Fuzz(func(t *testing.T, name, value string, number float64) {
		if !utf8.ValidString(name) || !utf8.ValidString(value) || strings.Contains(name+value, "\x00") || name == "" || strings.EqualFold(name, "v") || math.IsNaN(number) {
			t.Skip("no name or text of a table")
		}
		d, err := s.ReadCSV(t.Context(), path, dataset.CSVOptions{Schema: []dataset.Column{{Name: "x", Type: "DOUBLE"}}})
		must(t, err)
		if !strings.EqualFold(name, "x") {
			d = d.Rename("x", name)
		} else {
			name = "x"
		}
		d = d.WithColumn("v", dataset.Quote(value)).Filter(dataset.QuoteName(name)+" = 1 AND v = "+dataset.Quote(value)).RandomShuffle(1, name)
		scaled := (&dataset.FittedStandardScaler{Columns: []string{name}, Mean: []float64{number}, Deviation: []float64{-2}}).Transform(d)
		rows, err := scaled.Take(t.Context(), 2)
		must(t, err)
		if want := []dataset.Row{{(1 - number) / -2, value}}; !reflect.DeepEqual(rows, want) {
			t.Errorf("%q, want %q", rows, want)
		}
	})
}
