package wire

import (
	"bytes"
	"io"
	"net/http"

	"github.com/mobula-ml/mobula/internal/identity"
)

// serveS3 verifies a request to S3 and passes it on in path style.
func (h *Handler) serveS3(x *exchange) error {
	r := x.r
	p, err := h.verifyObject(r, x.sig, x.bucket)
	if err != nil {
		return err
	}
	if r.Method != http.MethodPut { // what is not an upload is small, and must be known to be genuine before it takes effect
		whole, err := readBody(x, r, h.Limits.Body)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(whole))
	}
	r = r.WithContext(identity.With(r.Context(), p))
	if x.bucket != "" {
		u := *r.URL
		u.Path = "/" + x.bucket + u.Path
		if u.RawPath != "" {
			u.RawPath = "/" + x.bucket + u.RawPath
		}
		r.URL = &u
	}
	x.Header()["X-Amz-Request-Id"] = []string{x.id}
	h.S3.ServeHTTP(x, r)
	return nil
}
