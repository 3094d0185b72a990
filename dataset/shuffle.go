package dataset

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// RandomShuffle puts the rows in the order of their hash (see hash.go). The key of a row is its values in the named columns, or else in all of
// them; a key of few columns, say the record's identifier, is quicker. Rows of one key stand in the order of their other values.
// The order depends on the seed and the rows alone.
func (d *Dataset) RandomShuffle(seed uint64, key ...string) *Dataset {
	if m := d.missing(key); m != "" {
		return d.fail("RandomShuffle: %s", m)
	}
	if t := twice(key); t != "" {
		return d.fail("RandomShuffle: the key names %q twice", t)
	}
	if d.err != nil {
		return d
	}
	if len(key) == 0 {
		key = d.names()
	}
	return tableOf(d, &table{parent: d, seed: seed, key: key, ordered: true}, true)
}

// table is a dataset that DuckDB holds, the rows with the row ids 0, 1, 2, …. It is computed once, by the first action that needs it.
type table struct {
	parent  *Dataset
	seed    uint64
	key     []string
	ordered bool // by hash; else as the parent
	once    chan struct{}
	name    string // "" until it is computed
	rows    int64
}

// tableOf gives the dataset of a table that is still to be computed.
func tableOf(d *Dataset, t *table, ranked bool) *Dataset {
	t.once = make(chan struct{}, 1)
	return &Dataset{session: d.session, from: t, columns: d.columns, ranked: ranked, rowwise: true, err: d.err}
}

func (t *table) inputs() []*Dataset { return []*Dataset{t.parent} }

func (t *table) sql(ctx context.Context) (string, error) { return t.slice(ctx, nil) }

// slice gives the rows of the table from the cut before to the cut of a part; nil is all of them.
func (t *table) slice(ctx context.Context, p *part) (string, error) {
	select {
	case t.once <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-t.once }()
	if t.name == "" {
		if err := t.compute(ctx); err != nil {
			return "", t.parent.explain(ctx, err)
		}
	}
	query := "(SELECT " + identifiers(t.parent.names()) + " FROM " + t.name
	if p != nil {
		from, to := p.bounds(t.rows)
		query += fmt.Sprintf(" WHERE %[1]s.rowid >= %[2]d AND %[1]s.rowid < %[3]d", t.name, from, to)
	}
	return query + ")", nil
}

func (t *table) compute(ctx context.Context) error {
	d, s := t.parent, t.parent.session
	sql, err := d.sql(ctx)
	if err != nil {
		return err
	}
	hash := strings.Repeat("h", 1+longest(d.names())) // a name that no column has
	name := fmt.Sprintf("table_%d", s.tables.Add(1))
	ordered := "(" + sql + ")"
	if t.ordered {
		key := make([]Column, len(t.key))
		for i, k := range t.key {
			key[i] = d.columns[d.index(k)]
		}
		ordered = "(" + hashed("("+sql+")", d.names(), key, t.seed, hash) + ")"
	}
	tie := ""
	for {
		create := "CREATE OR REPLACE TABLE " + name + " AS SELECT * FROM " + ordered
		if t.ordered {
			create += " ORDER BY " + identifier(hash) + tie
		}
		if err := s.query(ctx, "shuffle", create, false, nil); err != nil {
			return err
		}
		tied, rows, err := t.check(ctx, name, hash)
		if err != nil {
			return err
		}
		if !tied || tie != "" {
			t.name, t.rows = name, rows
			return nil
		}
		// Equal hashes are rare, so the values decide only where there are some. Of a floating number its bits, for 0 equals -0.
		for _, c := range d.columns {
			tie += ", " + tieOf(c)
		}
	}
}

func tieOf(c Column) string {
	if kindOf(c.Type) == floating && !strings.HasPrefix(c.Type, "DECIMAL") {
		return "CAST(" + identifier(c.Name) + " AS BIT)"
	}
	return identifier(c.Name)
}

// check counts the rows, finds out whether hashes are equal, and that DuckDB keeps the rows in the order they were asked to be in.
func (t *table) check(ctx context.Context, name, hash string) (tied bool, rows int64, err error) {
	h := "0"
	if t.ordered {
		h = identifier(hash)
	}
	values, err := t.parent.session.row(ctx, "shuffle", fmt.Sprintf("SELECT count(*), coalesce(bool_or(h = p), false), coalesce(bool_or(h < p OR id <> before + 1), false) OR coalesce(min(id), 0) <> 0"+
		" FROM (SELECT rowid AS id, %[1]s AS h, lag(rowid) OVER () AS before, lag(%[1]s) OVER () AS p FROM %[2]s)", h, name))
	if err != nil {
		return false, 0, err
	}
	if values[2].(bool) {
		return false, 0, errors.New("dataset: DuckDB did not keep the order of a table")
	}
	return values[1].(bool) && t.ordered, values[0].(int64), nil
}

func longest(names []string) int {
	n := 0
	for _, name := range names {
		n = max(n, len(name))
	}
	return n
}
