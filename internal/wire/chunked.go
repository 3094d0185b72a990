package wire

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The aws-chunked coding, as documented in "Signature calculations for the Authorization header: transferring payload in multiple chunks".
// A chunk is SIZE[;chunk-signature=HEX] CRLF DATA CRLF, sizes in hexadecimal; the last has size 0 and is followed by trailers, one a line, and an
// empty line.

const (
	maxChunkLine = 1 << 10 // bytes of a line before a chunk or of a trailer
	maxTrailers  = 16
)

// chunked reads a body in aws-chunked coding.
type chunked struct {
	src       *bufio.Reader
	closer    io.Closer
	sign      *chunkSigner // nil where chunks are not signed
	trailer   http.Header  // nil where no trailers may follow
	announced []string     // trailers that must come
	want      int64        // bytes that the decoded body must have

	got     int64
	left    int64  // of this chunk
	claimed string // signature of this chunk
	err     error
}

func newChunked(body io.ReadCloser) *chunked {
	return &chunked{src: bufio.NewReaderSize(body, 32<<10), closer: body}
}

func (c *chunked) Close() error { return c.closer.Close() }

func (c *chunked) Read(b []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(b) == 0 {
		return 0, nil
	}
	n, err := c.read(b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = &bodyError{"IncompleteBody", "The request body ended within a chunk"}
	}
	c.err = err
	return n, err
}

func (c *chunked) read(b []byte) (int, error) {
	if c.left == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.src.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	c.got += int64(n)
	if c.sign != nil {
		c.sign.hash.Write(b[:n])
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && c.left == 0 {
		err = c.endChunk()
	}
	if err == nil && c.left == 0 && c.got == c.want {
		err = c.next() // trailers and the last signature come with the last byte, for readers that stop there
	}
	return n, err
}

// next reads the line before a chunk; before the last one, everything to the end, and gives io.EOF.
func (c *chunked) next() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(line, ";")
	c.left, err = strconv.ParseInt(size, 16, 63)
	if err != nil || c.left < 0 {
		return &bodyError{"InvalidChunkSizeError", "A chunk of the body must begin with its size in hexadecimal"}
	}
	if c.left > c.want-c.got { // found here, because a reader may stop at the length it was told
		return &bodyError{"IncompleteBody", "The request body is longer than its x-amz-decoded-content-length"}
	}
	if c.sign != nil {
		signature, ok := strings.CutPrefix(extension, "chunk-signature=")
		if !ok {
			return refuse(mismatch, "A chunk of the body is not signed")
		}
		c.claimed, c.sign.hash = signature, sha256.New()
	}
	if c.left > 0 {
		return nil
	}
	if c.sign != nil {
		if err := c.sign.check(c.claimed); err != nil {
			return err
		}
	}
	if err := c.readTrailers(); err != nil {
		return err
	}
	if c.got != c.want {
		return &bodyError{"IncompleteBody", "The request body is shorter than its x-amz-decoded-content-length"}
	}
	return io.EOF
}

func (c *chunked) endChunk() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	if line != "" {
		return &bodyError{"InvalidChunkSizeError", "A chunk of the body is longer than the size before it"}
	}
	if c.sign == nil {
		return nil
	}
	return c.sign.check(c.claimed)
}

// line reads a line without its end. Some clients leave out the very last line end, so the end of the body ends a line, too.
func (c *chunked) line() (string, error) {
	raw, err := c.src.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || len(raw) > maxChunkLine {
		return "", &bodyError{"InvalidChunkSizeError", "A line between the chunks of the body is too long"}
	}
	if errors.Is(err, io.EOF) {
		if len(raw) == 0 {
			return "", io.ErrUnexpectedEOF
		}
		err = nil
	}
	return string(bytes.TrimRight(raw, "\r\n")), err
}

func (c *chunked) readTrailers() error {
	var signed []byte
	var signature string
	count := 0
	for {
		line, err := c.line()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			break // the empty line was left out
		}
		if err != nil {
			return err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if count++; !ok || c.trailer == nil || count > maxTrailers {
			return &bodyError{"MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema."}
		}
		if name == "x-amz-trailer-signature" {
			signature = value
			continue
		}
		if !slices.Contains(c.announced, name) {
			return &bodyError{"MalformedTrailerError", "The trailer " + clip(name) + " is not announced in x-amz-trailer"}
		}
		signed = append(signed, name+":"+value+"\n"...)
		c.trailer.Set(name, value)
	}
	for _, name := range c.announced {
		if c.trailer.Get(name) == "" {
			return &bodyError{"MalformedTrailerError", "The trailer " + clip(name) + ", announced in x-amz-trailer, is missing"}
		}
	}
	if c.sign != nil && c.trailer != nil {
		return c.sign.checkTrailer(signed, signature)
	}
	return nil
}

// chunkSigner follows the chain of chunk signatures, each of which covers the one before.
type chunkSigner struct {
	key                   []byte
	when, scope, previous string
	hash                  hash.Hash // of this chunk
}

func (s *chunkSigner) check(claimed string) error {
	return s.advance(claimed, algorithm+"-PAYLOAD", s.when, s.scope, s.previous, emptyHash, hex.EncodeToString(s.hash.Sum(nil)))
}

func (s *chunkSigner) checkTrailer(trailers []byte, claimed string) error {
	sum := sha256.Sum256(trailers)
	return s.advance(claimed, algorithm+"-TRAILER", s.when, s.scope, s.previous, hex.EncodeToString(sum[:]))
}

func (s *chunkSigner) advance(claimed string, lines ...string) error {
	s.previous = hex.EncodeToString(hmacSHA256(s.key, lines...))
	if subtle.ConstantTimeCompare([]byte(s.previous), []byte(claimed)) != 1 {
		return refuse(mismatch, "The signature of a chunk of the body does not match.")
	}
	return nil
}
