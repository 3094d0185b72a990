package builtin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

const (
	jsonType      = "application/json"
	jsonLinesType = "application/jsonlines"
)

// requestType reads the request's Content-Type; without one it is CSV.
func requestType(header string) (string, error) {
	switch header {
	case "", csvType: // spares the parse
		return csvType, nil
	}
	name, _, err := mime.ParseMediaType(header)
	if err == nil || errors.Is(err, mime.ErrInvalidMediaParameter) {
		switch name {
		case csvType, jsonType, jsonLinesType, libsvmType, protobufType:
			return name, nil
		case xLibsvmType:
			return libsvmType, nil
		}
	}
	return "", refuse(http.StatusUnsupportedMediaType, "Content-Type %q is not served; use %s, %s, %s, %s or %s", header, csvType, jsonType, jsonLinesType, libsvmType, protobufType)
}

// decode appends the rows of a body to rows, each of that many features.
func decode(contentType string, body []byte, rows []float32, features int) ([]float32, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return rows, errors.New("the body is empty; at least one row is needed")
	}
	switch contentType {
	case protobufType:
		return decodeProtobuf(body, rows, features)
	case csvType:
		return decodeCSV(body, rows, features)
	case libsvmType:
		return decodeLibsvm(body, rows, features)
	case jsonLinesType:
		for n, line := range bytes.Split(bytes.TrimSpace(body), []byte("\n")) {
			var err error
			if rows, err = decodeJSONRow(line, rows, features); err != nil {
				return rows, fmt.Errorf("line %d: %w", n+1, err)
			}
		}
		return rows, nil
	}
	return decodeJSON(body, rows, features)
}

// decodeCSV reads lines of features only, divided by commas; an empty field is a missing value.
func decodeCSV(body []byte, rows []float32, features int) ([]float32, error) {
	at, row := 0, 0
	for at < len(body) {
		if next, blank := blankLine(body, at); blank {
			at = next
			continue
		}
		row++
		for column := 1; ; column++ {
			v, end, ok := nextNumber(body, at)
			if !ok {
				return rows, fmt.Errorf("row %d column %d: %q is not a number", row, column, fieldText(body, at))
			}
			rows = append(rows, v)
			at = min(end+1, len(body))
			if end == len(body) || body[end] == '\n' {
				if column != features {
					return rows, wrongLength(row, column, features)
				}
				break
			}
			if column == features {
				return rows, wrongLength(row, column+1+bytes.Count(firstLineOf(body[at:]), []byte(",")), features)
			}
		}
	}
	return rows, nil
}

func firstLineOf(b []byte) []byte {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return line
}

func wrongLength(row, have, features int) error {
	return fmt.Errorf("row %d has %d values; the model takes %d features (and no label)", row, have, features)
}

// decodeLibsvm reads lines of "index:value …", with or without a label before them.
func decodeLibsvm(body []byte, rows []float32, features int) ([]float32, error) {
	row := 0
	for line := range strings.Lines(string(body)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		row++
		start := len(rows)
		for range features {
			rows = append(rows, float32(math.NaN()))
		}
		for i, field := range fields {
			key, text, ok := strings.Cut(field, ":")
			if !ok && i == 0 {
				continue
			}
			index, indexErr := strconv.ParseUint(key, 10, 31)
			v, valueErr := libsvmNumber(text)
			if !ok || indexErr != nil || valueErr != nil {
				return rows, fmt.Errorf("row %d: %q is not index:value", row, shorten(field))
			}
			if index >= uint64(features) {
				return rows, fmt.Errorf("row %d: index %d; the model takes %d features, counted from 0", row, index, features)
			}
			rows[start+int(index)] = v
		}
	}
	return rows, nil
}

// decodeJSON reads {"instances":[{"features":[…]},…]}, {"instances":[[…],…]}, {"features":[…]}, [[…],…] or [….]. null is a missing value.
func decodeJSON(body []byte, rows []float32, features int) ([]float32, error) {
	var request struct {
		Instances []json.RawMessage `json:"instances"`
	}
	body = bytes.TrimSpace(body)
	if body[0] == '{' {
		if err := json.Unmarshal(body, &request); err != nil {
			return rows, jsonError(err)
		}
		if request.Instances == nil {
			return decodeJSONRow(body, rows, features)
		}
	} else if err := json.Unmarshal(body, &request.Instances); err != nil {
		return rows, jsonError(err)
	} else if len(request.Instances) > 0 && request.Instances[0][0] != '[' && request.Instances[0][0] != '{' {
		return decodeJSONRow(body, rows, features)
	}
	if len(request.Instances) == 0 {
		return rows, errors.New(`there is no row in "instances"`)
	}
	for i, instance := range request.Instances {
		var err error
		if rows, err = decodeJSONRow(instance, rows, features); err != nil {
			return rows, fmt.Errorf("row %d: %w", i+1, err)
		}
	}
	return rows, nil
}

// decodeJSONRow reads {"features":[…]} or […].
func decodeJSONRow(text []byte, rows []float32, features int) ([]float32, error) {
	var values []*float64
	var object struct {
		Features *[]*float64 `json:"features"`
	}
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] == '{' {
		if err := json.Unmarshal(text, &object); err != nil {
			return rows, jsonError(err)
		}
		if object.Features == nil {
			return rows, errors.New(`it has no "features"`)
		}
		values = *object.Features
	} else if err := json.Unmarshal(text, &values); err != nil {
		return rows, jsonError(err)
	}
	if len(values) != features {
		return rows, fmt.Errorf("it has %d values; the model takes %d features (and no label)", len(values), features)
	}
	for i, v := range values {
		switch {
		case v == nil:
			rows = append(rows, float32(math.NaN()))
		case math.Abs(*v) > math.MaxFloat32:
			return rows, fmt.Errorf("value %d: %v is beyond the range of a 32-bit number", i+1, *v)
		default:
			rows = append(rows, float32(*v))
		}
	}
	return rows, nil
}

// jsonError says what is wrong without Go's words for it.
func jsonError(err error) error {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("a %s is not a number or a list of numbers", mismatch.Value)
	}
	return fmt.Errorf("it is not JSON: %w", err)
}
