package dataset

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Column is a column of a dataset.
type Column struct {
	Name string `json:"name"`
	// Type is DuckDB's name of the type: BIGINT, DOUBLE, VARCHAR, BOOLEAN, TIMESTAMP, ….
	Type string `json:"type"`
}

// Dataset is a table that is computed when it is asked for.
type Dataset struct {
	session *Session
	from    source
	steps   []step
	columns []Column
	ranked  bool // the rows stand in the order of a shuffle
	rowwise bool // since from, every step made one row of each row
	err     error
}

// source is where rows come from.
type source interface {
	// sql gives what stands behind FROM.
	sql(ctx context.Context) (string, error)
	// inputs lists the sources below it, for finding the file behind an error.
	inputs() []*Dataset
}

// step makes a SELECT of what stands behind FROM.
type step func(from string) string

// sql gives the query of the dataset, after computing the shuffles below it.
func (d *Dataset) sql(ctx context.Context) (string, error) {
	if d.err != nil {
		return "", d.err
	}
	from, err := d.from.sql(ctx)
	if err != nil {
		return "", err
	}
	for _, s := range d.steps {
		from = "(" + s(from) + ")"
	}
	return "SELECT " + identifiers(d.names()) + " FROM " + from, nil
}

// with gives a dataset with one more step.
func (d *Dataset) with(s step, columns []Column, rowwise bool) *Dataset {
	next := *d
	next.steps = append(slices.Clip(d.steps), s)
	next.columns = columns
	next.rowwise = d.rowwise && rowwise
	return &next
}

// fail gives a dataset that answers every action with an error. The first error stays.
func (d *Dataset) fail(format string, args ...any) *Dataset {
	if d.err != nil {
		return d
	}
	next := *d
	next.err = fmt.Errorf("dataset: "+format, args...)
	return &next
}

// Err tells whether a step before was wrong. Every action returns it, too.
func (d *Dataset) Err() error { return d.err }

// Schema lists the columns in order.
func (d *Dataset) Schema() []Column { return slices.Clone(d.columns) }

// Columns lists the names of the columns in order.
func (d *Dataset) Columns() []string { return d.names() }

func (d *Dataset) names() []string {
	names := make([]string, len(d.columns))
	for i, c := range d.columns {
		names[i] = c.Name
	}
	return names
}

// index finds a column by its exact name, -1 if there is none.
func (d *Dataset) index(name string) int {
	return slices.IndexFunc(d.columns, func(c Column) bool { return c.Name == name })
}

// missing names the columns that d lacks, in words, or gives "".
func (d *Dataset) missing(names []string) string {
	var lacking []string
	for _, name := range names {
		if d.index(name) < 0 {
			lacking = append(lacking, fmt.Sprintf("%q", name))
		}
	}
	if len(lacking) == 0 {
		return ""
	}
	return fmt.Sprintf("no column %s; the columns are %s", strings.Join(lacking, ", "), strings.Join(d.names(), ", "))
}

// twice names a column that stands twice in a list, or gives "". DuckDB does not tell names apart by case.
func twice(names []string) string {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		lower := strings.ToLower(name)
		if seen[lower] {
			return name
		}
		seen[lower] = true
	}
	return ""
}
