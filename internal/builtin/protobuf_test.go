package builtin_test

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/dataset"
	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/records"
	"google.golang.org/protobuf/encoding/protowire"
)

// The tensors of aialgs.data.Value.
const float32Tensor, float64Tensor, int32Tensor = 2, 3, 7

func field(b []byte, number protowire.Number, data []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), data)
}

// tensorOf is an entry of a record's features or label.
func tensorOf(kind protowire.Number, values []float64, keys []uint64, shape ...uint64) []byte {
	var packed, packedKeys, packedShape []byte
	for _, v := range values {
		switch kind {
		case float32Tensor:
			packed = protowire.AppendFixed32(packed, math.Float32bits(float32(v)))
		case float64Tensor:
			packed = protowire.AppendFixed64(packed, math.Float64bits(v))
		default:
			packed = protowire.AppendVarint(packed, uint64(int64(v)))
		}
	}
	for _, k := range keys {
		packedKeys = protowire.AppendVarint(packedKeys, k)
	}
	for _, n := range shape {
		packedShape = protowire.AppendVarint(packedShape, n)
	}
	t := field(nil, 1, packed)
	if keys != nil {
		t = field(t, 2, packedKeys)
	}
	if shape != nil {
		t = field(t, 3, packedShape)
	}
	return field(field(nil, 1, []byte("values")), 2, field(nil, kind, t))
}

// protobufRow is a record: the first value is its label, where it has one.
func protobufRow(t testing.TB, label, features []byte) string {
	t.Helper()
	message := field(nil, 1, features)
	if label != nil {
		message = field(message, 2, label)
	}
	var b bytes.Buffer
	if err := records.WriteRecordIO(&b, bytes.NewReader(field(message, 3, []byte("an id"))), int64(len(message)+len("an id")+2)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func numbers(t testing.TB, line string) (row []float64) {
	t.Helper()
	for text := range strings.SplitSeq(strings.TrimSpace(line), ",") {
		v, err := strconv.ParseFloat(text, 64)
		if text != "" && err != nil {
			t.Fatal(err)
		}
		if text == "" {
			v = math.NaN()
		}
		row = append(row, v)
	}
	return row
}

// asProtobuf writes rows of CSV as records, sparse ones without what is missing.
func asProtobuf(t testing.TB, csv string, kind protowire.Number, sparse, labels bool) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(csv) {
		row, label := numbers(t, line), []byte(nil)
		if labels {
			label, row = tensorOf(kind, row[:1], nil), row[1:]
		}
		if !sparse {
			b.WriteString(protobufRow(t, label, tensorOf(kind, row, nil)))
			continue
		}
		values, keys := []float64{}, []uint64{}
		for i, v := range row {
			if v == v {
				values, keys = append(values, v), append(keys, uint64(i))
			}
		}
		b.WriteString(protobufRow(t, label, tensorOf(kind, values, keys, uint64(len(row)))))
	}
	return b.String()
}

// The model of a table is the same, however the table is written, and so are its predictions.
func TestProtobufAndParquetAreTheTable(t *testing.T) {
	t.Parallel()
	params := map[string]string{"num_round": "8", "max_depth": "4", "objective": "reg:squarederror"}
	train, validation := table(1, 400, 5), table(2, 80, 5)
	h := newHouse(t)
	h.job(params, map[string]string{"train/a.csv": train, "validation/a.csv": validation})
	h.train()
	want := h.read("model/xgboost-model")
	_, predictions := post(t, h.serve(), "text/csv", "", withoutLabels(validation))
	of := func(name, contentType string, write func(csv, path string)) *house {
		other := newHouse(t)
		other.job(params, nil)
		other.write("input/config/inputdataconfig.json", `{"train": {"ContentType": "`+contentType+`"}, "validation": {"ContentType": "`+contentType+`"}}`)
		other.write("input/data/train/year=2024/.keep", "")
		other.write("input/data/validation/.keep", "")
		write(train, filepath.Join(other.dir, "input/data/train/year=2024/a"))
		write(validation, filepath.Join(other.dir, "input/data/validation/a"))
		other.train()
		if got := other.read("model/xgboost-model"); got != want {
			t.Errorf("%s: the model has %d bytes, that of CSV %d, and they differ", name, len(got), len(want))
		}
		return other
	}
	for name, c := range map[string]struct {
		kind   protowire.Number
		sparse bool
	}{"float32": {float32Tensor, false}, "float64": {float64Tensor, false}, "sparse": {float64Tensor, true}} {
		house := of(name, "application/x-recordio-protobuf", func(csv, path string) {
			writeFile(t, path, asProtobuf(t, csv, c.kind, c.sparse, true))
		})
		url := house.serve()
		for _, labels := range []bool{false, true} {
			body := validation
			if !labels {
				body = withoutLabels(validation)
			}
			if status, answer := post(t, url, "application/x-recordio-protobuf", "text/csv", asProtobuf(t, body, c.kind, c.sparse, labels)); status != 200 || answer != predictions {
				t.Errorf("%s: the server answers %d: %s", name, status, head(answer))
			}
		}
	}
	of("parquet", "application/x-parquet", func(csv, path string) { writeParquet(t, csv, path) })
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func writeParquet(t testing.TB, csv, path string) {
	t.Helper()
	s, err := dataset.Open(dataset.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	from := filepath.Join(t.TempDir(), "t.csv")
	writeFile(t, from, "y,a,b,c,d,e\n"+csv)
	d, err := s.ReadCSV(context.Background(), from, dataset.CSVOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteParquet(context.Background(), path, dataset.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// What is wrong with a record is said with its number.
func TestProtobufRefusals(t *testing.T) {
	t.Parallel()
	label, row := tensorOf(float32Tensor, []float64{1}, nil), tensorOf(float32Tensor, []float64{1, 2, 3}, nil)
	good := protobufRow(t, label, row)
	for want, text := range map[string]string{
		`a: the record at byte 0: the record is broken: it is no RecordIO`: "1,2,3,4\n",
		"a: record 2: it needs one label":                                  good + protobufRow(t, nil, row),
		"it has 2 features where the first record has 3":                   good + protobufRow(t, label, tensorOf(float64Tensor, []float64{1, 2}, nil)),
		"some records are sparse":                                          good + protobufRow(t, label, tensorOf(int32Tensor, []float64{1}, []uint64{2})),
		"2 keys and 1 values":                                              protobufRow(t, label, tensorOf(int32Tensor, []float64{1}, []uint64{2, 3})),
		"a key 3":                                                          protobufRow(t, label, tensorOf(int32Tensor, []float64{1}, []uint64{3}, 3)),
		"which are too many":                                               protobufRow(t, label, tensorOf(int32Tensor, []float64{1}, []uint64{math.MaxUint64})),
		"the shape [4] and 3 values":                                       protobufRow(t, label, tensorOf(float32Tensor, []float64{1, 2, 3}, nil, 4)),
		"it has no features named":                                         protobufRow(t, label, nil),
		"it is no protobuf":                                                protobufRow(t, []byte{7}, row),
		"there is no row":                                                  "",
	} {
		h := newHouse(t)
		h.job(map[string]string{"num_round": "1"}, map[string]string{"train/a": text})
		if text == "" {
			h.write("input/data/train/b", "\x0a\x23\xd7\xce")
			want = "the file ends within it"
		}
		h.write("input/config/inputdataconfig.json", `{"train": {"ContentType": "application/x-recordio-protobuf"}}`)
		if code, _, stderr := h.run(builtin.TrainCommand); code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%d: %s; want %s", code, stderr, want)
		}
	}
	url := trained(t, nil).serve()
	for want, body := range map[string]string{
		"row 2 has 2 values; the model takes 3 features": good + protobufRow(t, nil, tensorOf(int32Tensor, []float64{1, 2}, nil)),
		"row 1 has 5 values":                             protobufRow(t, nil, tensorOf(int32Tensor, []float64{1}, []uint64{4})),
		"it is no RecordIO":                              "1,2,3\n1,2,3",
		"the body is empty":                              "",
	} {
		if status, answer := post(t, url, "application/x-recordio-protobuf", "", body); status != 400 || !strings.Contains(answer, want) {
			t.Errorf("%d %s; want %s", status, answer, want)
		}
	}
	if status, answer := post(t, url, "application/x-recordio-protobuf", "", protobufRow(t, nil, tensorOf(int32Tensor, []float64{1, -2}, []uint64{0, 2}))); status != 200 {
		t.Errorf("%d %s", status, answer)
	}
}

// Files that write_numpy_to_dense_tensor and write_spmatrix_to_sparse_tensor of the SageMaker Python SDK 2.243.2 have written, of the rows 1,2,0 and 2,2,0.
func TestProtobufOfTheSDK(t *testing.T) {
	t.Parallel()
	url := trained(t, nil).serve()
	for name, body := range map[string]string{"dense": "1,2,0\n2,2,0\n", "int": "1,2,0\n2,2,0\n", "sparse": "1,2,\n2,2,\n"} {
		text, err := os.ReadFile("testdata/sdk-" + name + ".rec")
		if err != nil {
			t.Fatal(err)
		}
		_, want := post(t, url, "text/csv", "", body)
		if status, answer := post(t, url, "application/x-recordio-protobuf", "", string(text)); status != 200 || answer != want {
			t.Errorf("%s: %d %s, want %s", name, status, answer, want)
		}
		if name == "int" {
			continue // it has no labels
		}
		h := newHouse(t)
		h.job(map[string]string{"num_round": "2"}, map[string]string{"train/a": string(text)})
		h.write("input/config/inputdataconfig.json", `{"train": {"ContentType": "application/x-recordio-protobuf"}}`)
		if log := h.train(); !strings.Contains(log, "2 rows and 3 columns") {
			t.Errorf("%s: %s", name, log)
		}
	}
	empty := protobufRow(t, nil, tensorOf(float32Tensor, nil, nil, 3))
	if status, answer := post(t, url, "application/x-recordio-protobuf", "", empty); status != 200 {
		t.Errorf("a row that has no value: %d %s", status, answer)
	}
}
