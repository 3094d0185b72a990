package records

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// A Record is one record of a file.
type Record struct {
	Payload []byte
	Frame   []byte // the payload as it lies in the file, with its header and padding
}

// ErrTooLarge is wrapped by the error of a record whose frame is larger than the limit.
var ErrTooLarge = errors.New("the record is larger than the limit")

// A Format reads the next record of a file, whose frame has at most limit bytes. It gives io.EOF where the file ends between two records.
type Format func(r *bufio.Reader, limit int64) (Record, error)

// ErrBroken is wrapped by the error of a frame that is none of its format, or that the file ends within.
var ErrBroken = errors.New("the record is broken")

// A Reader reads the records of a file.
type Reader struct {
	format Format
	from   *bufio.Reader
	limit  int64
	at     int64 // where the next record begins
}

// NewReader reads records of a format, whose frames have at most limit bytes.
func NewReader(r io.Reader, format Format, limit int64) *Reader {
	return &Reader{format: format, from: bufio.NewReaderSize(r, 1<<16), limit: limit}
}

// Next reads the next record, or gives io.EOF behind the last.
func (r *Reader) Next() (Record, error) {
	one, err := r.format(r.from, r.limit)
	if err == io.EOF { //nolint:errorlint // wrapped, it is the end of something inside a record
		return one, err
	}
	if err != nil {
		return one, fmt.Errorf("the record at byte %d: %w", r.at, err)
	}
	r.at += int64(len(one.Frame))
	return one, nil
}

// extend reads n more bytes behind frame. The end of the file there is no end between records.
func extend(r io.Reader, frame []byte, n, limit int64) ([]byte, error) {
	start := len(frame)
	if int64(start)+n > limit {
		return frame, fmt.Errorf("%w of %d bytes", ErrTooLarge, limit)
	}
	frame = append(frame, make([]byte, n)...)
	_, err := io.ReadFull(r, frame[start:])
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) && start > 0 {
		err = fmt.Errorf("%w: the file ends within it", ErrBroken)
	}
	return frame, err
}
