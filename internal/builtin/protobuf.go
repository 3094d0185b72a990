package builtin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/mobula-ml/mobula/internal/records"
	"github.com/mobula-ml/mobula/xgboost"
	"google.golang.org/protobuf/encoding/protowire"
)

const protobufType = "application/x-recordio-protobuf"

// A tensor is one of SageMaker's: its values, and where it is sparse the column of each, and its shape where that is given.
type tensor struct {
	values []float32
	keys   []uint64
	shape  []uint64
	sparse bool // has keys, or no value at all in a shape
}

// A record is one row, as SageMaker's algorithms take it: aialgs.data.Record in RecordIO.
// Source: github.com/aws/sagemaker-python-sdk, src/sagemaker/amazon/record.proto.
type record struct{ features, label *tensor }

// valuesName is the only tensor of a row's features, and of its label, that there is.
const valuesName = "values"

// Numbers of the fields of the messages.
const (
	recordFeatures, recordLabel        = 1, 2
	entryKey, entryValue               = 1, 2
	valueFloat32, valueFloat64         = 2, 3
	valueInt32, valueBytes             = 7, 9
	tensorValues, tensorKeys, tensorIn = 1, 2, 3
)

// eachRecord reads the records of a file or a body.
func eachRecord(from io.Reader, fn func(record) error) error {
	r := records.NewReader(from, records.RecordIO, maxRecord)
	for number := 1; ; number++ {
		one, err := r.Next()
		if err == io.EOF { //nolint:errorlint // what Next gives behind the last record
			return nil
		}
		if err != nil {
			return err
		}
		var row record
		if err := row.read(one.Payload); err != nil {
			return fmt.Errorf("record %d: %w", number, err)
		}
		if row.features == nil {
			return fmt.Errorf("record %d: it has no features named %q", number, valuesName)
		}
		if err := fn(row); err != nil {
			return fmt.Errorf("record %d: %w", number, err)
		}
	}
}

// maxRecord bounds a record in bytes.
const maxRecord = 64 << 20

// eachField reads the fields of a message. data is what a field of bytes holds, and nil for all others.
func eachField(message []byte, fn func(number protowire.Number, kind protowire.Type, data, raw []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return fmt.Errorf("it is no protobuf: %w", protowire.ParseError(n))
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
			return fmt.Errorf("it is no protobuf: %w", protowire.ParseError(n))
		}
		raw, data := message[:n], []byte(nil)
		if kind == protowire.BytesType {
			data, _ = protowire.ConsumeBytes(raw)
		}
		if err := fn(number, kind, data, raw); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}

func (r *record) read(message []byte) error {
	return eachField(message, func(number protowire.Number, _ protowire.Type, data, _ []byte) (err error) {
		switch number {
		case recordFeatures:
			err = readEntry(data, &r.features)
		case recordLabel:
			err = readEntry(data, &r.label)
		}
		return err
	})
}

// readEntry reads an entry of the map of tensors, where it is the one that counts.
func readEntry(message []byte, into **tensor) error {
	var name string
	var value []byte
	err := eachField(message, func(number protowire.Number, _ protowire.Type, data, _ []byte) error {
		switch number {
		case entryKey:
			name = string(data)
		case entryValue:
			value = data
		}
		return nil
	})
	if err != nil || name != valuesName {
		return err
	}
	t := &tensor{}
	*into = t
	return eachField(value, func(number protowire.Number, _ protowire.Type, data, _ []byte) error {
		switch number {
		case valueFloat32, valueFloat64, valueInt32:
			err := t.read(number, data)
			t.sparse = len(t.keys) > 0 || len(t.values) == 0 && len(t.shape) > 0
			return err
		case valueBytes:
			return errors.New("it holds bytes; tensors of numbers are needed")
		}
		return nil
	})
}

func (t *tensor) read(of protowire.Number, message []byte) error {
	return eachField(message, func(number protowire.Number, kind protowire.Type, data, raw []byte) error {
		if kind != protowire.BytesType {
			data = raw // one number by itself, as writers that do not pack have it
		}
		switch number {
		case tensorKeys:
			return eachVarint(data, func(v uint64) error { t.keys = append(t.keys, v); return nil })
		case tensorIn:
			return eachVarint(data, func(v uint64) error { t.shape = append(t.shape, v); return nil })
		case tensorValues:
			return t.readValues(of, data)
		}
		return nil
	})
}

func (t *tensor) readValues(of protowire.Number, data []byte) error {
	switch of {
	case valueInt32:
		return eachVarint(data, func(v uint64) error { t.values = append(t.values, float32(int32(v))); return nil })
	case valueFloat32:
		for len(data) > 0 {
			v, n := protowire.ConsumeFixed32(data)
			if n < 0 {
				return fmt.Errorf("it is no protobuf: %w", protowire.ParseError(n))
			}
			t.values, data = append(t.values, math.Float32frombits(v)), data[n:]
		}
	default:
		for len(data) > 0 {
			v, n := protowire.ConsumeFixed64(data)
			if n < 0 {
				return fmt.Errorf("it is no protobuf: %w", protowire.ParseError(n))
			}
			t.values, data = append(t.values, float32(math.Float64frombits(v))), data[n:]
		}
	}
	return nil
}

func eachVarint(data []byte, fn func(uint64) error) error {
	for len(data) > 0 {
		v, n := protowire.ConsumeVarint(data)
		if n < 0 {
			return fmt.Errorf("it is no protobuf: %w", protowire.ParseError(n))
		}
		if err := fn(v); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// columns is how many there are, as far as the tensor tells.
func (t *tensor) columns() (int, error) {
	n := uint64(len(t.values))
	if t.sparse {
		if len(t.keys) != len(t.values) {
			return 0, fmt.Errorf("its tensor has %d keys and %d values", len(t.keys), len(t.values))
		}
		n = 0
		for _, key := range t.keys {
			n = max(n, min(key, math.MaxInt32)+1) // more is refused below
		}
	}
	if len(t.shape) == 0 {
		return checkedColumns(n)
	}
	shape := t.shape[len(t.shape)-1] // a row may have the shape [columns] or [1, columns]
	switch {
	case !t.sparse && shape != n:
		return 0, fmt.Errorf("its tensor has the shape %v and %d values", t.shape, n)
	case shape < n:
		return 0, fmt.Errorf("its tensor has the shape %v and a key %d", t.shape, n-1)
	}
	return checkedColumns(shape)
}

func checkedColumns(n uint64) (int, error) {
	if n > math.MaxInt32 {
		return 0, fmt.Errorf("it has %d columns, which are too many", n)
	}
	return int(n), nil
}

// loadProtobuf reads the channel's records. Columns that a sparse row does not have are missing.
func (c *channel) loadProtobuf(s settings, threads int, ref *xgboost.Matrix) (*xgboost.Matrix, error) {
	var rows protobufRows
	for _, path := range c.files {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		err = eachRecord(f, rows.add)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	if len(rows.info.Labels) == 0 {
		return nil, errNoRow
	}
	if err := (blocks{{labels: rows.info.Labels}}).checkLabels(s.params); err != nil {
		return nil, err
	}
	if ref != nil && rows.sparse {
		rows.x.Cols = max(rows.x.Cols, ref.Cols()) // rows that lack the last features say nothing of them
	}
	if !rows.sparse {
		if ref != nil && rows.x.Cols != ref.Cols() {
			return nil, wrongWidth(rows.x.Cols, ref)
		}
		return blocks{{features: rows.x.Values, labels: rows.info.Labels}}.matrix(shape{leading: 1, columns: rows.x.Cols + 1}, s, threads, ref)
	}
	return xgboost.NewSparseDMatrix(rows.x, rows.info, threads)
}

// protobufRows gathers records; whether they are sparse is the first one's to say.
type protobufRows struct {
	x      xgboost.Sparse
	info   xgboost.Info
	sparse bool
}

func (r *protobufRows) add(one record) error {
	columns, err := one.features.columns()
	if err != nil {
		return err
	}
	if one.label == nil || len(one.label.values) != 1 || one.label.values[0] != one.label.values[0] {
		return fmt.Errorf("it needs one label named %q", valuesName)
	}
	if len(r.info.Labels) == 0 {
		r.sparse, r.x.Cols, r.x.Starts = one.features.sparse, columns, []uint64{0}
	}
	switch {
	case one.features.sparse != r.sparse:
		return errors.New("some records are sparse and some are dense")
	case !r.sparse && columns != r.x.Cols:
		return fmt.Errorf("it has %d features where the first record has %d", columns, r.x.Cols)
	}
	r.x.Cols = max(r.x.Cols, columns)
	r.info.Labels = append(r.info.Labels, one.label.values[0])
	r.x.Values = append(r.x.Values, one.features.values...)
	if r.sparse {
		for _, key := range one.features.keys {
			r.x.Columns = append(r.x.Columns, uint32(key))
		}
		r.x.Starts = append(r.x.Starts, uint64(len(r.x.Values)))
	}
	return nil
}

// decodeProtobuf appends the rows of a request; labels in it are passed over.
func decodeProtobuf(body []byte, rows []float32, features int) ([]float32, error) {
	row := 0
	err := eachRecord(bytes.NewReader(body), func(one record) error {
		row++
		columns, err := one.features.columns()
		if err != nil {
			return err
		}
		if !one.features.sparse {
			if columns != features {
				return wrongLength(row, columns, features)
			}
			rows = append(rows, one.features.values...)
			return nil
		}
		if columns > features {
			return wrongLength(row, columns, features)
		}
		start := len(rows)
		for range features {
			rows = append(rows, float32(math.NaN()))
		}
		for i, key := range one.features.keys {
			rows[start+int(key)] = one.features.values[i]
		}
		return nil
	})
	return rows, err
}
