package dataset

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
)

// Row is one row: nil for NULL, bool, int64, uint64 (of UBIGINT), float64 or string. Types that have no such form come as DuckDB writes them,
// as 2024-05-01 for a DATE.
type Row []any

// Count gives the number of rows.
func (d *Dataset) Count(ctx context.Context) (int64, error) {
	sql, err := d.sql(ctx)
	if err != nil {
		return 0, err
	}
	values, err := d.session.row(ctx, "count", "SELECT count(*) FROM ("+sql+")")
	if err != nil {
		return 0, d.explain(ctx, err)
	}
	return values[0].(int64), nil
}

// Take gives the first n rows.
func (d *Dataset) Take(ctx context.Context, n int) ([]Row, error) {
	var rows []Row
	for row, err := range d.Limit(int64(n)).Rows(ctx) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

var errStop = errors.New("the reader stopped")

// Rows reads the rows in order, within the memory of some thousand of them. An error ends the sequence.
func (d *Dataset) Rows(ctx context.Context) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		sql, err := d.sql(ctx)
		if err == nil {
			err = d.session.query(ctx, "read rows", d.readable(sql), true, func(k chunk) error {
				for i := range k.rows {
					row := make(Row, len(k.types))
					for c := range row {
						row[c] = k.value(c, i)
					}
					if !yield(row, nil) {
						return errStop
					}
				}
				return nil
			})
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, d.explain(ctx, err))
		}
	}
}

// readable casts every column to a type that chunk.value decodes.
func (d *Dataset) readable(sql string) string {
	list := ""
	for i, c := range d.columns {
		to := "VARCHAR"
		switch kindOf(c.Type) {
		case integer:
			to = "BIGINT"
			if c.Type == "BOOLEAN" || c.Type == "UBIGINT" {
				to = c.Type
			}
		case floating:
			to = "DOUBLE"
		}
		if i > 0 {
			list += ", "
		}
		list += "CAST(" + identifier(c.Name) + " AS " + to + ")"
	}
	return "SELECT " + list + " FROM (" + sql + ")"
}

// Floats reads numeric columns as float32, column by column: Floats(ctx, "a", "b")[1][i] is b of row i. No name stands for all columns.
// NULL becomes NaN; a column that is not numeric is an error.
func (d *Dataset) Floats(ctx context.Context, columns ...string) ([][]float32, error) {
	out := make([][]float32, len(columns))
	if len(columns) == 0 {
		out = make([][]float32, len(d.columns))
	}
	_, err := d.floats(ctx, columns, func(k chunk) error {
		for c := range k.types {
			values, valid := vector[float32](k, c)
			out[c] = append(out[c], values...)
			nanWhereNull(out[c][len(out[c])-k.rows:], 1, valid)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Matrix reads numeric columns as float32, row by row, as xgboost's dense matrix takes them: column c of row i is data[i*width+c].
func (d *Dataset) Matrix(ctx context.Context, columns ...string) (data []float32, width int, err error) {
	width, err = d.floats(ctx, columns, func(k chunk) error {
		start, n := len(data), len(k.types)
		data = append(data, make([]float32, k.rows*n)...)
		for c := range k.types {
			values, valid := vector[float32](k, c)
			for i, v := range values {
				data[start+i*n+c] = v
			}
			nanWhereNull(data[start+c:], n, valid)
		}
		return nil
	})
	return data, width, err
}

func (d *Dataset) floats(ctx context.Context, columns []string, each func(chunk) error) (int, error) {
	if len(columns) > 0 {
		d = d.Select(columns...)
	}
	sql, err := d.sql(ctx)
	if err != nil {
		return 0, err
	}
	list := ""
	for i, c := range d.columns {
		if k := kindOf(c.Type); k != integer && k != floating && c.Type != "HUGEINT" {
			return 0, fmt.Errorf("dataset: column %q is a %s, not a number; cast it by WithColumn or leave it out", c.Name, c.Type)
		}
		if i > 0 {
			list += ", "
		}
		list += "CAST(" + identifier(c.Name) + " AS FLOAT)"
	}
	err = d.session.query(ctx, "read numbers", "SELECT "+list+" FROM ("+sql+")", true, each)
	return len(d.columns), d.explain(ctx, err)
}

// nanWhereNull writes NaN to every stride-th value that is not valid.
func nanWhereNull(values []float32, stride int, valid []uint64) {
	for i := 0; valid != nil && i*stride < len(values); i++ {
		if !isValid(valid, i) {
			values[i*stride] = float32(math.NaN())
		}
	}
}
