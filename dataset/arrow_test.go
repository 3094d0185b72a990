//go:build duckdb_arrow

package dataset_test

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/mobula-ml/mobula/dataset"
)

func TestBatches(t *testing.T) {
	t.Parallel()
	d := numbers(t, open(t, dataset.Config{}), 5000)
	row := 0
	for batch, err := range d.Batches(t.Context()) {
		must(t, err)
		for i, id := range batch.Column(0).(*array.Int64).Int64Values() {
			row++
			if x := batch.Column(2).(*array.Float64).Value(i); id != int64(row) || x != float64(row-1)/8-3 {
				t.Fatalf("row %d: %d %v", row, id, x)
			}
		}
	}
	if row != 5000 {
		t.Errorf("%d rows", row)
	}
	for _, err := range d.Select("none").Batches(t.Context()) {
		if err == nil {
			t.Error("a wrong step gives batches")
		}
	}
}
