package builtin

import (
	"math"
	"net/http"
	"strconv"
	"strings"
)

// answerType chooses the answer's type by the Accept header: the first that is served. Without one it is the configured default,
// else JSON for a JSON request and CSV for all others.
func (h *handler) answerType(accept, request string) (string, error) {
	switch accept {
	case "", "*/*":
		switch {
		case h.accept != "":
			return h.accept, nil
		case request == jsonType || request == jsonLinesType:
			return request, nil
		}
		return csvType, nil
	case csvType, jsonType, jsonLinesType:
		return accept, nil
	}
	for part := range strings.SplitSeq(accept, ",") {
		name, _, _ := strings.Cut(part, ";")
		switch name = strings.ToLower(strings.TrimSpace(name)); name {
		case csvType, jsonType, jsonLinesType:
			return name, nil
		case "*/*", "text/*":
			return csvType, nil
		case "application/*":
			return jsonType, nil
		}
	}
	return "", refuse(http.StatusNotAcceptable, "Accept %q is not served; use %s, %s or %s", accept, csvType, jsonType, jsonLinesType)
}

// encode appends the answer to buf: CSV has a line for each row, JSON {"predictions":[{"score":…},…]}.
func encode(contentType string, buf []byte, out []float32, outputs int) []byte {
	rows := len(out) / outputs
	if contentType == jsonType {
		buf = append(buf, `{"predictions": [`...)
	}
	for i := range rows {
		row := out[i*outputs : (i+1)*outputs]
		switch contentType {
		case csvType:
			buf = append(appendList(buf, row, ","), '\n')
		case jsonLinesType:
			buf = append(appendScore(buf, row), '\n')
		default:
			if i > 0 {
				buf = append(buf, ", "...)
			}
			buf = appendScore(buf, row)
		}
	}
	if contentType == jsonType {
		buf = append(buf, "]}"...)
	}
	return buf
}

func appendScore(buf []byte, row []float32) []byte {
	buf = append(buf, `{"score": `...)
	if len(row) == 1 {
		buf = appendList(buf, row, "")
	} else {
		buf = append(buf, '[')
		buf = append(appendList(buf, row, ", "), ']')
	}
	return append(buf, '}')
}

func appendList(buf []byte, row []float32, between string) []byte {
	for i, v := range row {
		if i > 0 {
			buf = append(buf, between...)
		}
		buf = appendNumber(buf, v)
	}
	return buf
}

// appendNumber writes a number as the image's Python does: the shortest text of the value as a float64, always with a point or an
// exponent.
func appendNumber(buf []byte, v float32) []byte {
	f := float64(v)
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		format = 'e'
	}
	start := len(buf)
	buf = strconv.AppendFloat(buf, f, format, -1, 64)
	if format == 'f' && !strings.ContainsAny(string(buf[start:]), ".NI") {
		buf = append(buf, ".0"...)
	}
	return buf
}
