package wire

import (
	"net/http"

	"github.com/mobula-ml/mobula/internal/identity"
)

// serveS3 verifies a request to S3 and passes it on in path style.
func (h *Handler) serveS3(x *exchange) error {
	r := x.r
	p, body, err := h.verifyObject(r, x.sig, x.bucket)
	if err != nil {
		return err
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
	w := &objectWriter{exchange: x, body: body}
	h.S3.ServeHTTP(w, r)
	if w.refusal != nil {
		return w.refusal
	}
	return nil
}

// objectWriter holds back the answer of a handler that stumbled over a wrong body: what was wrong with the body is the better answer.
type objectWriter struct {
	*exchange
	body    *payload
	refusal error
}

func (w *objectWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 && w.refusal == nil {
		w.refusal = w.body.wrong()
	}
	if w.refusal == nil {
		w.exchange.WriteHeader(status)
	}
}

func (w *objectWriter) Write(b []byte) (int, error) {
	if w.status == 0 && w.refusal == nil {
		w.WriteHeader(http.StatusOK)
	}
	if w.refusal != nil {
		return len(b), nil
	}
	return w.exchange.Write(b)
}
