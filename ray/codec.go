package ray

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// The first byte of an encoded value says how the rest is written.
const (
	codeNil     = 'n' // a nil pointer, slice or map
	codeEmpty   = 'e' // a value without members
	codeBytes   = 'b' // []byte or string as it is
	codeNumbers = 'x' // a slice of numbers, little endian
	codeGob     = 'g'
)

// encode turns a value into bytes and collects the references in it.
func encode[T any](v T) (payload, error) {
	switch x := any(v).(type) {
	case []byte:
		if x != nil {
			return payload{Data: append([]byte{codeBytes}, x...)}, nil
		}
	case string:
		return payload{Data: append([]byte{codeBytes}, x...)}, nil
	case []float64, []float32, []int64, []int32:
		if !reflect.ValueOf(x).IsNil() {
			b, err := binary.Append([]byte{codeNumbers}, binary.LittleEndian, x)
			return payload{Data: b}, err
		}
	}
	r := reflect.ValueOf(&v).Elem()
	switch r.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		if r.IsNil() {
			return payload{Data: []byte{codeNil}}, nil
		}
	case reflect.Struct:
		if r.NumField() == 0 {
			return payload{Data: []byte{codeEmpty}}, nil
		}
	}
	var b bytes.Buffer
	b.WriteByte(codeGob)
	if err := gob.NewEncoder(&b).EncodeValue(r.Addr()); err != nil {
		return payload{}, fmt.Errorf("a value of type %v cannot be sent: %w", r.Type(), err)
	}
	p := payload{Data: b.Bytes()}
	eachHandle(r, func(h *handle) {
		p.Refs = append(p.Refs, h.id)
		p.held = append(p.held, h)
	})
	return p, nil
}

// decode reads a value and binds the references in it to the engine.
func decode[T any](p payload, v *T, e engine) error {
	if len(p.Data) == 0 {
		return errors.New("the value is empty")
	}
	code, data := p.Data[0], p.Data[1:]
	switch x := any(v).(type) {
	case *[]byte:
		if code == codeBytes {
			*x = append([]byte{}, data...)
			return nil
		}
	case *string:
		if code == codeBytes {
			*x = string(data)
			return nil
		}
	case *[]float64:
		return numbers(code, data, x, 8)
	case *[]float32:
		return numbers(code, data, x, 4)
	case *[]int64:
		return numbers(code, data, x, 8)
	case *[]int32:
		return numbers(code, data, x, 4)
	}
	switch code {
	case codeNil, codeEmpty:
		return nil
	case codeGob:
		r := reflect.ValueOf(v)
		if err := gob.NewDecoder(bytes.NewReader(data)).DecodeValue(r); err != nil {
			return fmt.Errorf("the value is no %T: %w", *v, err)
		}
		eachHandle(r.Elem(), func(h *handle) { h.bind(e) })
		return nil
	}
	return fmt.Errorf("the value is no %T: it is written as %q", *v, code)
}

func numbers[N any](code byte, data []byte, out *[]N, size int) error {
	switch {
	case code == codeNil:
		*out = nil
		return nil
	case code != codeNumbers || len(data)%size != 0:
		return fmt.Errorf("the value is no %T: it is written as %q in %d bytes", *out, code, len(data))
	}
	*out = make([]N, len(data)/size)
	_, err := binary.Decode(data, binary.LittleEndian, *out)
	return err
}

type referrer interface{ reference() *handle }

var (
	referrerType = reflect.TypeFor[referrer]()
	mayRefer     sync.Map // reflect.Type → bool
)

// eachHandle visits the references in v wherever gob would write them: in exported fields, elements, and behind pointers and interfaces.
func eachHandle(v reflect.Value, visit func(*handle)) {
	if !v.IsValid() || !refers(v.Type()) {
		return
	}
	if v.Type().Implements(referrerType) && v.Kind() == reflect.Struct {
		if h := v.Interface().(referrer).reference(); h != nil {
			visit(h)
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			eachHandle(v.Elem(), visit)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			eachHandle(v.Index(i), visit)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			eachHandle(it.Key(), visit)
			eachHandle(it.Value(), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachHandle(v.Field(i), visit)
			}
		}
	}
}

// refers says whether a value of the type can hold a reference, so that most values are not walked at all.
func refers(t reflect.Type) bool {
	if known, ok := mayRefer.Load(t); ok {
		return known.(bool)
	}
	found := search(t, map[reflect.Type]bool{})
	mayRefer.Store(t, found)
	return found
}

func search(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if t.Implements(referrerType) || t.Kind() == reflect.Interface {
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return search(t.Elem(), seen)
	case reflect.Map:
		return search(t.Key(), seen) || search(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && search(f.Type, seen) {
				return true
			}
		}
	}
	return false
}
