package dataset

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// CSVOptions says how CSV files are written down. The zero value reads what pandas writes.
type CSVOptions struct {
	// Schema names the columns and their types. Where files have a header, it must hold these columns, in any order; others are left out.
	// Without a header the columns are these, in order. Defaults to the header's columns, each BIGINT if all its values are whole numbers
	// as a program writes them (no leading zeros), else DOUBLE if all are numbers, else VARCHAR; that reads the files one more time.
	Schema []Column
	// Required names columns that must have a value in every row; Validate checks it. Schema must be given.
	Required []string
	// NoHeader says that the first line is a row. Schema must be given then.
	NoHeader bool
	// Delimiter stands between values, one byte. Defaults to a comma.
	Delimiter string
	// Null is the text of a missing value, beside the empty one. Defaults to none.
	Null string
}

// ReadCSV reads CSV files: one, a glob, or all *.csv, *.csv.gz and *.tsv below a folder, local or under s3://. Values may be quoted by ".
// Every file has a header line but with NoHeader. A column that a file lacks is an error that names both.
func (s *Session) ReadCSV(ctx context.Context, path string, options CSVOptions) (*Dataset, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	files, err := s.localFiles(ctx, path, []string{".csv", ".csv.gz", ".tsv"})
	if err != nil {
		return nil, err
	}
	source := &csvFiles{session: s, options: options}
	for _, file := range files {
		header, err := source.header(file)
		if err != nil {
			return nil, err
		}
		if n := len(source.groups); n > 0 && slices.Equal(source.groups[n-1].header, header) {
			source.groups[n-1].files = append(source.groups[n-1].files, file)
		} else {
			source.groups = append(source.groups, csvGroup{header: header, files: []string{file}})
		}
	}
	if source.schema = options.Schema; source.schema == nil {
		if source.schema, err = source.infer(ctx); err != nil {
			return nil, err
		}
	}
	d := &Dataset{session: s, columns: slices.Clone(source.schema), rowwise: true}
	d.from = &read{query: "(" + source.query(source.schema) + ")", csv: source}
	return d, nil
}

func (o *CSVOptions) check() error {
	names := make([]string, len(o.Schema))
	o.Schema = slices.Clone(o.Schema)
	for i, c := range o.Schema {
		names[i] = c.Name
		o.Schema[i].Type = strings.ToUpper(c.Type)
		if !nameable(c.Name) || !slices.Contains(csvTypes, o.Schema[i].Type) {
			return fmt.Errorf("dataset: the column %q of the schema has the type %q; a name must not be empty and a type be one of %s", c.Name, c.Type, strings.Join(csvTypes, ", "))
		}
	}
	if o.Delimiter == "" {
		o.Delimiter = ","
	}
	switch {
	case twice(names) != "":
		return fmt.Errorf("dataset: the schema names the column %q twice", twice(names))
	case o.NoHeader && len(o.Schema) == 0:
		return errors.New("dataset: CSV files without a header need a Schema")
	case len(o.Delimiter) != 1 || strings.Contains("\"\r\n\x00", o.Delimiter):
		return fmt.Errorf("dataset: the delimiter %q must be one byte, and no quote or end of line", o.Delimiter)
	}
	for _, r := range o.Required {
		if !slices.Contains(names, r) {
			return fmt.Errorf("dataset: the required column %q is not in the schema", r)
		}
	}
	return nil
}

var csvTypes = []string{"BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "DOUBLE", "FLOAT", "BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP"}

// csvFiles is what is known of the files of one ReadCSV. Neighbours with one header form a group.
type csvFiles struct {
	session *Session
	options CSVOptions
	groups  []csvGroup
	schema  []Column
}

type csvGroup struct{ header, files []string }

// header reads the names in the first line and checks that the schema's are among them.
func (c *csvFiles) header(file string) ([]string, error) {
	if c.options.NoHeader {
		header := make([]string, len(c.options.Schema))
		for i, column := range c.options.Schema {
			header[i] = column.Name
		}
		return header, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("dataset: %s: %w", file, err)
		}
	}
	header, err := c.record(io.LimitReader(in, 1<<20))
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("dataset: %s is empty: a header line must come first", file)
	} else if err != nil {
		return nil, fmt.Errorf("dataset: %s, line 1: %w", file, err)
	}
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	if t := twice(header); t != "" {
		return nil, fmt.Errorf("dataset: %s, line 1: the column %q stands twice", file, t)
	}
	for i, name := range header {
		if !nameable(name) {
			return nil, fmt.Errorf("dataset: %s, line 1: column %d has the name %q; it must be text and not empty", file, i+1, name)
		}
	}
	for _, want := range c.options.Schema {
		if !slices.Contains(header, want.Name) {
			return nil, fmt.Errorf("dataset: %s, line 1: the column %q is missing; the header has %s", file, want.Name, strings.Join(header, ", "))
		}
	}
	if len(c.options.Schema) == 0 && len(c.groups) > 0 {
		if first := c.groups[0]; len(first.header) != len(header) || (&Dataset{columns: asColumns(header)}).missing(first.header) != "" {
			return nil, fmt.Errorf("dataset: %s, line 1: the columns are %s, but those of %s are %s", file, strings.Join(header, ", "), first.files[0], strings.Join(first.header, ", "))
		}
	}
	return header, nil
}

func (c *csvFiles) record(in io.Reader) ([]string, error) {
	r := csv.NewReader(in)
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = rune(c.options.Delimiter[0]), -1, true
	return r.Read()
}

func asColumns(names []string) []Column {
	columns := make([]Column, len(names))
	for i, name := range names {
		columns[i] = Column{Name: name, Type: "VARCHAR"}
	}
	return columns
}

// query selects the schema from all files. DuckDB would round 1.5 to a whole number without a word, so those are read as text and checked.
func (c *csvFiles) query(schema []Column) string {
	list, read := make([]string, len(schema)), slices.Clone(schema)
	for i, column := range schema {
		list[i] = identifier(column.Name)
		if isWhole(column) {
			read[i].Type = "VARCHAR"
			list[i] = fmt.Sprintf("CASE WHEN %[2]s THEN error('not a whole number: ' || %[1]s) ELSE CAST(%[1]s AS %[3]s) END AS %[1]s", list[i], fractional(column.Name), column.Type)
		}
	}
	parts := make([]string, len(c.groups))
	for i, g := range c.groups {
		parts[i] = "SELECT " + strings.Join(list, ", ") + " FROM " + c.scan(g, read, "")
	}
	return strings.Join(parts, " UNION ALL ")
}

func isWhole(c Column) bool { return kindOf(c.Type) == integer && c.Type != "BOOLEAN" }

// fractional tells texts with a point or an exponent, which do not stand for whole numbers here.
func fractional(name string) string {
	return fmt.Sprintf("(contains(%[1]s, '.') OR contains(%[1]s, 'e') OR contains(%[1]s, 'E'))", identifier(name))
}

// scan reads the files of a group, with nothing left to DuckDB's guessing.
func (c *csvFiles) scan(g csvGroup, schema []Column, extra string) string {
	types := make([]string, len(g.header))
	for i, name := range g.header {
		types[i] = text(name) + ": 'VARCHAR'"
		if at := slices.IndexFunc(schema, func(s Column) bool { return s.Name == name }); at >= 0 {
			types[i] = text(name) + ": " + text(schema[at].Type)
		}
	}
	null := "''"
	if c.options.Null != "" {
		null = "['', " + text(c.options.Null) + "]"
	}
	return fmt.Sprintf(`read_csv(%s, auto_detect = false, header = %t, columns = {%s}, delim = %s, quote = '"', escape = '"', nullstr = %s, strict_mode = true, null_padding = false%s)`,
		texts(g.files), !c.options.NoHeader, strings.Join(types, ", "), text(c.options.Delimiter), null, extra)
}

// infer finds the types of all columns by all values, so that they do not depend on the files.
func (c *csvFiles) infer(ctx context.Context) ([]Column, error) {
	schema := asColumns(c.groups[0].header)
	list := make([]string, len(schema))
	for i, column := range schema {
		name := identifier(column.Name)
		list[i] = fmt.Sprintf(`CASE WHEN count(%[1]s) = 0 THEN 'VARCHAR' WHEN bool_and(coalesce(CAST(TRY_CAST(%[1]s AS BIGINT) AS VARCHAR) = %[1]s, %[1]s IS NULL)) THEN 'BIGINT'`+
			` WHEN bool_and(%[1]s IS NULL OR TRY_CAST(%[1]s AS DOUBLE) IS NOT NULL) THEN 'DOUBLE' ELSE 'VARCHAR' END`, name)
	}
	values, err := c.session.row(ctx, "read the schema", "SELECT "+strings.Join(list, ", ")+" FROM ("+c.query(schema)+")")
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	for i := range schema {
		schema[i].Type = values[i].(string)
	}
	return schema, nil
}
