package builtin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/dataset"
	"github.com/mobula-ml/mobula/xgboost"
)

const parquetType = "application/x-parquet"

// loadParquet reads label and features, the columns of each file in their order; NULL is a missing value.
func (c *channel) loadParquet(s settings, threads int, ref *xgboost.Matrix) (_ *xgboost.Matrix, err error) {
	if s.csvWeights {
		return nil, fmt.Errorf("csv_weights is for %s only", csvType)
	}
	links, err := os.MkdirTemp("", "parquet-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(links)
	session, err := dataset.Open(dataset.Config{Threads: threads, TempDir: links})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	var all blocks
	var names []string
	for i, file := range c.files {
		// A name of ours: folders such as year=2024 are no columns here, and objects need not end in .parquet.
		link := filepath.Join(links, fmt.Sprintf("%d.parquet", i))
		if err := os.Symlink(file, link); err != nil {
			return nil, err
		}
		one, columns, err := readParquet(session, link)
		if err != nil {
			return nil, fmt.Errorf("%s: %s", filepath.Base(file), strings.ReplaceAll(err.Error(), link, filepath.Base(file)))
		}
		if names == nil {
			names = columns
		} else if !slices.Equal(names, columns) {
			return nil, fmt.Errorf("%s has the columns %s where %s has %s", filepath.Base(file), strings.Join(columns, ", "), filepath.Base(c.files[0]), strings.Join(names, ", "))
		}
		all = append(all, one)
	}
	if ref != nil && len(names)-1 != ref.Cols() {
		return nil, wrongWidth(len(names)-1, ref)
	}
	if err := all.checkLabels(s.params); err != nil {
		return nil, err
	}
	return all.matrix(shape{leading: 1, columns: len(names)}, s, threads, ref)
}

func readParquet(session *dataset.Session, path string) (b block, names []string, err error) {
	ctx := context.Background()
	table, err := session.ReadParquet(ctx, path)
	if err != nil {
		return b, nil, err
	}
	if names = table.Columns(); len(names) < 2 {
		return b, nil, fmt.Errorf("%d columns; a row needs a label and at least one feature", len(names))
	}
	labels, err := table.Floats(ctx, names[0])
	if err != nil {
		return b, nil, err
	}
	if row := slices.IndexFunc(labels[0], func(y float32) bool { return y != y }); row >= 0 {
		return b, nil, fmt.Errorf("row %d: the label, column %q, is missing", row+1, names[0])
	}
	b.labels = labels[0]
	b.features, _, err = table.Matrix(ctx, names[1:]...)
	return b, names, err
}
