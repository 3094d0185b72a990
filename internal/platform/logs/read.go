package logs

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"time"
)

// Limits of one page, as the service has them.
const (
	maxEvents = 10_000
	maxBytes  = 1 << 20
)

// settled is how long a file must not have changed for its last, unfinished line to count as a line.
const settled = 2 * time.Second

type line struct {
	text   string
	offset int64
}

// A reader reads whole lines of a stream, up to where the stream was observed.
type reader struct {
	st *stream
	f  *os.File
	r  *bufio.Reader
	to int64 // where the next line begins
}

// from opens a stream at an offset where a page ended.
func (st *stream) from(offset int64) (*reader, error) {
	f, err := os.Open(st.path)
	if err != nil {
		return nil, err
	}
	offset = min(offset, st.size) // a file that passed its limit was cut
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return &reader{st: st, f: f, r: bufio.NewReader(io.LimitReader(f, st.size-offset)), to: offset}, nil
}

// since opens a stream at the first line that is not older than a time, or a little before.
func (st *stream) since(ms int64) (*reader, error) {
	offset := st.seek(ms)
	r, err := st.from(max(0, offset-1))
	for offset > 0 && err == nil { // the byte before tells whether a line begins at the offset
		var part []byte
		part, err = r.r.ReadSlice('\n')
		r.to += int64(len(part))
		if err == nil || errors.Is(err, io.EOF) {
			return r, nil
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			err = nil
		}
	}
	return r, err
}

// next returns the next line; ok is false where none is finished.
func (r *reader) next() (l line, ok bool, err error) {
	var text []byte
	for {
		part, err := r.r.ReadSlice('\n')
		text = append(text, part...)
		if err == nil || len(text) >= maxBytes { // a line that is longer than a page goes on as another
			break
		}
		if errors.Is(err, io.EOF) {
			if len(text) == 0 || time.Since(r.st.lastModified) < settled {
				return line{}, false, nil // an unfinished line is read when it is finished
			}
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line{}, false, err
		}
	}
	l = line{clean(string(text)), r.to}
	r.to += int64(len(text))
	return l, true, nil
}

// forward reads lines, as far as a time.
func (r *reader) forward(limit int, end *int64) (lines []line, from, to int64, err error) {
	from, to = r.to, r.to
	for len(lines) < limit && to-from < maxBytes {
		l, ok, err := r.next()
		if err != nil {
			return nil, 0, 0, err
		}
		if !ok || end != nil && r.st.at(l.offset) >= *end {
			break
		}
		lines = append(lines, l)
		to = r.to
	}
	return lines, from, to, nil
}

// backward reads the last lines before an offset.
func (st *stream) backward(offset int64, limit int) (lines []line, from, to int64, err error) {
	offset = min(offset, st.size)
	f, err := os.Open(st.path)
	if err != nil {
		return nil, 0, 0, err
	}
	defer f.Close()
	start := max(0, offset-maxBytes)
	b := make([]byte, offset-start)
	if _, err := f.ReadAt(b, start); err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, 0, err
	}
	if start > 0 { // the first line of what was read may lack its beginning
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b, start = b[i+1:], start+int64(i)+1
		}
	}
	if i := bytes.LastIndexByte(b, '\n'); i+1 < len(b) && time.Since(st.lastModified) < settled {
		b = b[:i+1]
	}
	to = start + int64(len(b))
	at := start
	for _, part := range bytes.SplitAfter(b, []byte("\n")) {
		if len(part) > 0 {
			lines = append(lines, line{clean(string(part)), at})
		}
		at += int64(len(part))
	}
	lines = lines[max(0, len(lines)-limit):]
	if from = to; len(lines) > 0 {
		from = lines[0].offset
	}
	return lines, from, to, nil
}

func clean(s string) string {
	return strings.ToValidUTF8(strings.TrimRight(s, "\r\n"), "�")
}
