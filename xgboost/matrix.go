package xgboost

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// Dense is a table of rows × cols numbers, row after row. NaN is a missing value; categories are their codes 0, 1, 2, …
type Dense struct {
	Data []float32
	Rows int
	Cols int
}

// Sparse is a table in compressed rows: row i's values are Values[Starts[i]:Starts[i+1]], in the columns of the same part of Columns.
// What is not there is missing.
type Sparse struct {
	Starts  []uint64 // rows + 1 of them, the first 0
	Columns []uint32
	Values  []float32
	Cols    int
}

// Info is what belongs to the rows and columns beside the features. Everything but Labels may be left out.
type Info struct {
	Labels     []float32
	Weights    []float32 // one for each row
	BaseMargin []float32 // one for each row: where the sum of the trees starts
	Groups     []uint32  // for ranking: sizes of consecutive groups of rows
	LabelLow   []float32 // for survival:aft instead of Labels
	LabelHigh  []float32

	FeatureNames []string
	FeatureTypes []string // "q" quantitative, "c" categorical, "int", "float", "i" indicator; q for all otherwise
}

// ErrMatrixBusy says that a plain matrix is in another training.
var ErrMatrixBusy = errors.New("a plain matrix serves one training at a time; make it with NewQuantileDMatrix to share it")

// Matrix is data in the library's own form: DMatrix or QuantileDMatrix. Close gives its memory back at once; a forgotten matrix gives
// it back when it is collected.
type Matrix struct {
	handle   C.mx_handle
	rows     int
	cols     int
	maxBin   int // 0 for a plain matrix
	names    []string
	types    []string
	training sync.Mutex
	cleanup  runtime.Cleanup
	close    sync.Once
}

// NewDMatrix copies x and info into a plain matrix, by that many threads; 0 is the machine's cores.
func NewDMatrix(x Dense, info Info, threads int) (*Matrix, error) {
	if err := x.check(); err != nil {
		return nil, err
	}
	if err := info.check(x.Rows, x.Cols); err != nil {
		return nil, err
	}
	if err := Load(); err != nil {
		return nil, err
	}
	array, config := C.CString(denseInterface(x)), C.CString(matrixConfig(threads))
	defer C.free(unsafe.Pointer(array))
	defer C.free(unsafe.Pointer(config))
	return build(info, func(h *C.mx_handle) error {
		defer runtime.KeepAlive(x.Data)
		return call("make a matrix", func(e *C.char, n C.size_t) C.int { return C.mx_matrix_dense(array, config, h, e, n) })
	})
}

// NewSparseDMatrix copies x and info into a plain matrix, by that many threads; 0 is the machine's cores.
func NewSparseDMatrix(x Sparse, info Info, threads int) (*Matrix, error) {
	if err := x.check(); err != nil {
		return nil, err
	}
	if err := info.check(len(x.Starts)-1, x.Cols); err != nil {
		return nil, err
	}
	if err := Load(); err != nil {
		return nil, err
	}
	starts := C.CString(vectorInterface(unsafe.Pointer(unsafe.SliceData(x.Starts)), len(x.Starts), "<u8"))
	columns := C.CString(vectorInterface(unsafe.Pointer(unsafe.SliceData(x.Columns)), len(x.Columns), "<u4"))
	values := C.CString(vectorInterface(unsafe.Pointer(unsafe.SliceData(x.Values)), len(x.Values), "<f4"))
	config := C.CString(matrixConfig(threads))
	defer func() {
		for _, text := range []*C.char{starts, columns, values, config} {
			C.free(unsafe.Pointer(text))
		}
	}()
	return build(info, func(h *C.mx_handle) error {
		defer runtime.KeepAlive(x)
		return call("make a sparse matrix", func(e *C.char, n C.size_t) C.int {
			return C.mx_matrix_csr(starts, columns, values, C.uint64_t(x.Cols), config, h, e, n)
		})
	})
}

// build makes a matrix on a thread of its own and gives it its labels.
func build(info Info, create func(*C.mx_handle) error) (*Matrix, error) {
	m := &Matrix{names: info.FeatureNames, types: info.FeatureTypes}
	err := onOwnThread(func() error {
		var h C.mx_handle // Not in m, whose other fields C must not see.
		if err := create(&h); err != nil {
			return err
		}
		m.handle = h
		return m.describe(info)
	})
	return m.adopt(err)
}

// adopt finishes a matrix whose handle was just made, or frees it after err.
func (m *Matrix) adopt(err error) (*Matrix, error) {
	if err == nil {
		var rows, cols C.uint64_t
		err = call("read a matrix's shape", func(e *C.char, n C.size_t) C.int { return C.mx_matrix_shape(m.handle, &rows, &cols, e, n) })
		m.rows, m.cols = int(rows), int(cols)
	}
	if err != nil {
		if m.handle != nil {
			C.mx_matrix_free(m.handle)
		}
		return nil, err
	}
	m.cleanup = runtime.AddCleanup(m, func(h C.mx_handle) { C.mx_matrix_free(h) }, m.handle)
	return m, nil
}

// Rows returns the number of rows.
func (m *Matrix) Rows() int { return m.rows }

// Cols returns the number of features.
func (m *Matrix) Cols() int { return m.cols }

// Quantile says whether the matrix is one of bins, by NewQuantileDMatrix.
func (m *Matrix) Quantile() bool { return m.maxBin != 0 }

// Close frees the matrix. A training that uses it keeps what it needs. Closing twice is harmless.
func (m *Matrix) Close() {
	m.close.Do(func() {
		m.cleanup.Stop()
		C.mx_matrix_free(m.handle)
		m.handle = nil
	})
}

// describe gives the matrix, or a batch on its way into one, its labels and names.
func (m *Matrix) describe(info Info) error {
	for _, vector := range []struct {
		field  string
		values []float32
	}{
		{"label", info.Labels}, {"weight", info.Weights}, {"base_margin", info.BaseMargin},
		{"label_lower_bound", info.LabelLow}, {"label_upper_bound", info.LabelHigh},
	} {
		if len(vector.values) == 0 {
			continue
		}
		array := vectorInterface(unsafe.Pointer(unsafe.SliceData(vector.values)), len(vector.values), "<f4")
		if err := m.setInfo(vector.field, array); err != nil {
			return err
		}
		runtime.KeepAlive(vector.values)
	}
	if len(info.Groups) > 0 {
		array := vectorInterface(unsafe.Pointer(unsafe.SliceData(info.Groups)), len(info.Groups), "<u4")
		if err := m.setInfo("group", array); err != nil {
			return err
		}
		runtime.KeepAlive(info.Groups)
	}
	if err := m.setStrings("feature_name", info.FeatureNames); err != nil {
		return err
	}
	return m.setStrings("feature_type", info.FeatureTypes)
}

func (m *Matrix) setInfo(field, array string) error {
	name, data := C.CString(field), C.CString(array)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(data))
	return call("set "+field, func(e *C.char, n C.size_t) C.int { return C.mx_matrix_info(m.handle, name, data, e, n) })
}

func (m *Matrix) setStrings(field string, values []string) error {
	if len(values) == 0 {
		return nil
	}
	name := C.CString(field)
	defer C.free(unsafe.Pointer(name))
	texts, free := cStrings(values)
	defer free()
	return call("set "+field, func(e *C.char, n C.size_t) C.int {
		return C.mx_matrix_strings(m.handle, name, &texts[0], C.uint64_t(len(texts)), e, n)
	})
}

// cStrings copies values to C. The array of pointers itself stays in Go, which C may read during one call.
func cStrings(values []string) (texts []*C.char, free func()) {
	texts = make([]*C.char, len(values))
	for i, v := range values {
		texts[i] = C.CString(v)
	}
	return texts, func() {
		for _, t := range texts {
			C.free(unsafe.Pointer(t))
		}
	}
}

func (x Dense) check() error {
	switch {
	case x.Rows <= 0 || x.Cols <= 0:
		return fmt.Errorf("a table of %d rows and %d columns has no data", x.Rows, x.Cols)
	case len(x.Data) != x.Rows*x.Cols:
		return fmt.Errorf("a table of %d rows and %d columns needs %d numbers, not %d", x.Rows, x.Cols, x.Rows*x.Cols, len(x.Data))
	}
	return nil
}

func (x Sparse) check() error {
	if len(x.Starts) < 2 || x.Cols <= 0 {
		return errors.New("a sparse table has no rows or no columns")
	}
	if x.Starts[0] != 0 || x.Starts[len(x.Starts)-1] != uint64(len(x.Values)) || len(x.Columns) != len(x.Values) {
		return errors.New("a sparse table's Starts must begin at 0 and end at the number of values, and each value needs its column")
	}
	for i := 1; i < len(x.Starts); i++ {
		if x.Starts[i] < x.Starts[i-1] {
			return fmt.Errorf("a sparse table's row %d ends before it starts", i-1)
		}
	}
	for i, c := range x.Columns {
		if int(c) >= x.Cols {
			return fmt.Errorf("a sparse table's value %d is in column %d of %d", i, c, x.Cols)
		}
	}
	return nil
}

func (info Info) check(rows, cols int) error {
	for _, vector := range []struct {
		what string
		have int
		want int
	}{
		{"Labels", len(info.Labels), rows}, {"Weights", len(info.Weights), rows},
		{"LabelLow", len(info.LabelLow), rows}, {"LabelHigh", len(info.LabelHigh), rows},
		{"FeatureNames", len(info.FeatureNames), cols}, {"FeatureTypes", len(info.FeatureTypes), cols},
	} {
		if vector.have != 0 && vector.have != vector.want {
			return fmt.Errorf("%s has %d entries where the table needs %d", vector.what, vector.have, vector.want)
		}
	}
	if len(info.BaseMargin)%rows != 0 {
		return fmt.Errorf("BaseMargin has %d entries, which is no multiple of %d rows", len(info.BaseMargin), rows)
	}
	return nil
}

// denseInterface describes x as the array interface that the library reads: where it lies, its shape and its type.
func denseInterface(x Dense) string {
	return fmt.Sprintf(`{"data":[%d,true],"shape":[%d,%d],"typestr":"<f4","version":3}`,
		uintptr(unsafe.Pointer(unsafe.SliceData(x.Data))), x.Rows, x.Cols)
}

func vectorInterface(p unsafe.Pointer, n int, typ string) string {
	return fmt.Sprintf(`{"data":[%d,true],"shape":[%d],"typestr":%q,"version":3}`, uintptr(p), n, typ)
}

func matrixConfig(threads int) string {
	return fmt.Sprintf(`{"missing":NaN,"nthread":%d}`, max(threads, 0))
}

// onOwnThread runs f on a thread that ends with it. OpenMP keeps a pool of threads for every thread that ever entered a parallel
// section; on Go's own threads these pools would pile up.
func onOwnThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // Never unlocked, so that the thread ends here.
		result <- f()
	}()
	return <-result
}
