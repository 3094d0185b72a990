package records

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// RecordIO is MXNet's format: a magic number, the length in 29 bits below 3 bits that tell a whole record from a part of one, the payload, and
// zeros up to a multiple of 4. Where a payload has the magic number at such a multiple, writers may part it there and leave the number out.
// Source: dmlc-core, include/dmlc/recordio.h.
const (
	magic      = 0xced7230a
	lengthBits = 29
	headerSize = 8
)

// MaxRecordIO is the largest payload of a RecordIO record, in bytes.
const MaxRecordIO = 1<<lengthBits - 1

// The parts of a record.
const (
	whole = iota
	firstPart
	middlePart
	lastPart
)

// RecordIO reads a record; it is a Format.
func RecordIO(r *bufio.Reader, limit int64) (one Record, err error) {
	for want := uint32(whole); ; {
		start := len(one.Frame)
		if one.Frame, err = extend(r, one.Frame, headerSize, limit); err != nil {
			return one, err
		}
		head := one.Frame[start:]
		if found := binary.LittleEndian.Uint32(head); found != magic {
			return one, fmt.Errorf("%w: it is no RecordIO, because it begins with %#08x where the magic number %#08x must be", ErrBroken, found, uint32(magic))
		}
		length := int64(binary.LittleEndian.Uint32(head[4:]) & MaxRecordIO)
		part := binary.LittleEndian.Uint32(head[4:]) >> lengthBits
		if part > lastPart || (part == whole || part == firstPart) != (want == whole) {
			return one, fmt.Errorf("%w: it is no RecordIO, because a part with the flag %d is out of its turn", ErrBroken, part)
		}
		if one.Frame, err = extend(r, one.Frame, (length+3)/4*4, limit); err != nil {
			return one, err
		}
		payload := one.Frame[start+headerSize:][:length]
		if part == whole {
			one.Payload = payload
			return one, nil
		}
		if part != firstPart {
			one.Payload = binary.LittleEndian.AppendUint32(one.Payload, magic)
		}
		if one.Payload = append(one.Payload, payload...); part == lastPart {
			return one, nil
		}
		want = part
	}
}

// WriteRecordIO wraps what r gives, which is that many bytes, in one record. It is not parted, because readers do not agree on how parts are joined.
func WriteRecordIO(w io.Writer, r io.Reader, size int64) error {
	if size > MaxRecordIO {
		return fmt.Errorf("%d bytes are more than the %d of a RecordIO record", size, MaxRecordIO)
	}
	head := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, magic), uint32(size))
	if _, err := w.Write(head); err != nil {
		return err
	}
	if _, err := io.CopyN(w, r, size); err != nil {
		return err
	}
	_, err := w.Write(make([]byte, (4-size%4)%4))
	return err
}
