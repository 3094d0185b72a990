package wire

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/object"
)

// payload is the body of a request to S3. What is wrong with it appears as the error that S3 has for it, and with nothing read, so that no reader
// can take the body for complete.
type payload struct {
	r       io.ReadCloser
	hash    hash.Hash // nil where the payload is not covered by the signature
	claimed string
}

func (p *payload) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.hash != nil {
		p.hash.Write(b[:n])
		if errors.Is(err, io.EOF) && subtle.ConstantTimeCompare([]byte(hex.EncodeToString(p.hash.Sum(nil))), []byte(p.claimed)) != 1 {
			err = refuse(hashMismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
		}
	}
	var refusal *authError
	var bad *bodyError
	switch {
	case errors.As(err, &refusal):
		known := refusals[refusal.why]
		return 0, &object.Error{Code: known.s3, Status: known.s3Status, Message: refusal.message}
	case errors.As(err, &bad):
		return 0, &object.Error{Code: bad.code, Status: http.StatusBadRequest, Message: bad.message}
	}
	return n, err
}

// SHA256 is the content's where the signature covers it as a whole.
func (p *payload) SHA256() string { return p.claimed }

func (p *payload) Close() error { return p.r.Close() }

// bodyError says that a body is not what its headers announce.
type bodyError struct{ code, message string }

func (e *bodyError) Error() string { return e.message }

// unchunk gives the body of a request in aws-chunked coding without it, and takes the coding out of the headers. Trailers appear in r.Trailer at
// the end of the body.
func unchunk(r *http.Request, body *payload, kind string, s *signature, key []byte) error {
	c := newChunked(body.r)
	kind, trailing := strings.CutSuffix(kind, "-TRAILER")
	switch kind {
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
		c.sign = &chunkSigner{key: key, when: s.when, scope: s.scope(), previous: hex.EncodeToString(s.value)}
	case "STREAMING-UNSIGNED-PAYLOAD":
		if !trailing {
			return refuse(malformed, "%s is not supported. Please use %s-TRAILER.", kind, kind)
		}
	default:
		return refuse(notSupported, "The payload coding %s is not supported. Please use STREAMING-AWS4-HMAC-SHA256-PAYLOAD.", clip(kind))
	}
	length, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return &bodyError{"MissingContentLength", "A body in aws-chunked coding needs an x-amz-decoded-content-length in bytes"}
	}
	c.want = length
	if trailing {
		r.Trailer = http.Header{}
		c.trailer = r.Trailer
		for name := range strings.SplitSeq(r.Header.Get("X-Amz-Trailer"), ",") {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
				c.announced = append(c.announced, name)
			}
		}
	}
	body.r = c
	r.ContentLength = length
	r.Header.Set("Content-Length", strconv.FormatInt(length, 10))
	var rest []string
	for coding := range strings.SplitSeq(r.Header.Get("Content-Encoding"), ",") {
		if coding = strings.TrimSpace(coding); coding != "" && coding != "aws-chunked" {
			rest = append(rest, coding)
		}
	}
	r.Header.Del("Content-Encoding")
	if rest != nil {
		r.Header.Set("Content-Encoding", strings.Join(rest, ","))
	}
	return nil
}
