package dataset

import (
	"context"
	"math/big"
)

// SplitProportionately cuts the rows into parts by fractions of their number: part k ends behind row ⌊n·(f₁+…+f_k) + 10⁻⁶⌋, so that rounding
// in the fractions costs no row. What the fractions leave is one more part; they must be positive and not exceed 1 in sum.
// The rows stand in the order of RandomShuffle; a dataset that was not shuffled since its last Union is shuffled first, with seed 0 and all its values as the key.
func (d *Dataset) SplitProportionately(fractions ...float64) ([]*Dataset, error) {
	if d.err != nil {
		return nil, d.err
	}
	one := big.NewRat(1, 1)
	cuts := []*big.Rat{new(big.Rat)}
	for _, f := range fractions {
		r := new(big.Rat).SetFloat64(f)
		if r == nil || r.Sign() <= 0 {
			return nil, d.fail("SplitProportionately(%v): a fraction must be greater than 0 and at most 1", fractions).err
		}
		cuts = append(cuts, r.Add(r, cuts[len(cuts)-1]))
	}
	rest := new(big.Rat).Sub(one, cuts[len(cuts)-1])
	nearly := new(big.Rat).Abs(rest).Cmp(big.NewRat(1, 1e9)) <= 0 // three times 1/3 is meant as the whole
	switch {
	case len(fractions) == 0 || rest.Sign() < 0 && !nearly:
		return nil, d.fail("SplitProportionately(%v): give fractions whose sum is at most 1", fractions).err
	case nearly:
		cuts[len(cuts)-1] = one
	default:
		cuts = append(cuts, one)
	}
	if !d.ranked {
		d = d.RandomShuffle(0)
	}
	return d.cut(cuts), nil
}

// shards cuts the rows, as they stand, into n parts of nearly equal size.
func (d *Dataset) shards(n int) ([]*Dataset, error) {
	cuts := make([]*big.Rat, n+1)
	for i := range cuts {
		cuts[i] = big.NewRat(int64(i), int64(n))
	}
	return d.cut(cuts), d.err
}

// cut gives the parts between neighbouring cuts, shares of the number of rows from 0 to 1.
func (d *Dataset) cut(cuts []*big.Rat) []*Dataset {
	held, ok := d.from.(*table)
	if !ok || !d.rowwise {
		d = tableOf(d, &table{parent: d}, d.ranked)
		held = d.from.(*table)
	}
	parts := make([]*Dataset, len(cuts)-1)
	for i := range parts {
		p := *d
		p.from = &part{table: held, after: cuts[i], upTo: cuts[i+1]}
		parts[i] = &p
	}
	return parts
}

// part is a source of the rows of a table between two cuts.
type part struct {
	table       *table
	after, upTo *big.Rat
}

func (p *part) sql(ctx context.Context) (string, error) { return p.table.slice(ctx, p) }

func (p *part) inputs() []*Dataset { return p.table.inputs() }

// bounds gives the numbers of the row before the first and of the last.
func (p *part) bounds(rows int64) (int64, int64) {
	cut := func(r *big.Rat) int64 {
		n := new(big.Rat).Mul(r, new(big.Rat).SetInt64(rows))
		n.Add(n, big.NewRat(1, 1e6))
		return new(big.Int).Quo(n.Num(), n.Denom()).Int64()
	}
	return cut(p.after), cut(p.upTo)
}
