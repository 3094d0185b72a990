package xgboost

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"
)

// booster owns one of the library's boosters. Its methods that change it must not run at the same time as any other.
type booster struct {
	handle C.mx_handle
}

func newBooster(matrices ...*Matrix) (*booster, error) {
	handles := make([]C.mx_handle, len(matrices))
	for i, m := range matrices {
		handles[i] = m.handle
	}
	b := &booster{}
	err := call("make a booster", func(e *C.char, n C.size_t) C.int {
		return C.mx_booster_new(unsafe.SliceData(handles), C.uint64_t(len(handles)), &b.handle, e, n)
	})
	runtime.KeepAlive(matrices)
	return b, err
}

func (b *booster) free() {
	if b.handle != nil {
		C.mx_booster_free(b.handle)
		b.handle = nil
	}
}

func (b *booster) set(params []Param) error {
	for _, p := range params {
		name, value := C.CString(p.Name), C.CString(p.Value)
		err := call(fmt.Sprintf("set %s to %q", p.Name, p.Value), func(e *C.char, n C.size_t) C.int {
			return C.mx_booster_set(b.handle, name, value, e, n)
		})
		C.free(unsafe.Pointer(name))
		C.free(unsafe.Pointer(value))
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *booster) setAttr(name, value string) error {
	key, text := C.CString(name), C.CString(value)
	defer C.free(unsafe.Pointer(key))
	defer C.free(unsafe.Pointer(text))
	return call("set attribute "+name, func(e *C.char, n C.size_t) C.int { return C.mx_booster_attr(b.handle, key, text, e, n) })
}

// name gives a new model the names and types of its features; the library itself takes them from no matrix.
func (b *booster) name(m *Matrix) error {
	for field, values := range map[string][]string{"feature_name": m.names, "feature_type": m.types} {
		if len(values) == 0 {
			continue
		}
		key := C.CString(field)
		texts, free := cStrings(values)
		err := call("set "+field, func(e *C.char, n C.size_t) C.int {
			return C.mx_booster_strings(b.handle, key, &texts[0], C.uint64_t(len(texts)), e, n)
		})
		free()
		C.free(unsafe.Pointer(key))
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *booster) update(round int, train *Matrix) error {
	defer runtime.KeepAlive(train)
	return call(fmt.Sprintf("train round %d", round), func(e *C.char, n C.size_t) C.int {
		return C.mx_booster_update(b.handle, C.int(round), train.handle, e, n)
	})
}

func (b *booster) rounds() (int, error) {
	var rounds C.int
	err := call("count rounds", func(e *C.char, n C.size_t) C.int { return C.mx_booster_rounds(b.handle, &rounds, e, n) })
	return int(rounds), err
}

func (b *booster) features() (int, error) {
	var features C.uint64_t
	err := call("count features", func(e *C.char, n C.size_t) C.int { return C.mx_booster_features(b.handle, &features, e, n) })
	return int(features), err
}

// slice returns a booster of the first rounds only.
func (b *booster) slice(rounds int) (*booster, error) {
	s := &booster{}
	err := call(fmt.Sprintf("keep the first %d rounds", rounds), func(e *C.char, n C.size_t) C.int {
		return C.mx_booster_slice(b.handle, 0, C.int(rounds), &s.handle, e, n)
	})
	return s, err
}

// eval returns the library's line of metrics: "[round]\tname-metric:value\t…".
func (b *booster) eval(round int, evals []Eval) (string, error) {
	handles := make([]C.mx_handle, len(evals))
	names := make([]string, len(evals))
	for i, e := range evals {
		handles[i], names[i] = e.Data.handle, e.Name
	}
	texts, free := cStrings(names)
	defer free()
	var line *C.char
	err := call(fmt.Sprintf("evaluate round %d", round), func(e *C.char, n C.size_t) C.int {
		return C.mx_booster_eval(b.handle, C.int(round), &handles[0], &texts[0], C.uint64_t(len(handles)), &line, e, n)
	})
	runtime.KeepAlive(evals)
	if err != nil {
		return "", err
	}
	defer C.free(unsafe.Pointer(line))
	return C.GoString(line), nil
}

// save returns the model as "json" or "ubj".
func (b *booster) save(format string) ([]byte, error) {
	config := C.CString(fmt.Sprintf(`{"format":%q}`, format))
	defer C.free(unsafe.Pointer(config))
	var data *C.char
	var size C.uint64_t
	err := call("save the model", func(e *C.char, n C.size_t) C.int { return C.mx_booster_save(b.handle, config, &data, &size, e, n) })
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(data))
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(data)), size)...), nil
}

func (b *booster) load(model []byte) error {
	return call("load the model", func(e *C.char, n C.size_t) C.int {
		return C.mx_booster_load(b.handle, unsafe.Pointer(unsafe.SliceData(model)), C.uint64_t(len(model)), e, n)
	})
}

// predictDense reads x where it lies. It may run at the same time as itself.
func (b *booster) predictDense(x Dense) ([]float32, error) {
	array, config := C.CString(denseInterface(x)), C.CString(predictConfig)
	defer C.free(unsafe.Pointer(array))
	defer C.free(unsafe.Pointer(config))
	var values *C.float
	var size C.uint64_t
	err := call("predict", func(e *C.char, n C.size_t) C.int {
		return C.mx_booster_predict_dense(b.handle, array, config, &values, &size, e, n)
	})
	runtime.KeepAlive(x.Data)
	return floats(values, size, err)
}

func (b *booster) predictMatrix(m *Matrix) ([]float32, error) {
	config := C.CString(predictConfig)
	defer C.free(unsafe.Pointer(config))
	var values *C.float
	var size C.uint64_t
	err := call("predict", func(e *C.char, n C.size_t) C.int {
		return C.mx_booster_predict_matrix(b.handle, m.handle, config, &values, &size, e, n)
	})
	runtime.KeepAlive(m)
	return floats(values, size, err)
}

// predictConfig asks for transformed predictions by all trees, one row after another.
const predictConfig = `{"type":0,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":false,"missing":NaN,"cache_id":0}`

func floats(values *C.float, size C.uint64_t, err error) ([]float32, error) {
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(values))
	return append([]float32(nil), unsafe.Slice((*float32)(unsafe.Pointer(values)), size)...), nil
}
