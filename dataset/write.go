package dataset

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// WriteOptions says what a file holds and how.
type WriteOptions struct {
	// Columns are written, in this order. Defaults to all.
	Columns []string
	// Header writes the names as the first line of a CSV file.
	Header bool
	// Shards writes that many files of nearly equal numbers of rows into the folder path, named part-00000.csv and so on, each whole or not
	// at all, in the order of the rows. Defaults to one file, path itself.
	Shards int
}

// WriteCSV writes the rows in order. NULL is written as nothing, a number as the shortest text that reads back as the same.
// Each file appears whole, in place of one that is there, or not at all, whatever becomes of the process; it is not fsynced against a loss
// of power. Missing folders are made.
func (d *Dataset) WriteCSV(ctx context.Context, path string, options WriteOptions) error {
	return d.write(ctx, path, ".csv", fmt.Sprintf("(FORMAT csv, HEADER %t)", options.Header), options)
}

// WriteParquet writes the rows in order as Parquet with Zstandard compression. Files appear as with WriteCSV.
func (d *Dataset) WriteParquet(ctx context.Context, path string, options WriteOptions) error {
	return d.write(ctx, path, ".parquet", "(FORMAT parquet, COMPRESSION zstd)", options)
}

func (d *Dataset) write(ctx context.Context, path, suffix, format string, options WriteOptions) error {
	if len(options.Columns) > 0 {
		d = d.Select(options.Columns...)
	}
	if options.Shards < 0 || options.Shards > 100_000 {
		return fmt.Errorf("dataset: WriteOptions.Shards %d must be from 0 to 100000", options.Shards)
	}
	if options.Shards <= 1 {
		if options.Shards == 1 {
			path = filepath.Join(path, "part-00000"+suffix)
		}
		return d.writeFile(ctx, path, format)
	}
	shards, err := d.shards(options.Shards)
	if err != nil {
		return err
	}
	for i, shard := range shards {
		if err := shard.writeFile(ctx, filepath.Join(path, fmt.Sprintf("part-%05d%s", i, suffix)), format); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes to a temporary name beside the file and renames.
func (d *Dataset) writeFile(ctx context.Context, path, format string) error {
	if strings.ContainsRune(path, 0) || strings.HasPrefix(path, "s3://") {
		return fmt.Errorf("dataset: write %q: the path must be one of this machine", path)
	}
	sql, err := d.sql(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	defer os.RemoveAll(tmp)
	file := filepath.Join(tmp, "data")
	if err := d.session.query(ctx, "write "+filepath.Base(path), "COPY ("+sql+") TO "+text(file)+" "+format, false, nil); err != nil {
		return d.explain(ctx, err)
	}
	if err := os.Rename(file, path); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	return nil
}
