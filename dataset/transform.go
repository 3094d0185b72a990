package dataset

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Select keeps the named columns, in the order given.
func (d *Dataset) Select(columns ...string) *Dataset {
	if m := d.missing(columns); m != "" {
		return d.fail("Select: %s", m)
	}
	if t := twice(columns); t != "" || len(columns) == 0 {
		return d.fail("Select: name each column once, and at least one (%q)", columns)
	}
	kept := make([]Column, len(columns))
	for i, name := range columns {
		kept[i] = d.columns[d.index(name)]
	}
	return d.with(func(from string) string { return "SELECT " + identifiers(columns) + " FROM " + from }, kept, true)
}

// Drop leaves the named columns out. A name that is not there is an error.
func (d *Dataset) Drop(columns ...string) *Dataset {
	if m := d.missing(columns); m != "" {
		return d.fail("Drop: %s", m)
	}
	var kept []string
	for _, c := range d.columns {
		if !slices.Contains(columns, c.Name) {
			kept = append(kept, c.Name)
		}
	}
	if len(kept) == 0 {
		return d.fail("Drop: no column would be left")
	}
	return d.Select(kept...)
}

// Rename gives a column another name.
func (d *Dataset) Rename(from, to string) *Dataset {
	if m := d.missing([]string{from}); m != "" {
		return d.fail("Rename: %s", m)
	}
	columns := slices.Clone(d.columns)
	columns[d.index(from)].Name = to
	next := Dataset{columns: columns}
	if t := twice(next.names()); t != "" || !nameable(to) {
		return d.fail("Rename: %q cannot be the name of %q: a name must be new, not empty and of UTF-8 without NUL", to, from)
	}
	list := make([]string, len(columns))
	for i := range columns {
		list[i] = identifier(d.columns[i].Name) + " AS " + identifier(columns[i].Name)
	}
	return d.with(func(from string) string { return "SELECT " + strings.Join(list, ", ") + " FROM " + from }, columns, true)
}

// Filter keeps the rows for which a condition holds: an SQL expression over the columns, as `price > 0 AND "YEAR BUILT" IS NOT NULL`.
// It is text of the program, not of its user: quote what comes from outside with Quote.
func (d *Dataset) Filter(condition string) *Dataset {
	kind, err := d.typeOf(condition)
	if err != nil {
		return d.fail("Filter(%s): %v", condition, err)
	}
	if kind != "BOOLEAN" {
		return d.fail("Filter(%s): the condition is a %s, not a BOOLEAN", condition, kind)
	}
	return d.with(func(from string) string { return "SELECT * FROM " + from + " WHERE (" + condition + "\n)" }, d.columns, false)
}

// WithColumn adds a column computed from the others, or replaces the one of that name in its place. The value is an SQL expression of
// one row, as `SQUARE_FEET * 0.0929`; it must not depend on other rows, on the time or on chance.
func (d *Dataset) WithColumn(name, expression string) *Dataset {
	kind, err := d.typeOf(expression)
	switch {
	case err != nil:
		return d.fail("WithColumn(%q, %s): %v", name, expression, err)
	case !nameable(name):
		return d.fail("WithColumn(%q): a name must be UTF-8, not empty and without NUL", name)
	}
	return d.set(map[string]string{name: expression}, Column{Name: name, Type: kind})
}

// set replaces columns in their place, or adds them, by expressions in SQL.
func (d *Dataset) set(expressions map[string]string, changed ...Column) *Dataset {
	if d.err != nil {
		return d
	}
	columns := slices.Clone(d.columns)
	for _, c := range changed {
		if i := d.index(c.Name); i >= 0 {
			columns[i].Type = c.Type
		} else {
			columns = append(columns, c)
		}
	}
	next := Dataset{columns: columns}
	if t := twice(next.names()); t != "" {
		return d.fail("the column %q differs from another in its case only", t)
	}
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = identifier(c.Name)
		if e, ok := expressions[c.Name]; ok {
			list[i] = "(" + e + "\n) AS " + list[i]
		}
	}
	return d.with(func(from string) string { return "SELECT " + strings.Join(list, ", ") + " FROM " + from }, columns, true)
}

// Map replaces all columns by computed ones, each an expression as in WithColumn, in the order given.
func (d *Dataset) Map(columns ...Expression) *Dataset {
	if len(columns) == 0 {
		return d.fail("Map: give at least one column")
	}
	made := make([]Column, len(columns))
	list := make([]string, len(columns))
	for i, e := range columns {
		kind, err := d.typeOf(e.SQL)
		if err != nil {
			return d.fail("Map(%q, %s): %v", e.Name, e.SQL, err)
		}
		if !nameable(e.Name) {
			return d.fail("Map(%q): a name must be UTF-8, not empty and without NUL", e.Name)
		}
		made[i] = Column{Name: e.Name, Type: kind}
		list[i] = "(" + e.SQL + "\n) AS " + identifier(e.Name)
	}
	next := Dataset{columns: made}
	if t := twice(next.names()); t != "" {
		return d.fail("Map: the column %q stands twice", t)
	}
	return d.with(func(from string) string { return "SELECT " + strings.Join(list, ", ") + " FROM " + from }, made, true)
}

// Expression is a column of Map: a name and an SQL expression of one row.
type Expression struct{ Name, SQL string }

// Limit keeps the first n rows.
func (d *Dataset) Limit(n int64) *Dataset {
	if n < 0 {
		return d.fail("Limit: %d must not be negative", n)
	}
	return d.with(func(from string) string { return fmt.Sprintf("SELECT * FROM %s LIMIT %d", from, n) }, d.columns, false)
}

// Union puts the rows of others behind those of d. All must have the same columns; their order is that of d, their types what holds both.
func (d *Dataset) Union(others ...*Dataset) *Dataset {
	u := union{d}
	columns := slices.Clone(d.columns)
	for i, o := range others {
		switch {
		case d.err != nil:
			return d
		case o.err != nil:
			return o
		case o.session != d.session:
			return d.fail("Union: dataset %d belongs to another session", i+1)
		case len(o.columns) != len(d.columns) || o.missing(d.names()) != "":
			return d.fail("Union: dataset %d has the columns %s, not %s", i+1, strings.Join(o.names(), ", "), strings.Join(d.names(), ", "))
		}
		o = o.Select(d.names()...)
		for c := range columns {
			if o.columns[c].Type == columns[c].Type {
				continue
			}
			kind, err := d.session.typeOf(fmt.Sprintf("[NULL::%s, NULL::%s][1]", columns[c].Type, o.columns[c].Type), nil)
			if err != nil {
				return d.fail("Union: column %q: %v", columns[c].Name, err)
			}
			columns[c].Type = kind
		}
		u = append(u, o)
	}
	return &Dataset{session: d.session, from: u, columns: columns, rowwise: true, err: d.err}
}

// union is a source of several.
type union []*Dataset

func (u union) sql(ctx context.Context) (string, error) {
	parts := make([]string, len(u))
	for i, d := range u {
		sql, err := d.sql(ctx)
		if err != nil {
			return "", err
		}
		parts[i] = "(" + sql + ")"
	}
	return "(" + strings.Join(parts, " UNION ALL ") + ")", nil
}

func (u union) inputs() []*Dataset { return u }

// typeOf gives the type of an expression over the columns of d.
func (d *Dataset) typeOf(expression string) (string, error) {
	if d.err != nil {
		return "", d.err
	}
	return d.session.typeOf(expression, d.columns)
}

func (s *Session) typeOf(expression string, columns []Column) (string, error) {
	list := []string{`1 AS " "`}
	for _, c := range columns {
		list = append(list, "NULL::"+c.Type+" AS "+identifier(c.Name))
	}
	// WHERE refuses what is not an expression of one row: aggregates and windows.
	var kind string
	err := s.query(context.Background(), "check an expression",
		"DESCRIBE SELECT ("+expression+"\n) FROM (SELECT "+strings.Join(list, ", ")+") WHERE ("+expression+"\n) IS NOT NULL",
		false, func(k chunk) error { kind, _ = k.value(1, 0).(string); return nil })
	return kind, err
}

func nameable(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsRune(name, 0)
}

// Quote writes a string as an SQL literal, for use in Filter, WithColumn and Map.
func Quote(s string) string { return text(s) }

// QuoteName writes a column's name for use in Filter, WithColumn and Map.
func QuoteName(name string) string { return identifier(name) }
