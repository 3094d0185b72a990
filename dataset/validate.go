package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	duckdb "github.com/duckdb/duckdb-go-bindings"
)

// Validate reads every CSV file below the dataset whole and tells the first thing that is wrong with it: no rows, a value that is not of its
// column's type, a row with too few or too many values, a missing value of a required column. The error is an *InputError where it has a place.
// Without Validate such an error comes from the action that meets it.
func (d *Dataset) Validate(ctx context.Context) error {
	if d.err != nil {
		return d.err
	}
	for _, r := range d.reads() {
		if r.csv != nil {
			if err := r.csv.validate(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// InputError is a value in a file that is not what it must be.
type InputError struct {
	File   string
	Line   int64 // from 1; 0 if not known
	Column string
	Value  string
	Rule   string // what would be right
}

func (e *InputError) Error() string {
	where := e.File
	if e.Line > 0 {
		where += fmt.Sprintf(", line %d", e.Line)
	}
	if e.Column != "" {
		where += fmt.Sprintf(", column %q", e.Column)
		return fmt.Sprintf("dataset: %s: the value %q %s", where, e.Value, e.Rule)
	}
	return fmt.Sprintf("dataset: %s: %s", where, e.Rule)
}

// reads lists the file sources below a dataset.
func (d *Dataset) reads() []*read {
	if r, ok := d.from.(*read); ok {
		return []*read{r}
	}
	var all []*read
	for _, below := range d.from.inputs() {
		all = append(all, below.reads()...)
	}
	return all
}

// explain finds the place in a CSV file that made a query fail, if that is what it was.
func (d *Dataset) explain(ctx context.Context, err error) error {
	var e *engineError
	if err == nil || !errors.As(err, &e) {
		return err
	}
	for _, r := range d.reads() {
		if r.csv == nil || e.kind != duckdb.ErrorTypeConversion && e.kind != duckdb.ErrorTypeInvalidInput {
			continue
		}
		if found := r.csv.explain(ctx, nil); found != nil {
			return found
		}
	}
	return fmt.Errorf("dataset: %w", err)
}

// explain gives the first bad value of the files as error, else err.
func (c *csvFiles) explain(ctx context.Context, err error) error {
	schema := c.schema
	if schema == nil {
		schema = asColumns(c.groups[0].header)
	}
	for _, g := range c.groups {
		if _, _, found := c.scanAll(ctx, g, schema); found != nil {
			return found
		}
	}
	return err
}

func (c *csvFiles) validate(ctx context.Context) error {
	var rows int64
	for _, g := range c.groups {
		n, nulls, err := c.scanAll(ctx, g, c.schema)
		if err != nil {
			return err
		}
		rows += n
		for i, column := range c.schema {
			if slices.Contains(c.options.Required, column.Name) && nulls[i] > 0 {
				return c.find(ctx, g, column.Name, identifier(column.Name)+" IS NULL", "is missing; the column is required")
			}
		}
	}
	if rows == 0 {
		return &InputError{File: c.groups[0].files[0], Rule: "there are no rows; at least one must follow the header"}
	}
	return nil
}

// scanAll reads every value of a group; it gives the rows, the missing values of each column of the schema, and what DuckDB rejects first.
func (c *csvFiles) scanAll(ctx context.Context, g csvGroup, schema []Column) (rows int64, nulls []int64, err error) {
	connection, err := c.session.engine.connect()
	if err != nil {
		return 0, nil, err
	}
	defer connection.close()
	counts := make([]string, len(schema))
	for i, column := range schema {
		counts[i] = "count(" + identifier(column.Name) + ")"
	}
	scan := "SELECT count(*), " + strings.Join(counts, ", ") + " FROM " + c.scan(g, schema, ", store_rejects = true, rejects_limit = 1000")
	err = connection.run(ctx, "check the input", scan, false, func(k chunk) error {
		rows = k.value(0, 0).(int64)
		for i := range schema {
			nulls = append(nulls, rows-k.value(i+1, 0).(int64))
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("dataset: %w", err)
	}
	var found error
	err = connection.run(ctx, "check the input", `SELECT s.file_path, CAST(e.line AS BIGINT), e.column_name, e.csv_line, CAST(e.error_type AS VARCHAR), e.error_message, CAST(e.column_idx AS BIGINT)`+
		` FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id) ORDER BY s.file_path, e.line, e.column_idx LIMIT 1`, false, func(k chunk) error {
		if k.rows > 0 {
			found = c.rejected(g, schema, k)
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("dataset: %w", err)
	}
	if found == nil {
		found = c.wholes(ctx, g, schema)
	}
	return rows, nulls, found
}

// rejected words what DuckDB noted of a line.
func (c *csvFiles) rejected(g csvGroup, schema []Column, k chunk) error {
	cell := func(i int) string { s, _ := k.value(i, 0).(string); return s }
	line, _ := k.value(1, 0).(int64)
	e := &InputError{File: cell(0), Line: line}
	values, _ := c.record(bytes.NewReader([]byte(cell(3))))
	switch kind := cell(4); kind {
	case "CAST":
		e.Column = strings.Trim(cell(2), `"`)
		if i := slices.Index(g.header, e.Column); i >= 0 && i < len(values) {
			e.Value = values[i]
		}
		e.Rule = "is not of the type of the column"
		if i := slices.IndexFunc(schema, func(s Column) bool { return s.Name == e.Column }); i >= 0 {
			e.Rule = "is not a " + schema[i].Type + "; " + rules[schema[i].Type]
		}
	case "MISSING COLUMNS", "TOO MANY COLUMNS":
		e.Rule = fmt.Sprintf("the line has %d values; it must have %d: %s", len(values), len(g.header), strings.Join(g.header, ", "))
	default:
		first, _, _ := strings.Cut(cell(5), "\n")
		e.Rule = strings.ToLower(kind) + ": " + first
	}
	return e
}

// rules says what a value of a type looks like.
var rules = map[string]string{
	"BIGINT": "write a whole number, as 42", "INTEGER": "write a whole number, as 42", "SMALLINT": "write a whole number up to 32767", "TINYINT": "write a whole number up to 127",
	"UBIGINT": "write a whole number from 0 on", "DOUBLE": "write a number, as 1.5, or nothing", "FLOAT": "write a number, as 1.5, or nothing",
	"BOOLEAN": "write true or false", "DATE": "write a day, as 2024-05-31", "TIMESTAMP": "write a time, as 2024-05-31 12:00:00", "VARCHAR": "write text in UTF-8",
}

// wholes finds a value with a fraction in a column of whole numbers.
func (c *csvFiles) wholes(ctx context.Context, g csvGroup, schema []Column) error {
	for _, column := range schema {
		if isWhole(column) {
			if err := c.find(ctx, g, column.Name, fractional(column.Name), "is not a "+column.Type+"; "+rules[column.Type]); err != nil {
				return err
			}
		}
	}
	return nil
}

// find gives the first record for which a condition on the text of a column holds as an error. Records are counted, not lines, which a value
// with a line break inside shifts.
func (c *csvFiles) find(ctx context.Context, g csvGroup, column, condition, rule string) error {
	for _, file := range g.files {
		one := csvGroup{header: g.header, files: []string{file}}
		name := identifier(column)
		values, err := c.session.row(ctx, "check the input", fmt.Sprintf("SELECT min(n), min_by(v, n) FROM (SELECT row_number() OVER () AS n, coalesce(%s, '') AS v, coalesce(%s, false) AS bad FROM %s) WHERE bad",
			name, condition, c.scan(one, asColumns(g.header), "")))
		if err != nil {
			return fmt.Errorf("dataset: %w", err)
		}
		if n, ok := values[0].(int64); ok {
			if !c.options.NoHeader {
				n++
			}
			value, _ := values[1].(string)
			return &InputError{File: file, Line: n, Column: column, Value: value, Rule: rule}
		}
	}
	return nil
}
