package dataset

import (
	"context"
	"fmt"
	"math"
)

// Preprocessor learns from one dataset and changes others, as scikit-learn's do. The constructor holds what is chosen, Fit gives what is learned.
type Preprocessor interface {
	Fit(ctx context.Context, d *Dataset) (Transformer, error)
}

// Transformer changes datasets by what was learned. Its values are exported and survive JSON.
type Transformer interface {
	Transform(d *Dataset) *Dataset
}

// StandardScaler learns the mean and the population standard deviation of columns.
type StandardScaler struct {
	Columns []string
}

// FittedStandardScaler takes each value to (value - mean) / deviation.
type FittedStandardScaler struct {
	Columns []string  `json:"columns"`
	Mean    []float64 `json:"mean"`
	// Deviation is of the population (divided by n, not n-1), and 1 where all values are the same, as scikit-learn has it.
	Deviation []float64 `json:"deviation"`
}

// MinMaxScaler learns the least and the greatest value of columns.
type MinMaxScaler struct {
	Columns []string
}

// FittedMinMaxScaler takes each value to (value - min) / (max - min), and to 0 where max equals min.
type FittedMinMaxScaler struct {
	Columns []string  `json:"columns"`
	Min     []float64 `json:"min"`
	Max     []float64 `json:"max"`
}

// Fit learns from the rows of d. NULL and NaN count as missing and are left out; a column without any value, an infinite value and a column that is
// not numeric are errors.
func (s StandardScaler) Fit(ctx context.Context, d *Dataset) (Transformer, error) {
	return s.Learn(ctx, d)
}

// Learn is Fit with the type of its result.
func (s StandardScaler) Learn(ctx context.Context, d *Dataset) (*FittedStandardScaler, error) {
	sql, all, err := d.fit(ctx, "StandardScaler", s.Columns)
	if err != nil {
		return nil, err
	}
	f := &FittedStandardScaler{Columns: s.Columns, Mean: make([]float64, len(all)), Deviation: make([]float64, len(all))}
	values, squares := make([]term, len(all)), make([]term, len(all))
	for i, e := range all {
		values[i] = term{sql: number(s.Columns[i]), rows: e.rows, peak: max(math.Abs(e.min), math.Abs(e.max))}
	}
	totals, err := d.sums(ctx, "fit StandardScaler", sql, values)
	if err != nil {
		return nil, err
	}
	for i, e := range all {
		f.Mean[i] = mean(totals[i], e.rows)
		from := values[i].sql + " - " + double(f.Mean[i])
		far := max(e.max-f.Mean[i], f.Mean[i]-e.min)
		squares[i] = term{sql: "(" + from + ") * (" + from + ")", rows: e.rows, peak: far * far}
		if math.IsInf(far*far, 0) {
			return nil, fmt.Errorf("dataset: StandardScaler: the values of column %q lie too far apart (%g to %g)", s.Columns[i], e.min, e.max)
		}
	}
	if totals, err = d.sums(ctx, "fit StandardScaler", sql, squares); err != nil {
		return nil, err
	}
	for i, e := range all {
		f.Deviation[i] = math.Sqrt(mean(totals[i], e.rows))
		// The mean is rounded, so that equal values may seem to vary by what one rounding makes.
		if e.min == e.max || f.Deviation[i] == 0 {
			f.Deviation[i] = 1
		}
	}
	return f, nil
}

// Transform scales the columns; they become DOUBLE. NULL and NaN stay.
func (f *FittedStandardScaler) Transform(d *Dataset) *Dataset {
	if len(f.Mean) != len(f.Columns) || len(f.Deviation) != len(f.Columns) {
		return d.fail("FittedStandardScaler: %d columns, %d means and %d deviations must be as many", len(f.Columns), len(f.Mean), len(f.Deviation))
	}
	return d.scale("FittedStandardScaler", f.Columns, f.Mean, f.Deviation)
}

// Fit learns from the rows of d, with the rules of StandardScaler.
func (s MinMaxScaler) Fit(ctx context.Context, d *Dataset) (Transformer, error) {
	return s.Learn(ctx, d)
}

// Learn is Fit with the type of its result.
func (s MinMaxScaler) Learn(ctx context.Context, d *Dataset) (*FittedMinMaxScaler, error) {
	_, all, err := d.fit(ctx, "MinMaxScaler", s.Columns)
	if err != nil {
		return nil, err
	}
	f := &FittedMinMaxScaler{Columns: s.Columns, Min: make([]float64, len(all)), Max: make([]float64, len(all))}
	for i, e := range all {
		f.Min[i], f.Max[i] = e.min, e.max
	}
	return f, nil
}

// Transform scales the columns; they become DOUBLE. NULL and NaN stay.
func (f *FittedMinMaxScaler) Transform(d *Dataset) *Dataset {
	if len(f.Min) != len(f.Columns) || len(f.Max) != len(f.Columns) {
		return d.fail("FittedMinMaxScaler: %d columns, %d minima and %d maxima must be as many", len(f.Columns), len(f.Min), len(f.Max))
	}
	width := make([]float64, len(f.Columns))
	for i := range width {
		if width[i] = f.Max[i] - f.Min[i]; width[i] == 0 {
			width[i] = 1
		}
	}
	return d.scale("FittedMinMaxScaler", f.Columns, f.Min, width)
}

// fit checks the columns and gives the query to learn from and the bounds of each column.
func (d *Dataset) fit(ctx context.Context, who string, columns []string) (string, []extent, error) {
	if len(columns) == 0 {
		return "", nil, fmt.Errorf("dataset: %s: name the columns", who)
	}
	if err := d.numeric(who, columns).err; err != nil {
		return "", nil, err
	}
	sql, err := d.Select(columns...).sql(ctx)
	if err != nil {
		return "", nil, err
	}
	all, err := d.extents(ctx, "fit "+who, sql, columns)
	if err != nil {
		return "", nil, err
	}
	for i, e := range all {
		if e.rows == 0 {
			return "", nil, fmt.Errorf("dataset: %s: column %q has no values to learn from; at least one row must hold a number", who, columns[i])
		}
	}
	return sql, all, nil
}

// numeric fails unless the columns are there and hold numbers.
func (d *Dataset) numeric(who string, columns []string) *Dataset {
	if m := d.missing(columns); m != "" {
		return d.fail("%s: %s", who, m)
	}
	if t := twice(columns); t != "" {
		return d.fail("%s: the column %q stands twice", who, t)
	}
	for _, name := range columns {
		if c := d.columns[d.index(name)]; kindOf(c.Type) != integer && kindOf(c.Type) != floating {
			return d.fail("%s: column %q is a %s, not a number", who, name, c.Type)
		}
	}
	return d
}

// scale makes (value - shift) / width of each column.
func (d *Dataset) scale(who string, columns []string, shift, width []float64) *Dataset {
	d = d.numeric(who, columns)
	expressions := make(map[string]string, len(columns))
	changed := make([]Column, len(columns))
	for i, name := range columns {
		expressions[name] = "(CAST(" + identifier(name) + " AS DOUBLE) - " + double(shift[i]) + ") / " + double(width[i])
		changed[i] = Column{Name: name, Type: "DOUBLE"}
	}
	return d.set(expressions, changed...)
}
