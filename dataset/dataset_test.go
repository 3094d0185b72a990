package dataset_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/dataset"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, config dataset.Config) *dataset.Session {
	t.Helper()
	config.TempDir = t.TempDir()
	s, err := dataset.Open(config)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// file writes a file into a folder of the test and gives its path.
func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

func readCSV(t testing.TB, s *dataset.Session, content string) *dataset.Dataset {
	t.Helper()
	d, err := s.ReadCSV(t.Context(), file(t, "in.csv", content), dataset.CSVOptions{})
	must(t, err)
	return d
}

// numbers is a dataset of the numbers from 1 to n, with a text, a float and a column that is always the same.
func numbers(t testing.TB, s *dataset.Session, n int) *dataset.Dataset {
	t.Helper()
	var b strings.Builder
	b.WriteString("id,name,x,one\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,n%d,%g,1\n", i+1, i%7, float64(i)/8-3)
	}
	return readCSV(t, s, b.String())
}

// houses writes rows like those of a feature store, in two Hive partitions, and gives their folder.
func houses(t testing.TB, n int) string {
	t.Helper()
	s := open(t, dataset.Config{})
	d := counting(t, s, n).Map(
		dataset.Expression{Name: "PRICE", SQL: "CAST(100000 + (i * 7919) % 400000 AS BIGINT)"},
		dataset.Expression{Name: "YEAR_BUILT", SQL: "CAST(1950 + i % 73 AS DOUBLE)"},
		dataset.Expression{Name: "SQUARE_FEET", SQL: "3000 + 700 * sin(i)"},
		dataset.Expression{Name: "BEDROOMS", SQL: "CAST(2 + (i // 3) % 5 AS DOUBLE)"},
		dataset.Expression{Name: "BATHROOMS", SQL: "CAST(1 + i % 3 AS DOUBLE)"},
		dataset.Expression{Name: "LOT_ACRES", SQL: "round(0.5 + (i % 101) / 100, 2)"},
		dataset.Expression{Name: "GARAGE_SPACES", SQL: "CAST((i // 7) % 4 AS DOUBLE)"},
		dataset.Expression{Name: "FRONT_PORCH", SQL: "CAST((i // 11) % 2 AS DOUBLE)"},
		dataset.Expression{Name: "DECK", SQL: "CAST((i // 13) % 2 AS DOUBLE)"},
		dataset.Expression{Name: "RECORD_ID", SQL: "i"},
	)
	dir := t.TempDir()
	must(t, d.Filter("RECORD_ID % 2 = 0").WriteParquet(t.Context(), dir+"/year=2023/a.parquet", dataset.WriteOptions{}))
	must(t, d.Filter("RECORD_ID % 2 = 1").WriteParquet(t.Context(), dir+"/year=2024/b.parquet", dataset.WriteOptions{}))
	return dir
}

// counting is a dataset of the column i, from 0 on.
func counting(t testing.TB, s *dataset.Session, n int) *dataset.Dataset {
	t.Helper()
	b := []byte{}
	for i := range n {
		b = append(strconv.AppendInt(b, int64(i), 10), '\n')
	}
	d, err := s.ReadCSV(t.Context(), file(t, "counting.csv", string(b)), dataset.CSVOptions{NoHeader: true, Schema: []dataset.Column{{Name: "i", Type: "BIGINT"}}})
	must(t, err)
	return d
}

func column(t testing.TB, d *dataset.Dataset, name string) []any {
	t.Helper()
	var values []any
	for row, err := range d.Select(name).Rows(t.Context()) {
		must(t, err)
		values = append(values, row[0])
	}
	return values
}

func TestSteps(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	d := readCSV(t, s, "a,b \"c\",d\n1,x,2.5\n-2,,3\n3,\"y,\"\"z\"\"\",\n")
	want := []dataset.Column{{Name: "a", Type: "BIGINT"}, {Name: `b "c"`, Type: "VARCHAR"}, {Name: "d", Type: "DOUBLE"}}
	if got := d.Schema(); !slices.Equal(got, want) {
		t.Fatalf("schema %v, want %v", got, want)
	}
	for name, c := range map[string]struct {
		d    *dataset.Dataset
		want []dataset.Row
	}{
		"all":        {d, []dataset.Row{{int64(1), "x", 2.5}, {int64(-2), nil, 3.0}, {int64(3), `y,"z"`, nil}}},
		"select":     {d.Select("d", "a").Limit(1), []dataset.Row{{2.5, int64(1)}}},
		"drop":       {d.Drop("d", "a").Limit(2), []dataset.Row{{"x"}, {nil}}},
		"rename":     {d.Rename("a", "SELECT").Select("SELECT").Filter(`"SELECT" < 0`), []dataset.Row{{int64(-2)}}},
		"filter":     {d.Filter("a - -2 > 0 -- a comment").Select("a"), []dataset.Row{{int64(1)}, {int64(3)}}},
		"new column": {d.WithColumn("e", "a * 2 > 1").Select("a", "e").Limit(2), []dataset.Row{{int64(1), true}, {int64(-2), false}}},
		"replaced":   {d.WithColumn("a", "a + 0.5::DOUBLE").Select("a", "d").Limit(1), []dataset.Row{{1.5, 2.5}}},
		"map":        {d.Map(dataset.Expression{Name: "t", SQL: "DATE '2024-05-01' + a::INTEGER"}).Limit(1), []dataset.Row{{"2024-05-02"}}},
		"union":      {d.Select("a").Limit(1).Union(d.Select("d").Rename("d", "a").Limit(1)), []dataset.Row{{1.0}, {2.5}}},
		"none":       {d.Limit(0), nil},
	} {
		got, err := c.d.Take(t.Context(), 10)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v %v, want %v", name, got, err, c.want)
		}
	}
	if n, err := d.Count(t.Context()); n != 3 || err != nil {
		t.Errorf("Count: %d %v", n, err)
	}
}

func TestWrongStepsAreRememberedAndExplained(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	d := numbers(t, s, 3)
	for want, wrong := range map[string]*dataset.Dataset{
		`Select: no column "PRICE"; the columns are id, name, x, one`: d.Select("PRICE"),
		`Drop: no column "y"`:           d.Drop("id", "y"),
		`no column would be left`:       d.Drop(d.Columns()...),
		`Rename: "ID" cannot be`:        d.Rename("x", "ID"),
		`Rename: "" cannot be`:          d.Rename("x", ""),
		`"price" not found`:             d.Filter("price > 0"),
		`is a BIGINT, not a BOOLEAN`:    d.Filter("id"),
		`cannot contain aggregates`:     d.WithColumn("y", "sum(x)"),
		`cannot contain window`:         d.WithColumn("y", "row_number() OVER ()"),
		`syntax error`:                  d.WithColumn("y", "1) AS z, (2"),
		`-1 must not be negative`:       d.Limit(-1),
		`dataset 1 has the columns id`:  d.Union(d.Select("id")),
		`belongs to another session`:    d.Union(numbers(t, open(t, dataset.Config{}), 3)),
		`RandomShuffle: no column "q"`:  d.RandomShuffle(1, "id", "q"),
		`StandardScaler: column "name"`: (&dataset.FittedStandardScaler{Columns: []string{"name"}, Mean: []float64{0}, Deviation: []float64{1}}).Transform(d),
	} {
		_, err := wrong.Limit(1).Count(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, fractions := range [][]float64{nil, {0.5, 0.6}, {-0.1}, {0}} {
		if _, err := d.SplitProportionately(fractions...); err == nil {
			t.Errorf("a split by %v is no error", fractions)
		}
	}
}

func TestFloats(t *testing.T) {
	t.Parallel()
	d := numbers(t, open(t, dataset.Config{}), 5000)
	columns, err := d.WithColumn("x", "if(id = 2, NULL, x)").Floats(t.Context(), "x", "id")
	must(t, err)
	data, width, err := d.Matrix(t.Context(), "x", "id")
	must(t, err)
	if len(columns) != 2 || len(columns[0]) != 5000 || width != 2 || len(data) != 10_000 {
		t.Fatalf("%d columns, %d wide, %d values", len(columns), width, len(data))
	}
	for i := range 5000 {
		if want := float32(i)/8 - 3; data[2*i] != want || data[2*i+1] != float32(i+1) || columns[1][i] != float32(i+1) || i != 1 && columns[0][i] != want {
			t.Fatalf("row %d: %v %v, want %v", i, data[2*i:2*i+2], columns[0][i], want)
		}
	}
	if columns[0][1] == columns[0][1] {
		t.Errorf("NULL came as %v, not as NaN", columns[0][1])
	}
	if _, err := d.Floats(t.Context()); err == nil || !strings.Contains(err.Error(), `column "name" is a VARCHAR, not a number`) {
		t.Error(err)
	}
	if empty, err := d.Limit(0).Floats(t.Context(), "x", "id"); err != nil || len(empty) != 2 || len(empty[0]) != 0 {
		t.Error(empty, err)
	}
}

func TestRowsStayInOrder(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{Threads: 4})
	dir := t.TempDir()
	must(t, counting(t, s, 300_000).WriteParquet(t.Context(), dir, dataset.WriteOptions{Shards: 3}))
	d, err := s.ReadParquet(t.Context(), dir)
	must(t, err)
	columns, err := d.Floats(t.Context())
	must(t, err)
	next := int64(0)
	for row, err := range d.Filter("i % 2 = 0").Rows(t.Context()) {
		must(t, err)
		if row[0] != 2*next || columns[0][next] != float32(next) {
			t.Fatalf("%v %v at %d", row, columns[0][next], next)
		}
		if next++; next == 140_000 {
			break
		}
	}
	if next != 140_000 || len(columns[0]) != 300_000 {
		t.Errorf("%d and %d rows", next, len(columns[0]))
	}
}

func TestAFullSpillFolderIsAnError(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{MemoryLimit: "120MB", SpillLimit: "1MB", Threads: 1})
	d := counting(t, s, 300_000).WithColumn("t", "repeat(md5(i::VARCHAR), 10)").RandomShuffle(1, "i")
	if _, err := d.Count(t.Context()); err == nil || !strings.Contains(err.Error(), "Config.MemoryLimit") {
		t.Error(err)
	}
	if n, err := numbers(t, s, 10).RandomShuffle(1).Count(t.Context()); n != 10 || err != nil {
		t.Error("the session is spoiled:", n, err)
	}
}

func TestContextInterruptsAQuery(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user pressed Ctrl-C")
	s := open(t, dataset.Config{Threads: 1, Progress: func(dataset.Progress) { cancel(why) }})
	slow := "i::VARCHAR"
	for range 100 {
		slow = "md5(" + slow + ")"
	}
	d := counting(t, s, 1_000_000).Filter(slow + " = 'x'") // about 20 s
	if _, err := d.Count(ctx); !errors.Is(err, why) {
		t.Errorf("%v, want %v", err, why)
	}
	if _, err := d.Count(ctx); !errors.Is(err, why) {
		t.Errorf("a query began after its context had ended: %v", err)
	}
	if n, err := numbers(t, s, 10).Count(t.Context()); n != 10 || err != nil {
		t.Errorf("the session is spoiled: %d %v", n, err)
	}
}

func TestASessionSpillsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	var reports int
	s, err := dataset.Open(dataset.Config{TempDir: temp, MemoryLimit: "160MB", Threads: 1, Progress: func(dataset.Progress) { reports++ }})
	must(t, err)
	d := counting(t, s, 300_000).Map(dataset.Expression{Name: "i", SQL: "i"}, dataset.Expression{Name: "t", SQL: "md5(i::VARCHAR) || repeat(md5((i + 1)::VARCHAR), 10)"}).RandomShuffle(1, "i")
	if n, err := d.Count(t.Context()); n != 300_000 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	spilled, _ := filepath.Glob(temp + "/*/spill/*")
	if len(spilled) == 0 {
		t.Error("nothing was spilled; the test proves nothing")
	}
	must(t, s.Close())
	must(t, s.Close())
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := d.Count(t.Context()); err == nil || !strings.Contains(err.Error(), "the session is closed") {
		t.Error(err)
	}
	if reports == 0 {
		t.Error("no progress was reported")
	}
	if _, err := dataset.Open(dataset.Config{MemoryLimit: "much"}); err == nil || !strings.Contains(err.Error(), `Config.MemoryLimit "much"`) {
		t.Error(err)
	}
}
