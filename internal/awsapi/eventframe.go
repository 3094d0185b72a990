package awsapi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
)

// A Frame is one message of the encoding application/vnd.amazon.eventstream: two lengths and their CRC, headers, a payload, and the CRC of it all.
type Frame struct {
	Headers map[string]string
	Payload []byte
}

// The encoding's own limits, in bytes.
const (
	maxFrameHeaders = 128 << 10
	maxFramePayload = 24 << 20

	prelude  = 12 // the length of the frame, that of the headers, and the CRC of both
	checksum = 4
)

// textHeader is the type of a header whose value is text, the only one that is written.
const textHeader = 7

// Append writes the frame to the end of b. Headers are written in the order of their names.
func (f Frame) Append(b []byte) ([]byte, error) {
	began := len(b)
	b = append(b, make([]byte, prelude)...)
	for _, name := range slices.Sorted(maps.Keys(f.Headers)) {
		value := f.Headers[name]
		if name == "" || len(name) > 255 || len(value) > 1<<15-1 {
			return nil, fmt.Errorf("the header %.50q of %d bytes cannot be in a frame", name, len(value))
		}
		b = append(append(b, byte(len(name))), name...)
		b = append(binary.BigEndian.AppendUint16(append(b, textHeader), uint16(len(value))), value...)
	}
	headers := len(b) - began - prelude
	if headers > maxFrameHeaders || len(f.Payload) > maxFramePayload {
		return nil, fmt.Errorf("a frame of %d bytes of headers and %d of payload is too large; at most %d and %d fit", headers, len(f.Payload), maxFrameHeaders, maxFramePayload)
	}
	b = append(b, f.Payload...)
	binary.BigEndian.PutUint32(b[began:], uint32(len(b)-began+checksum))
	binary.BigEndian.PutUint32(b[began+4:], uint32(headers))
	binary.BigEndian.PutUint32(b[began+8:], crc32.ChecksumIEEE(b[began:began+8]))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[began:])), nil
}

// ReadFrame reads the next frame. The error is io.EOF where the stream ends before it.
func ReadFrame(r io.Reader) (Frame, error) {
	var begin [prelude]byte
	if _, err := io.ReadFull(r, begin[:]); err != nil {
		return Frame{}, err
	}
	total, headers := binary.BigEndian.Uint32(begin[:]), binary.BigEndian.Uint32(begin[4:])
	if sum := crc32.ChecksumIEEE(begin[:8]); sum != binary.BigEndian.Uint32(begin[8:]) {
		return Frame{}, errors.New("the CRC of a frame's lengths is wrong")
	}
	payload := int64(total) - prelude - int64(headers) - checksum
	if headers > maxFrameHeaders || payload < 0 || payload > maxFramePayload {
		return Frame{}, fmt.Errorf("a frame cannot have %d bytes of which %d are headers", total, headers)
	}
	var body bytes.Buffer // it grows with what comes, whatever the length says
	if _, err := io.CopyN(&body, r, int64(total)-prelude); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, err
	}
	rest, sum := body.Bytes()[:body.Len()-checksum], body.Bytes()[body.Len()-checksum:]
	if crc32.Update(crc32.ChecksumIEEE(begin[:]), crc32.IEEETable, rest) != binary.BigEndian.Uint32(sum) {
		return Frame{}, errors.New("the CRC of a frame is wrong")
	}
	texts, err := readHeaders(rest[:headers])
	return Frame{texts, rest[headers:]}, err
}

// headerSizes are those of the values that are no text, by their type: true, false, four integers, a time and a UUID. That of bytes comes before them.
var headerSizes = map[byte]int{0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}

// readHeaders reads the headers that are text, and skips the others.
func readHeaders(b []byte) (map[string]string, error) {
	texts := map[string]string{}
	for len(b) > 0 {
		name := int(b[0])
		if len(b) < 1+name+1 || name == 0 {
			return nil, errors.New("a header of a frame is cut off")
		}
		kind, value := b[1+name], b[2+name:]
		size, fixed := headerSizes[kind]
		if kind == textHeader || kind == textHeader-1 { // text, bytes
			if fixed = len(value) >= 2; fixed {
				size, value = int(binary.BigEndian.Uint16(value)), value[2:]
			}
		}
		if !fixed || len(value) < size {
			return nil, fmt.Errorf("a header of a frame, of type %d, is cut off or unknown", kind)
		}
		if kind == textHeader {
			texts[string(b[1:1+name])] = string(value[:size])
		}
		b = value[size:]
	}
	return texts, nil
}
