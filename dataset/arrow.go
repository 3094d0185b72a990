//go:build duckdb_arrow

package dataset

import (
	"context"
	"errors"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	duckdb "github.com/duckdb/duckdb-go-bindings"
)

// Batches reads the rows in order as Arrow record batches of up to 2048 rows, without the detour of a row form. Each batch is valid until
// the next one is asked for; Retain one to keep it. It is there with the build tag duckdb_arrow only, which links Arrow's Go library.
func (d *Dataset) Batches(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		sql, err := d.sql(ctx)
		var schema *arrow.Schema
		if err == nil {
			err = d.session.query(ctx, "read batches", sql, true, func(k chunk) error {
				options := duckdb.ResultGetArrowOptions(k.result)
				defer duckdb.DestroyArrowOptions(&options)
				if schema == nil {
					if schema, err = arrowSchema(options, k.result, d.names()); err != nil {
						return err
					}
				}
				batch, failed := duckdb.DataChunkToArrowArray(options, schema, k.data)
				if err := arrowError(failed); err != nil {
					return err
				}
				defer batch.Release()
				if !yield(batch, nil) {
					return errStop
				}
				return nil
			})
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, d.explain(ctx, err))
		}
	}
}

func arrowSchema(options duckdb.ArrowOptions, result *duckdb.Result, names []string) (*arrow.Schema, error) {
	types := make([]duckdb.LogicalType, len(names))
	for i := range types {
		types[i] = duckdb.ColumnLogicalType(result, duckdb.IdxT(i))
		defer duckdb.DestroyLogicalType(&types[i])
	}
	schema, failed := duckdb.NewArrowSchema(options, types, names)
	return schema, arrowError(failed)
}

func arrowError(failed duckdb.ErrorData) error {
	defer duckdb.DestroyErrorData(&failed)
	if duckdb.ErrorDataHasError(failed) {
		return &engineError{message: duckdb.ErrorDataMessage(failed), kind: duckdb.ErrorDataErrorType(failed)}
	}
	return nil
}
