package dataset_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/dataset"
)

var houseSchema = []dataset.Column{{Name: "PRICE", Type: "BIGINT"}, {Name: "SQUARE_FEET", Type: "DOUBLE"}}

func TestCSVErrorsNameTheirPlace(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	for name, c := range map[string]struct{ content, want string }{
		"missing column":   {"PRICE,FEET\n1,2\n", `house.csv, line 1: the column "SQUARE_FEET" is missing; the header has PRICE, FEET`},
		"empty file":       {"", `house.csv is empty: a header line must come first`},
		"no rows":          {"PRICE,SQUARE_FEET\n", `house.csv: there are no rows`},
		"column twice":     {"PRICE,price,SQUARE_FEET\n1,2,3\n", `the column "price" stands twice`},
		"no name":          {"PRICE,,SQUARE_FEET\n1,2,3\n", `line 1: column 2 has the name ""`},
		"text in a number": {"PRICE,SQUARE_FEET\n1,2\n2,x\"\"y\n", `house.csv, line 3, column "SQUARE_FEET": the value "x\"\"y" is not a DOUBLE; write a number, as 1.5, or nothing`},
		"fraction":         {"PRICE,SQUARE_FEET\n1.5,2\n", `house.csv, line 2, column "PRICE": the value "1.5" is not a BIGINT; write a whole number`},
		"too few values":   {"PRICE,SQUARE_FEET\n1,2\n3\n", `house.csv, line 3: the line has 1 values; it must have 2: PRICE, SQUARE_FEET`},
		"too many values":  {"PRICE,SQUARE_FEET\n1,2\n3,4,5\n", `house.csv, line 3: the line has 3 values; it must have 2`},
		"required":         {"SQUARE_FEET,PRICE\n1,2\n3,\n", `house.csv, line 3, column "PRICE": the value "" is missing; the column is required`},
		"broken quote":     {"PRICE,SQUARE_FEET\n1,\"2\n", `house.csv, line 2`},
	} {
		path := file(t, "house.csv", c.content)
		d, err := s.ReadCSV(t.Context(), path, dataset.CSVOptions{Schema: houseSchema, Required: []string{"PRICE"}})
		if err == nil {
			err = d.Validate(t.Context())
			out := filepath.Join(t.TempDir(), "out.csv")
			if n := name; n != "no rows" && n != "required" {
				// Without Validate the action that meets the value says the same, and leaves no file.
				if late := d.WriteCSV(t.Context(), out, dataset.WriteOptions{}); late == nil || err == nil || late.Error() != err.Error() {
					t.Errorf("%s: writing says %v", name, late)
				}
				if left, _ := os.ReadDir(filepath.Dir(out)); len(left) > 0 {
					t.Errorf("%s: writing left %v", name, left)
				}
			}
			var input *dataset.InputError
			if !errors.As(err, &input) || input.File != path {
				t.Errorf("%s: %v has no place", name, err)
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	good, err := s.ReadCSV(t.Context(), file(t, "house.csv", "SQUARE_FEET,OTHER,PRICE\n1,x,2\n,y,3\n"), dataset.CSVOptions{Schema: houseSchema, Required: []string{"PRICE"}})
	must(t, err)
	must(t, good.Validate(t.Context()))
	if rows, err := good.Take(t.Context(), 9); err != nil || !reflect.DeepEqual(rows, []dataset.Row{{int64(2), 1.0}, {int64(3), nil}}) {
		t.Error(rows, err)
	}
}

func TestCSVOptionsAreChecked(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	path := file(t, "in.csv", "1;?\n")
	for want, o := range map[string]dataset.CSVOptions{
		`column "x" of the schema has the type "number"`: {Schema: []dataset.Column{{Name: "x", Type: "number"}}},
		`names the column "X" twice`:                     {Schema: []dataset.Column{{Name: "x", Type: "DOUBLE"}, {Name: "X", Type: "DOUBLE"}}},
		`without a header need a Schema`:                 {NoHeader: true},
		`delimiter "ab" must be one byte`:                {Delimiter: "ab"},
		`required column "y" is not in the schema`:       {Schema: houseSchema, Required: []string{"y"}},
	} {
		if _, err := s.ReadCSV(t.Context(), path, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	d, err := s.ReadCSV(t.Context(), path, dataset.CSVOptions{NoHeader: true, Delimiter: ";", Null: "?", Schema: []dataset.Column{{Name: "a", Type: "smallint"}, {Name: "b", Type: "date"}}})
	must(t, err)
	if rows, err := d.Take(t.Context(), 2); err != nil || !reflect.DeepEqual(rows, []dataset.Row{{int64(1), nil}}) {
		t.Error(rows, err)
	}
}

func TestTypesDependOnAllValues(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/1.csv", []byte("int,zip,num,word,none\n1,01234,1,1,\n"), 0o644))
	must(t, os.WriteFile(dir+"/2.csv", []byte("num,int,zip,none,word\n2.5e3,-2,1234,,x\n,,,,\n"), 0o644))
	must(t, os.WriteFile(dir+"/_ignored.csv", []byte("other\n"), 0o644))
	f, err := os.Create(dir + "/3.csv.gz")
	must(t, err)
	z := gzip.NewWriter(f)
	fmt.Fprint(z, "int,zip,num,word,none\n9,9,9,9,\n")
	must(t, z.Close())
	must(t, f.Close())
	d, err := s.ReadCSV(t.Context(), dir, dataset.CSVOptions{})
	must(t, err)
	var types []string
	for _, c := range d.Schema() {
		types = append(types, c.Name+" "+c.Type)
	}
	if want := []string{"int BIGINT", "zip DOUBLE", "num DOUBLE", "word VARCHAR", "none VARCHAR"}; !slices.Equal(types, want) {
		t.Errorf("%v, want %v", types, want)
	}
	if rows, err := d.Select("int", "num", "word").Take(t.Context(), 9); err != nil || !reflect.DeepEqual(rows, []dataset.Row{{int64(1), 1.0, "1"}, {int64(-2), 2500.0, "x"}, {nil, nil, nil}, {int64(9), 9.0, "9"}}) {
		t.Error(rows, err)
	}
	must(t, os.WriteFile(dir+"/4.csv", []byte("int\n1\n"), 0o644))
	if _, err := s.ReadCSV(t.Context(), dir, dataset.CSVOptions{}); err == nil || !strings.Contains(err.Error(), "4.csv, line 1: the columns are int, but those of") {
		t.Error(err)
	}
}

func TestPathsOfInputs(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	dir := houses(t, 100)
	for path, want := range map[string]int64{dir: 100, dir + "/year=2023/a.parquet": 50, dir + "/*/b.parquet": 50, dir + "/**/*.parquet": 100, dir + "/year=202[34]/?.parquet": 100} {
		d, err := s.ReadParquet(t.Context(), path)
		must(t, err)
		if n, err := d.Count(t.Context()); n != want || err != nil {
			t.Errorf("%s: %d %v, want %d", path, n, err, want)
		}
		if c := d.Schema()[len(d.Schema())-1]; c != (dataset.Column{Name: "year", Type: "VARCHAR"}) {
			t.Errorf("%s: the last column is %v", path, c)
		}
	}
	for path, want := range map[string]string{
		dir + "/none": "no such file", dir + "/*.parquet": "no file matches", "": "is not a path", dir + "/year=2023/a.parquet\x00": "is not a path",
		file(t, "x.parquet", "PAR0"): "x.parquet",
	} {
		if _, err := s.ReadParquet(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", path, err, want)
		}
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	d := numbers(t, s, 10)
	dir := t.TempDir()
	must(t, d.Limit(2).WriteCSV(t.Context(), dir+"/a/b.csv", dataset.WriteOptions{Columns: []string{"x", "id"}, Header: true}))
	must(t, d.Limit(2).WriteCSV(t.Context(), dir+"/a/b.csv", dataset.WriteOptions{Columns: []string{"x", "id"}}))
	if b, _ := os.ReadFile(dir + "/a/b.csv"); string(b) != "-3.0,1\n-2.875,2\n" {
		t.Errorf("%q", b)
	}
	must(t, d.WriteParquet(t.Context(), dir+"/p", dataset.WriteOptions{Shards: 3}))
	back, err := s.ReadParquet(t.Context(), dir+"/p/")
	must(t, err)
	if got, want := column(t, back, "id"), column(t, d, "id"); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if files, _ := filepath.Glob(dir + "/p/*"); len(files) != 3 || filepath.Base(files[2]) != "part-00002.parquet" {
		t.Error(files)
	}
	for path, want := range map[string]string{"s3://b/k.csv": "must be one of this machine", dir + "/a/b.csv/c": "not a directory", dir + "/a": "file exists"} {
		if err := d.WriteCSV(t.Context(), path, dataset.WriteOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	if left, _ := filepath.Glob(dir + "/.*"); len(left) > 0 {
		t.Error("left behind:", left)
	}
}

func TestCSVAsProgramsWriteIt(t *testing.T) {
	t.Parallel()
	s := open(t, dataset.Config{})
	want := []dataset.Row{{int64(1), 2.5}, {int64(2), 3.5}}
	for name, content := range map[string]string{
		"unix": "PRICE,SQUARE_FEET\n1,2.5\n2,3.5\n", "windows": "PRICE,SQUARE_FEET\r\n1,2.5\r\n2,3.5\r\n", "no last line end": "PRICE,SQUARE_FEET\n1,2.5\n2,3.5",
		"byte order mark": "\ufeffPRICE,SQUARE_FEET\n1,2.5\n2,3.5\n", "quoted": "\"PRICE\",\"SQUARE_FEET\"\n\"1\",\"2.5\"\n\"2\",\"3.5\"\n", "empty last lines": "PRICE,SQUARE_FEET\n1,2.5\n2,3.5\n\n\n",
	} {
		path := file(t, "in.csv", content)
		for _, schema := range [][]dataset.Column{nil, houseSchema} {
			d, err := s.ReadCSV(t.Context(), path, dataset.CSVOptions{Schema: schema})
			if err == nil {
				err = d.Validate(t.Context())
			}
			must(t, err)
			if rows, err := d.Take(t.Context(), 9); err != nil || !reflect.DeepEqual(rows, want) {
				t.Errorf("%s: %v %v", name, rows, err)
			}
		}
	}
}

func TestALateErrorEndsTheRows(t *testing.T) {
	t.Parallel()
	content := "PRICE,SQUARE_FEET\n" + strings.Repeat("1,2\n", 200_000) + "1,x\n"
	d, err := open(t, dataset.Config{}).ReadCSV(t.Context(), file(t, "in.csv", content), dataset.CSVOptions{Schema: houseSchema})
	must(t, err)
	for _, err = range d.Rows(t.Context()) {
	}
	if err == nil || !strings.Contains(err.Error(), `line 200002, column "SQUARE_FEET": the value "x"`) {
		t.Error(err)
	}
	if _, err = d.Floats(t.Context()); err == nil {
		t.Error("Floats says nothing")
	}
}
