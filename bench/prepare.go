package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/dataset"
)

// rowsToPrepare and the columns of the made-up houses that peer/data.py writes.
const rowsToPrepare = "1000000"

// prepare reads Parquet, shuffles by seed, splits, scales by the training set and writes three CSV files, beside Python's DuckDB.
func prepare() ([]result, error) {
	dir, err := os.MkdirTemp("", "mobula-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if _, err := python("data.py", dir, rowsToPrepare); err != nil {
		return nil, err
	}
	var ours, peer []float64
	for i := range runs {
		began := time.Now()
		if err := prepareOnce(filepath.Join(dir, "parquet"), filepath.Join(dir, fmt.Sprint("ours", i))); err != nil {
			return nil, err
		}
		ours = append(ours, time.Since(began).Seconds())
		marks, err := python("prepare.py", filepath.Join(dir, "parquet"), filepath.Join(dir, fmt.Sprint("peer", i)))
		if err != nil {
			return nil, err
		}
		peer = append(peer, marks["prepare"])
	}
	return []result{{Name: "prepare 1M rows: shuffle, split, scale, CSV", Ours: median(ours), Peer: median(peer), Unit: "s", Wanted: "≤ 1.2× DuckDB"}}, nil
}

func prepareOnce(in, out string) error {
	ctx := context.Background()
	s, err := dataset.Open(dataset.Config{Threads: 2})
	if err != nil {
		return err
	}
	defer s.Close()
	d, err := s.ReadParquet(ctx, in)
	if err != nil {
		return err
	}
	features := d.Drop("record_id", "PRICE").Columns()
	parts, err := d.RandomShuffle(42, "record_id").Drop("record_id").SplitProportionately(.6, .2, .2)
	if err != nil {
		return err
	}
	scaler, err := dataset.StandardScaler{Columns: features}.Fit(ctx, parts[0])
	if err != nil {
		return err
	}
	errs := make([]error, len(parts))
	var writers sync.WaitGroup
	for i, p := range parts {
		writers.Go(func() {
			errs[i] = scaler.Transform(p).WriteCSV(ctx, filepath.Join(out, fmt.Sprint(i), "0.csv"), dataset.WriteOptions{Columns: append([]string{"PRICE"}, features...)})
		})
	}
	writers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
