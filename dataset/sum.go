package dataset

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"strings"
)

// Sums must not depend on the order of addition. So each number is cut into slices of few bits (the idea of Demmel and Nguyen,
// "Fast reproducible floating-point summation", 2013): scaled by a power of two, its whole part is the first slice, and what is left, scaled
// again, gives the next. A slice has so few bits that DuckDB's sum of doubles of all rows stays below 2⁵³, hence exact in any order.
// What three slices leave out is below 2⁻⁸⁰ of the largest number at ten million rows. The slices are put together without rounding.
const sumSlices = 3

// bounds of a column: what its sums need.
type extent struct {
	rows     int64 // that have a value
	min, max float64
}

// term is a numeric expression in SQL, and the largest magnitude it may take.
type term struct {
	sql  string
	rows int64
	peak float64
}

// extents gives the bounds of columns, NULL and NaN left out.
func (d *Dataset) extents(ctx context.Context, operation, sql string, columns []string) ([]extent, error) {
	list := make([]string, len(columns))
	for i, name := range columns {
		v := number(name)
		list[i] = fmt.Sprintf("count(%[1]s), min(%[1]s), max(%[1]s)", v)
	}
	values, err := d.session.row(ctx, operation, "SELECT "+strings.Join(list, ", ")+" FROM ("+sql+")")
	if err != nil {
		return nil, d.explain(ctx, err)
	}
	all := make([]extent, len(columns))
	for i, name := range columns {
		e := extent{rows: values[3*i].(int64)}
		if e.rows > 0 {
			e.min, e.max = values[3*i+1].(float64), values[3*i+2].(float64)
		}
		if math.IsInf(e.min, 0) || math.IsInf(e.max, 0) {
			return nil, fmt.Errorf("dataset: column %q holds an infinite number; filter it out before fitting", name)
		}
		all[i] = e
	}
	return all, nil
}

// number is a column as DOUBLE, NULL where it is not a number.
func number(name string) string {
	return "nullif(CAST(" + identifier(name) + " AS DOUBLE), 'nan'::DOUBLE)"
}

// sums adds terms over the rows of a query, exactly but for what lies below the third slice.
func (d *Dataset) sums(ctx context.Context, operation, sql string, terms []term) ([]*big.Float, error) {
	var list []string
	scales := make([][2]int, len(terms))
	for i, e := range terms {
		width := 51 - bitsOf(e.rows) // of a slice
		_, exponent := math.Frexp(e.peak)
		first := min(max(width-exponent, -1000), 1000)
		scales[i] = [2]int{first, width}
		scaled := "(" + e.sql + ") * " + double(math.Ldexp(1, first))
		for range sumSlices {
			list = append(list, "sum(trunc("+scaled+"))")
			scaled = "(" + scaled + " - trunc(" + scaled + ")) * " + double(math.Ldexp(1, width))
		}
	}
	values, err := d.session.row(ctx, operation, "SELECT "+strings.Join(list, ", ")+" FROM ("+sql+")")
	if err != nil {
		return nil, d.explain(ctx, err)
	}
	out := make([]*big.Float, len(terms))
	for i := range out {
		out[i] = new(big.Float).SetPrec(4096)
		for s := range sumSlices {
			if v, ok := values[i*sumSlices+s].(float64); ok {
				slice := new(big.Float).SetPrec(4096).SetFloat64(v)
				out[i].Add(out[i], slice.SetMantExp(slice, -scales[i][0]-s*scales[i][1]))
			}
		}
	}
	return out, nil
}

func bitsOf(n int64) int {
	b := 0
	for ; n > 0; n >>= 1 {
		b++
	}
	return b
}

// mean divides a sum, rounding once.
func mean(sum *big.Float, rows int64) float64 {
	q, _ := new(big.Float).SetPrec(4096).Quo(sum, new(big.Float).SetInt64(rows)).Float64()
	return q
}
