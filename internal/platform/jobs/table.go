package jobs

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// A tableFormat gives the rows of a file, counted from 1, with the values that are there.
type tableFormat func(f *os.File, each func(row int, values []awsapi.FeatureValue) error) error

var tableFormats = map[string]tableFormat{".csv": readCSV, ".parquet": readParquet}

// A brokenTable is a file that is not of its format.
type brokenTable struct{ err error }

func (e *brokenTable) Error() string { return e.err.Error() }

// readCSV reads CSV whose first line names the columns. An empty value is none.
func readCSV(f *os.File, each func(int, []awsapi.FeatureValue) error) error {
	r := csv.NewReader(f)
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil
	}
	for row := 1; err == nil; row++ {
		var line []string
		if line, err = r.Read(); err != nil {
			break
		}
		var values []awsapi.FeatureValue
		for c, text := range line {
			if text != "" {
				values = append(values, awsapi.FeatureValue{FeatureName: &header[c], ValueAsString: &line[c]})
			}
		}
		if err := each(row, values); err != nil {
			return err
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	var wrong *csv.ParseError
	if errors.As(err, &wrong) {
		return &brokenTable{fmt.Errorf("it is no CSV: %w", err)}
	}
	return err
}

// readParquet reads Parquet without nested columns. NULL is no value.
func readParquet(f *os.File, each func(int, []awsapi.FeatureValue) error) (err error) {
	defer func() { // the library is not made for files that mean harm
		if r := recover(); r != nil {
			err = &brokenTable{fmt.Errorf("it is no sound Parquet: %v", r)}
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return &brokenTable{fmt.Errorf("it is no Parquet: %w", err)}
	}
	columns := file.Root().Columns()
	for _, c := range columns {
		if !c.Leaf() || c.Repeated() {
			return &brokenTable{fmt.Errorf("column %s is nested; a feature has one value", c.Name())}
		}
	}
	rows := parquet.NewReader(file)
	defer rows.Close()
	buffer := make([]parquet.Row, 64)
	for row := 1; ; {
		n, err := rows.ReadRows(buffer)
		for _, line := range buffer[:n] {
			var values []awsapi.FeatureValue
			for _, v := range line {
				if !v.IsNull() {
					c := columns[v.Column()]
					values = append(values, awsapi.FeatureValue{FeatureName: new(c.Name()), ValueAsString: new(textOf(c, v))})
				}
			}
			if err := each(row, values); err != nil {
				return err
			}
			row++
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &brokenTable{fmt.Errorf("it is no sound Parquet: %w", err)}
		}
	}
}

// textOf is a value as a record has it: a time as ISO 8601, a number in its shortest form.
func textOf(c *parquet.Column, v parquet.Value) string {
	if kind := c.Type().LogicalType(); kind != nil {
		if stamp, ok := kind.Value.(*format.TimestampType); ok {
			return timeOf(stamp, v.Int64()).UTC().Format("2006-01-02T15:04:05.000Z")
		}
	}
	switch v.Kind() {
	case parquet.Double:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case parquet.Float:
		return strconv.FormatFloat(float64(v.Float()), 'g', -1, 32)
	}
	return v.String()
}

func timeOf(stamp *format.TimestampType, n int64) time.Time {
	switch stamp.Unit.Value.(type) {
	case *format.MilliSeconds:
		return time.UnixMilli(n)
	case *format.MicroSeconds:
		return time.UnixMicro(n)
	}
	return time.Unix(0, n)
}
