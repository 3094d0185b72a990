package xgboost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// decodeModel reads either of XGBoost's formats into maps, lists and numbers.
func decodeModel(data []byte) (any, error) {
	first := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(first) == 0:
		return nil, errors.New("not an XGBoost model: it is empty")
	case first[0] != '{':
		return nil, fmt.Errorf("not an XGBoost model: it begins with %q where JSON and UBJSON begin with a brace; a pickle, or a model of XGBoost before 1.0, must be saved again",
			first[:min(len(first), 8)])
	case !looksLikeJSON(data):
		v, err := decodeUBJ(data)
		if err != nil {
			return nil, fmt.Errorf("not a whole XGBoost model: %w", err)
		}
		return v, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber() // A float32 must be rounded once, from its text.
	var v any
	if err := d.Decode(&v); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("it ends after %d bytes: %w", len(data), err)
		}
		return nil, fmt.Errorf("not a whole XGBoost model: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("not an XGBoost model: something follows its end at byte %d", d.InputOffset())
	}
	return v, nil
}

// picker takes values out of a decoded model and keeps the first mistake, so that taking many reads as a list.
type picker struct{ err error }

func (p *picker) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("not a valid XGBoost model: "+format, args...)
	}
}

// at follows names down through objects.
func (p *picker) at(v any, names ...string) any {
	for _, name := range names {
		object, ok := v.(map[string]any)
		if !ok {
			p.fail("%q is not in an object", name)
			return nil
		}
		if v, ok = object[name]; !ok {
			p.fail("it has no %q", name)
			return nil
		}
	}
	return v
}

func (p *picker) has(v any, name string) bool {
	object, _ := v.(map[string]any)
	_, ok := object[name]
	return ok
}

func (p *picker) text(v any, name string) string {
	s, ok := p.at(v, name).(string)
	if !ok {
		p.fail("%q is not a text", name)
	}
	return s
}

// count reads a number that the schema writes as a text.
func (p *picker) count(v any, name string) int {
	if !p.has(v, name) {
		return 0
	}
	n, err := strconv.ParseInt(p.text(v, name), 10, 32)
	if err != nil || n < 0 {
		p.fail("%q is not a count", name)
	}
	return int(n)
}

func (p *picker) list(v any, name string) []any {
	l, ok := p.at(v, name).([]any)
	if !ok {
		p.fail("%q is not a list", name)
	}
	return l
}

func (p *picker) texts(v any, name string) []string {
	var out []string
	for _, one := range p.list(v, name) {
		s, ok := one.(string)
		if !ok {
			p.fail("%q is not a list of texts", name)
		}
		out = append(out, s)
	}
	return out
}

func (p *picker) ints(v any, name string) []int32 {
	switch l := p.at(v, name).(type) {
	case []int32:
		return l
	case []int8:
		return widen(l)
	case []uint8:
		return widen(l)
	case []int16:
		return widen(l)
	case []int64:
		out := make([]int32, len(l))
		for i, n := range l {
			if n < math.MinInt32 || n > math.MaxInt32 {
				p.fail("%q has %d, which is no 32-bit number", name, n)
			}
			out[i] = int32(n)
		}
		return out
	case []any:
		out := make([]int32, len(l))
		for i, one := range l {
			out[i] = p.int(one, name)
		}
		return out
	}
	p.fail("%q is not a list of whole numbers", name)
	return nil
}

func (p *picker) int(v any, name string) int32 {
	switch n := v.(type) {
	case int64:
		if n >= math.MinInt32 && n <= math.MaxInt32 {
			return int32(n)
		}
	case bool:
		if n {
			return 1
		}
		return 0
	case json.Number:
		if i, err := strconv.ParseInt(n.String(), 10, 32); err == nil {
			return int32(i)
		}
	}
	p.fail("%q has %v, which is no whole number", name, v)
	return 0
}

func (p *picker) floats(v any, name string) []float32 {
	switch l := p.at(v, name).(type) {
	case []float32:
		return l
	case []any:
		out := make([]float32, len(l))
		for i, one := range l {
			out[i] = p.float(one, name)
		}
		return out
	}
	p.fail("%q is not a list of numbers", name)
	return nil
}

func (p *picker) float(v any, name string) float32 {
	switch n := v.(type) {
	case float64:
		return float32(n)
	case int64:
		return float32(n)
	case json.Number:
		if f, err := strconv.ParseFloat(n.String(), 32); err == nil {
			return float32(f)
		}
	}
	p.fail("%q has %v, which is no 32-bit number", name, v)
	return 0
}

func widen[T int8 | uint8 | int16](list []T) []int32 {
	out := make([]int32, len(list))
	for i, n := range list {
		out[i] = int32(n)
	}
	return out
}
