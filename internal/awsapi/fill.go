package awsapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"
)

// Fill copies a tree that Check has passed into the struct that dst points to. Members that travel outside the JSON body are filled too.
// It gives a SerializationException where a value does not fit its Go type, such as a timestamp that is none.
func Fill(dst, tree any) *Error {
	m, ok := tree.(map[string]any)
	if !ok {
		return serialization("a structure is wanted, got %T", tree)
	}
	return fillStruct(reflect.ValueOf(dst).Elem(), m)
}

func serialization(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, "SerializationException", format, args)
}

// fields maps a struct's members to its fields, by type.
var fields sync.Map // reflect.Type → map[string]int

func fieldsOf(t reflect.Type) map[string]int {
	if known, ok := fields.Load(t); ok {
		return known.(map[string]int)
	}
	m := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" { // bound to a header, the path, the query or the whole body
			name = f.Name
		}
		m[name] = i
	}
	fields.Store(t, m)
	return m
}

func fillStruct(v reflect.Value, m map[string]any) *Error {
	index := fieldsOf(v.Type())
	for name, value := range m {
		i, ok := index[name]
		if !ok {
			return serialization("%s has no member %s", v.Type().Name(), name)
		}
		if err := fillValue(v.Field(i), value); err != nil {
			return err
		}
	}
	return nil
}

var timeType = reflect.TypeFor[Time]()

func fillValue(v reflect.Value, value any) *Error {
	if value == nil {
		return nil
	}
	switch x := value.(type) {
	case string:
		if v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.String { // most values are of this kind
			v.Set(reflect.ValueOf(&x))
			return nil
		}
		return fillText(deref(v), x)
	case json.Number:
		return fillNumber(deref(v), x)
	case bool:
		if d := deref(v); d.Kind() == reflect.Bool {
			d.SetBool(x)
			return nil
		}
	case []byte:
		if v.Type() == reflect.TypeFor[[]byte]() {
			v.SetBytes(x)
			return nil
		}
	case []any:
		if v.Kind() == reflect.Slice {
			return fillList(v, x)
		}
	case map[string]any:
		switch d := deref(v); d.Kind() {
		case reflect.Struct:
			return fillStruct(d, x)
		case reflect.Map:
			return fillMap(d, x)
		}
	}
	return serialization("%T does not fit %s", value, v.Type())
}

// deref gives what a pointer field points to, made new.
func deref(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	v.Set(reflect.New(v.Type().Elem()))
	return v.Elem()
}

func fillText(v reflect.Value, text string) *Error {
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Type() == timeType:
		t, err := parseTime(text)
		if err != nil {
			return serialization("%v", err)
		}
		v.Set(reflect.ValueOf(Time{t}))
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return serialization("a blob is not base64: %v", err)
		}
		v.SetBytes(b)
	default:
		return serialization("STRING_VALUE does not fit %s", v.Type())
	}
	return nil
}

func fillNumber(v reflect.Value, n json.Number) *Error {
	switch {
	case v.CanInt():
		i, err := n.Int64()
		if err != nil { // a whole number may be written as 1.0 or 1e3
			f, ferr := n.Float64()
			if ferr != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
				return serialization("'%s' is not a whole number", n)
			}
			i = int64(f)
		}
		if v.OverflowInt(i) {
			return serialization("'%s' is too large", n)
		}
		v.SetInt(i)
	case v.CanFloat():
		f, err := n.Float64()
		if err != nil {
			return serialization("'%s' is not a number", n)
		}
		v.SetFloat(f)
	case v.Type() == timeType:
		var t Time
		if err := t.UnmarshalJSON([]byte(n)); err != nil {
			return serialization("%v", err)
		}
		v.Set(reflect.ValueOf(t))
	default:
		return serialization("NUMBER_VALUE does not fit %s", v.Type())
	}
	return nil
}

func fillList(v reflect.Value, list []any) *Error {
	out := reflect.MakeSlice(v.Type(), len(list), len(list))
	for i, e := range list {
		if err := fillValue(out.Index(i), e); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

func fillMap(v reflect.Value, m map[string]any) *Error {
	out := reflect.MakeMapWithSize(v.Type(), len(m))
	for k, e := range m {
		value := reflect.New(v.Type().Elem()).Elem()
		if err := fillValue(value, e); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), value)
	}
	v.Set(out)
	return nil
}

// A Bound is a member of an output that travels outside the JSON body.
type Bound struct {
	Member *Member
	Value  any // a string, int32, Time and so on, or the []byte of a payload
}

// BoundOf lists the members of an operation's output, a pointer to its struct, that travel outside the JSON body and are set.
func BoundOf(s *Shape, out any) []Bound {
	var bound []Bound
	v := reflect.ValueOf(out).Elem()
	index := fieldsOf(v.Type())
	for i := range s.Members {
		m := &s.Members[i]
		if m.Location == "" && m.Name != s.Payload {
			continue
		}
		f := v.Field(index[m.Name])
		if f.IsNil() {
			continue
		}
		if f.Kind() == reflect.Pointer {
			f = f.Elem()
		}
		bound = append(bound, Bound{m, f.Interface()})
	}
	return bound
}

// EmptyLists names the list members of an output that are empty. Clients read a list without asking whether it is there.
func EmptyLists(s *Shape, out any) []string {
	var names []string
	v := reflect.ValueOf(out).Elem()
	index := fieldsOf(v.Type())
	for i := range s.Members {
		m := &s.Members[i]
		if Shapes[m.Shape].Kind == "list" && m.Location == "" && v.Field(index[m.Name]).Len() == 0 {
			names = append(names, m.Name)
		}
	}
	return names
}

// HTTPTime is how a timestamp travels in a header.
func (t Time) HTTPTime() string { return t.UTC().Format(time.RFC1123) }

// String is for messages.
func (b Bound) String() string {
	if t, ok := b.Value.(Time); ok {
		return t.HTTPTime()
	}
	return fmt.Sprint(b.Value)
}

// Tree decodes a JSON text as Check wants it: numbers keep their text. Nothing may follow the text's one value; no text at all is an empty structure.
func Tree(text []byte) (any, *Error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return map[string]any{}, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, serialization("the request is not JSON: %v", err)
	}
	if d.More() || len(bytes.TrimSpace(text[d.InputOffset():])) > 0 {
		return nil, serialization("the request has more than one JSON value")
	}
	if tree == nil {
		tree = map[string]any{}
	}
	return tree, nil
}
