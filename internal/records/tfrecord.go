package records

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// TFRecord is TensorFlow's format: the length in 64 bits, a checksum of it, the payload, and a checksum of that.
// Source: https://www.tensorflow.org/tutorials/load_data/tfrecord.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum as TFRecord keeps it.
func masked(b []byte) uint32 {
	sum := crc32.Checksum(b, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// TFRecord reads a record; it is a Format.
func TFRecord(r *bufio.Reader, limit int64) (one Record, err error) {
	if one.Frame, err = extend(r, nil, 12, limit); err != nil {
		return one, err
	}
	length := binary.LittleEndian.Uint64(one.Frame)
	if binary.LittleEndian.Uint32(one.Frame[8:]) != masked(one.Frame[:8]) {
		return one, fmt.Errorf("%w: it is no TFRecord, because the checksum of its length is another", ErrBroken)
	}
	if length > uint64(limit) {
		return one, fmt.Errorf("%w of %d bytes", ErrTooLarge, limit)
	}
	if one.Frame, err = extend(r, one.Frame, int64(length)+4, limit); err != nil {
		return one, err
	}
	one.Payload = one.Frame[12 : 12+length]
	if binary.LittleEndian.Uint32(one.Frame[12+length:]) != masked(one.Payload) {
		return one, fmt.Errorf("%w: the checksum of its data is another", ErrBroken)
	}
	return one, nil
}

// AppendTFRecord appends a payload as a record.
func AppendTFRecord(to, payload []byte) []byte {
	start := len(to)
	to = binary.LittleEndian.AppendUint64(to, uint64(len(payload)))
	to = binary.LittleEndian.AppendUint32(to, masked(to[start:]))
	to = append(to, payload...)
	return binary.LittleEndian.AppendUint32(to, masked(payload))
}
