package xgboost

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/cgo"
	"strings"
	"unsafe"
)

// Batch is some rows of a matrix, as one table or as columns of equal length.
type Batch struct {
	Dense   Dense
	Columns [][]float32
	Info
}

// Source yields the batches of a matrix several times over: the library reads them once for the quantiles and again for the bins.
type Source interface {
	// Next returns the next batch, whose memory must stay as it is until the next call, or io.EOF.
	Next() (Batch, error)
	// Reset goes back to the first batch.
	Reset() error
}

// Batches is a Source over batches in memory.
func Batches(batches ...Batch) Source { return &slicedSource{batches: batches} }

type slicedSource struct {
	batches []Batch
	next    int
}

func (s *slicedSource) Next() (Batch, error) {
	if s.next == len(s.batches) {
		return Batch{}, io.EOF
	}
	s.next++
	return s.batches[s.next-1], nil
}

func (s *slicedSource) Reset() error {
	s.next = 0
	return nil
}

// QuantileOptions say how a quantile matrix is made.
type QuantileOptions struct {
	// MaxBin is the number of bins of each column, which Params.MaxBin of a training must equal. Defaults to 256.
	MaxBin int
	// Ref is the training matrix whose bins a validation matrix must share. Defaults to none.
	Ref *Matrix
	// Threads that make the matrix. Defaults to the machine's cores.
	Threads int
}

const defaultMaxBin = 256

// NewQuantileDMatrix reads a matrix of bins from source: an eighth to a quarter of a plain matrix's memory, and safe to share between
// trainings. It serves the hist tree method, and the model is the same as from a plain matrix, however the rows are cut into batches.
func NewQuantileDMatrix(source Source, o QuantileOptions) (*Matrix, error) {
	if err := Load(); err != nil {
		return nil, err
	}
	if o.MaxBin == 0 {
		o.MaxBin = defaultMaxBin
		if o.Ref != nil {
			o.MaxBin = o.Ref.maxBin
		}
	}
	var ref C.mx_handle
	if o.Ref != nil {
		if o.Ref.maxBin != o.MaxBin {
			return nil, fmt.Errorf("a quantile matrix of %d bins cannot refer to one of %d", o.MaxBin, o.Ref.maxBin)
		}
		ref = o.Ref.handle
	}
	m := &Matrix{maxBin: o.MaxBin}
	err := onOwnThread(func() error { return m.fromSource(source, ref, o) })
	runtime.KeepAlive(o.Ref)
	return m.adopt(err)
}

func (m *Matrix) fromSource(source Source, ref C.mx_handle, o QuantileOptions) error {
	feed := &feed{source: source}
	if err := call("make a proxy", func(e *C.char, n C.size_t) C.int { return C.mx_proxy_new(&feed.proxy.handle, e, n) }); err != nil {
		return err
	}
	defer C.mx_matrix_free(feed.proxy.handle)
	defer feed.release()
	if feed.err = source.Reset(); feed.err != nil {
		return feed.err
	}
	handle := cgo.NewHandle(feed)
	defer handle.Delete()
	config := C.CString(fmt.Sprintf(`{"missing":NaN,"nthread":%d,"max_bin":%d}`, max(o.Threads, 0), o.MaxBin))
	defer C.free(unsafe.Pointer(config))
	var h C.mx_handle // Not in m, whose other fields C must not see.
	err := call("make a quantile matrix", func(e *C.char, n C.size_t) C.int {
		return C.mx_matrix_quantile(C.uintptr_t(handle), feed.proxy.handle, ref, config, &h, e, n)
	})
	m.handle = h
	switch {
	case feed.err != nil: // The library saw an early end; the reason is ours.
		return feed.err
	case feed.batches == 0:
		return errors.New("the source has no batch: a matrix needs at least one row")
	case err != nil:
		return err
	}
	m.names, m.types = feed.names, feed.types
	return nil
}

// feed is a Source on its way into the library, which calls mobulaXGBoostNext and mobulaXGBoostReset.
type feed struct {
	source  Source
	proxy   Matrix
	pin     runtime.Pinner
	batches int
	cols    int
	names   []string // of the first batch
	types   []string
	err     error
}

func (f *feed) release() { f.pin.Unpin() }

//export mobulaXGBoostNext
func mobulaXGBoostNext(handle C.uintptr_t) C.int {
	f := cgo.Handle(handle).Value().(*feed)
	if f.err != nil {
		return 0
	}
	batch, err := f.source.Next()
	if errors.Is(err, io.EOF) {
		return 0
	}
	if err == nil {
		err = f.hand(batch)
	}
	if err != nil {
		f.err = fmt.Errorf("batch %d: %w", f.batches, err)
		return 0
	}
	f.batches++
	return 1
}

//export mobulaXGBoostReset
func mobulaXGBoostReset(handle C.uintptr_t) {
	f := cgo.Handle(handle).Value().(*feed)
	f.release()
	if err := f.source.Reset(); err != nil && f.err == nil {
		f.err = err
	}
}

// hand gives one batch to the library, which reads it until the next one.
func (f *feed) hand(b Batch) error {
	f.release()
	cols, err := b.check()
	if err != nil {
		return err
	}
	if f.cols != 0 && cols != f.cols {
		return fmt.Errorf("it has %d columns where the first has %d", cols, f.cols)
	}
	if f.cols == 0 {
		f.cols, f.names, f.types = cols, b.FeatureNames, b.FeatureTypes
	}
	if b.Columns == nil {
		f.pin.Pin(unsafe.SliceData(b.Dense.Data))
		array := C.CString(denseInterface(b.Dense))
		defer C.free(unsafe.Pointer(array))
		err = call("read a batch", func(e *C.char, n C.size_t) C.int { return C.mx_proxy_dense(f.proxy.handle, array, e, n) })
	} else {
		each := make([]string, len(b.Columns))
		for i, column := range b.Columns {
			f.pin.Pin(unsafe.SliceData(column))
			each[i] = vectorInterface(unsafe.Pointer(unsafe.SliceData(column)), len(column), "<f4")
		}
		arrays := C.CString("[" + strings.Join(each, ",") + "]")
		defer C.free(unsafe.Pointer(arrays))
		err = call("read a batch", func(e *C.char, n C.size_t) C.int { return C.mx_proxy_columns(f.proxy.handle, arrays, e, n) })
	}
	if err != nil {
		return err
	}
	return f.proxy.describe(b.Info)
}

func (b Batch) check() (cols int, err error) {
	if b.Columns == nil {
		if err := b.Dense.check(); err != nil {
			return 0, err
		}
		return b.Dense.Cols, b.Info.check(b.Dense.Rows, b.Dense.Cols)
	}
	if len(b.Columns) == 0 || len(b.Columns[0]) == 0 {
		return 0, errors.New("its columns have no data")
	}
	rows := len(b.Columns[0])
	for i, column := range b.Columns {
		if len(column) != rows {
			return 0, fmt.Errorf("column %d has %d rows where column 0 has %d", i, len(column), rows)
		}
	}
	return len(b.Columns), b.Info.check(rows, len(b.Columns))
}
