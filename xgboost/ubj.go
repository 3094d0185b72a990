package xgboost

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// maxNesting is far above the seven levels of a model; a file of brackets only must not use up the stack.
const maxNesting = 64

// decodeUBJ reads one UBJSON value (the draft-12 specification, as XGBoost writes it) into map[string]any, []any, string, bool, nil,
// int64, float64, and for typed lists []float32, []float64, []int8, []uint8, []int16, []int32, []int64.
func decodeUBJ(data []byte) (any, error) {
	r := &ubjReader{data: data}
	v, err := r.value(0)
	if err != nil {
		return nil, fmt.Errorf("at byte %d of %d: %w", r.at, len(data), err)
	}
	if r.at != len(data) {
		return nil, fmt.Errorf("%d bytes follow the model, which ends at byte %d", len(data)-r.at, r.at)
	}
	return v, nil
}

type ubjReader struct {
	data []byte
	at   int
}

func (r *ubjReader) take(n int) ([]byte, error) {
	if n < 0 || n > len(r.data)-r.at {
		return nil, fmt.Errorf("%d bytes are needed and %d are left: %w", n, len(r.data)-r.at, io.ErrUnexpectedEOF)
	}
	b := r.data[r.at : r.at+n]
	r.at += n
	return b, nil
}

func (r *ubjReader) marker() (byte, error) {
	b, err := r.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (r *ubjReader) value(depth int) (any, error) {
	m, err := r.marker()
	if err != nil {
		return nil, err
	}
	return r.valueOf(m, depth)
}

func (r *ubjReader) valueOf(marker byte, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("nested deeper than %d levels", maxNesting)
	}
	switch marker {
	case '{':
		return r.object(depth)
	case '[':
		return r.list(depth)
	case 'Z':
		return nil, nil
	case 'T':
		return true, nil
	case 'F':
		return false, nil
	case 'S':
		return r.text()
	case 'd', 'D':
		return r.float(marker)
	default:
		return r.integer(marker)
	}
}

func (r *ubjReader) float(marker byte) (float64, error) {
	if marker == 'd' {
		b, err := r.take(4)
		if err != nil {
			return 0, err
		}
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b))), nil
	}
	b, err := r.take(8)
	if err != nil {
		return 0, err
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
}

func (r *ubjReader) integer(marker byte) (int64, error) {
	size := map[byte]int{'i': 1, 'U': 1, 'C': 1, 'I': 2, 'l': 4, 'L': 8}[marker]
	if size == 0 {
		return 0, fmt.Errorf("%q begins no value", marker)
	}
	b, err := r.take(size)
	if err != nil {
		return 0, err
	}
	switch marker {
	case 'U', 'C':
		return int64(b[0]), nil
	case 'i':
		return int64(int8(b[0])), nil
	case 'I':
		return int64(int16(binary.BigEndian.Uint16(b))), nil
	case 'l':
		return int64(int32(binary.BigEndian.Uint32(b))), nil
	default:
		return int64(binary.BigEndian.Uint64(b)), nil
	}
}

// length reads a count and refuses one that the rest of the file cannot hold at size bytes each.
func (r *ubjReader) length(size int) (int, error) {
	m, err := r.marker()
	if err != nil {
		return 0, err
	}
	n, err := r.integer(m)
	if err != nil {
		return 0, err
	}
	if n < 0 || n > int64((len(r.data)-r.at)/max(size, 1)) {
		return 0, fmt.Errorf("a length of %d is more than the %d bytes left: %w", n, len(r.data)-r.at, io.ErrUnexpectedEOF)
	}
	return int(n), nil
}

func (r *ubjReader) text() (string, error) {
	n, err := r.length(1)
	if err != nil {
		return "", err
	}
	b, err := r.take(n)
	return string(b), err
}

func (r *ubjReader) object(depth int) (any, error) {
	object := map[string]any{}
	for {
		if r.at < len(r.data) && r.data[r.at] == '}' {
			r.at++
			return object, nil
		}
		key, err := r.text()
		if err != nil {
			return nil, err
		}
		if object[key], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
}

func (r *ubjReader) list(depth int) (any, error) {
	if r.at >= len(r.data) {
		return nil, io.ErrUnexpectedEOF
	}
	switch r.data[r.at] {
	case '$':
		return r.typedList()
	case '#':
		r.at++
		n, err := r.length(1)
		if err != nil {
			return nil, err
		}
		var list []any // Grows as values come: a count of a million in a short file must not reserve for a million.
		for range n {
			v, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	var list []any
	for {
		m, err := r.marker()
		if err != nil {
			return nil, err
		}
		if m == ']' {
			return list, nil
		}
		v, err := r.valueOf(m, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
}

func (r *ubjReader) typedList() (any, error) {
	head, err := r.take(3)
	if err != nil {
		return nil, err
	}
	if head[2] != '#' {
		return nil, errors.New("a typed list has no count")
	}
	switch head[1] {
	case 'd':
		return numbers(r, 4, func(b []byte) float32 { return math.Float32frombits(binary.BigEndian.Uint32(b)) })
	case 'D':
		return numbers(r, 8, func(b []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(b)) })
	case 'i':
		return numbers(r, 1, func(b []byte) int8 { return int8(b[0]) })
	case 'U':
		return numbers(r, 1, func(b []byte) uint8 { return b[0] })
	case 'I':
		return numbers(r, 2, func(b []byte) int16 { return int16(binary.BigEndian.Uint16(b)) })
	case 'l':
		return numbers(r, 4, func(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) })
	case 'L':
		return numbers(r, 8, func(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) })
	}
	return nil, fmt.Errorf("a list of %q is not known", head[1])
}

func numbers[T any](r *ubjReader, size int, one func([]byte) T) (any, error) {
	n, err := r.length(size)
	if err != nil {
		return nil, err
	}
	b, err := r.take(n * size)
	if err != nil {
		return nil, err
	}
	list := make([]T, n)
	for i := range list {
		list[i] = one(b[i*size:])
	}
	return list, nil
}
