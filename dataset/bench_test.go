package dataset_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mobula-ml/mobula/dataset"
)

// BenchmarkPrepare does what a training job asks of its preprocessing: read Parquet, drop, shuffle, split, fit on the training rows,
// scale and write three CSV files.
func BenchmarkPrepare(b *testing.B) {
	for _, rows := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			in := houses(b, rows)
			for b.Loop() {
				out := b.TempDir()
				s := open(b, dataset.Config{})
				d, err := s.ReadParquet(b.Context(), in)
				must(b, err)
				d = d.Drop("RECORD_ID", "year")
				parts, err := d.RandomShuffle(42).SplitProportionately(.6, .2, .2)
				must(b, err)
				features := d.Drop("PRICE").Columns()
				scaler, err := dataset.StandardScaler{Columns: features}.Learn(b.Context(), parts[0])
				must(b, err)
				var writers sync.WaitGroup
				for i, p := range parts {
					writers.Go(func() {
						must(b, scaler.Transform(p).WriteCSV(b.Context(), filepath.Join(out, fmt.Sprint(i), "0.csv"), dataset.WriteOptions{Columns: append([]string{"PRICE"}, features...)}))
					})
				}
				writers.Wait()
				must(b, s.Close())
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
