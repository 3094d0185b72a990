package dataset_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/dataset"
)

func near(a, b float64) bool { return a == b || math.Abs(a-b) <= 4e-16*math.Abs(b) }

func TestScalersAgreeWithNumpy(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	d := readCSV(t, s, "a,b,c,d\n1,0.1,1e15,5\n2,0.2,1000000000000001,5\n4,,1000000000000002,5\n-7,0.7,1000000000000004,5\n")
	columns := []string{"a", "b", "c", "d"}
	f, err := dataset.StandardScaler{Columns: columns}.Learn(t.Context(), d)
	must(t, err)
	// numpy 2.4: np.nanmean and np.nanstd of the columns; the deviation of d, 0, stands as 1, as in scikit-learn.
	mean := []float64{0, 0.3333333333333333, 1000000000000001.8, 5}
	deviation := []float64{4.183300132670378, 0.262466929133727, 1.479019945774904, 1}
	for i, c := range columns {
		if !near(f.Mean[i], mean[i]) || !near(f.Deviation[i], deviation[i]) {
			t.Errorf("%s: mean %v, deviation %v, want %v, %v", c, f.Mean[i], f.Deviation[i], mean[i], deviation[i])
		}
	}
	b, err := json.Marshal(f)
	must(t, err)
	var loaded dataset.FittedStandardScaler
	must(t, json.Unmarshal(b, &loaded))
	rows, err := loaded.Transform(d).Take(t.Context(), 4)
	must(t, err)
	for i, x := range []float64{1, 2, 4, -7} {
		if want := (x - f.Mean[0]) / f.Deviation[0]; rows[i][0] != want || rows[i][3] != 0.0 {
			t.Errorf("row %d: %v, want %v first and 0 last", i, rows[i], want)
		}
	}
	if rows[2][1] != nil {
		t.Errorf("a missing value became %v", rows[2][1])
	}
	m, err := dataset.MinMaxScaler{Columns: columns}.Learn(t.Context(), d)
	must(t, err)
	if rows, err = m.Transform(d).Take(t.Context(), 1); err != nil || !reflect.DeepEqual(rows[0], dataset.Row{8.0 / 11, 0.0, 0.0, 0.0}) || m.Min[0] != -7 || m.Max[0] != 4 {
		t.Errorf("%v %v %+v", rows, err, m)
	}
	var either dataset.Preprocessor = dataset.MinMaxScaler{Columns: columns}
	if fitted, err := either.Fit(t.Context(), d); err != nil || !reflect.DeepEqual(fitted, m) {
		t.Errorf("Fit gives %v %v", fitted, err)
	}
}

func TestScalersOfExtremeNumbers(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	for _, c := range []struct{ values, mean, deviation string }{
		{"1e308,-1e308,1e308,-1e308", "0", ""},             // the squares do not fit
		{"5e-324,5e-324,0,0", "0", "1"},                    // below what a double tells apart
		{"1e100,1,-1e100,1", "0", "7.071067811865475e+99"}, // as numpy has it
		{"0.1,0.1,0.1", "0.1", "1"},
		{"1e-300,3e-300", "2e-300", "1"},
	} {
		d := readCSV(t, s, "x\n"+strings.ReplaceAll(c.values, ",", "\n")+"\n").WithColumn("x", "x::DOUBLE")
		f, err := dataset.StandardScaler{Columns: []string{"x"}}.Learn(t.Context(), d)
		if c.deviation == "" {
			if err == nil || !strings.Contains(err.Error(), "lie too far apart") {
				t.Errorf("%s: %v", c.values, err)
			}
			continue
		}
		must(t, err)
		b, _ := json.Marshal(f)
		if want := `{"columns":["x"],"mean":[` + c.mean + `],"deviation":[` + c.deviation + `]}`; string(b) != want {
			t.Errorf("%s: %s, want %s", c.values, b, want)
		}
	}
}

func TestScalersRefuse(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	d := numbers(t, s, 3)
	for want, c := range map[string]struct {
		d       *dataset.Dataset
		columns []string
	}{
		"name the columns":                  {d, nil},
		`no column "y"`:                     {d, []string{"x", "y"}},
		`column "name" is a VARCHAR`:        {d, []string{"name"}},
		`column "x" stands twice`:           {d, []string{"x", "x"}},
		`column "x" has no values to learn`: {d.Limit(0), []string{"x"}},
		`column "x" holds an infinite`:      {d.WithColumn("x", "'-inf'::DOUBLE"), []string{"x"}},
	} {
		for _, p := range []dataset.Preprocessor{dataset.StandardScaler{Columns: c.columns}, dataset.MinMaxScaler{Columns: c.columns}} {
			if _, err := p.Fit(t.Context(), c.d); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%T: %v, want %q", p, err, want)
			}
		}
	}
}
