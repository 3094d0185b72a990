package transform

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A form is how records are written.
type form int

const (
	opaque form = iota // not looked into
	csvForm
	jsonForm
)

// formOf finds the form of a content type.
func formOf(contentType string) form {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch strings.TrimSpace(media) {
	case "text/csv":
		return csvForm
	case "application/json", "application/jsonlines", "application/x-ndjson":
		return jsonForm
	}
	return opaque
}

// parse reads one record: a CSV row as a list of its texts, JSON as it is.
func (f form) parse(text []byte) (any, error) {
	if f == jsonForm {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		v, err := decode(d)
		if err == nil {
			if _, err = d.Token(); errors.Is(err, io.EOF) {
				return v, nil
			}
			err = errors.New("there is more behind it")
		}
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.LazyQuotes = true
	row, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("it is no CSV: %w", err)
	}
	list := make([]any, len(row))
	for i, value := range row {
		list[i] = value
	}
	return list, nil
}

// render writes one record, without the end of a line.
func (f form) render(v any) ([]byte, error) {
	if f == jsonForm {
		return marshal(v)
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	row := make([]string, len(list))
	for i, value := range list {
		row[i] = fmt.Sprint(value)
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	err := w.Write(row)
	w.Flush()
	return bytes.TrimRight(b.Bytes(), "\n"), errors.Join(err, w.Error())
}

// The members of a joined record that is no object, and of the answer in one that is.
const (
	inputMember  = "SageMakerInput"
	outputMember = "SageMakerOutput"
)

// join makes one record of an input and its answer.
func (f form) join(in, out any) any {
	if f == csvForm {
		return append(append([]any{}, in.([]any)...), out.([]any)...)
	}
	joined, ok := in.(*jsonObject)
	if !ok {
		joined = &jsonObject{values: map[string]any{}}
		joined.set(inputMember, in)
	}
	joined.set(outputMember, out)
	return joined
}

// A jsonObject keeps the order of its members.
type jsonObject struct {
	names  []string
	values map[string]any
}

func (o *jsonObject) set(name string, value any) {
	if _, ok := o.values[name]; !ok {
		o.names = append(o.names, name)
	}
	o.values[name] = value
}

// MarshalJSON writes the members in their order.
func (o *jsonObject) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, name := range o.names {
		key, err := marshal(name)
		if err != nil {
			return nil, err
		}
		value, err := marshal(o.values[name])
		if err != nil {
			return nil, err
		}
		b.WriteByte("{,"[min(i, 1)])
		b.Write(append(append(key, ':'), value...))
	}
	if len(o.names) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshal writes JSON with all characters as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// decode reads one JSON value; objects keep their order.
func decode(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		o := &jsonObject{values: map[string]any{}}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			value, err := decode(d)
			if err != nil {
				return nil, err
			}
			o.set(name.(string), value)
		}
		_, err = d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			value, err := decode(d)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = d.Token()
		return list, err
	}
	return t, nil
}
