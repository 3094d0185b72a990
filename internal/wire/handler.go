package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
)

// Handler serves every AWS service and the pages on one address.
type Handler struct {
	Config
	keys   signingKeys
	routes map[string]*route // by service and operation
	all    []*route
	slots  chan struct{}
}

// exchange is one request and its answer.
type exchange struct {
	http.ResponseWriter
	r       *http.Request
	id      string // of the request
	service string // as the credential scope names it
	bucket  string // in the host name
	sig     *signature
	form    form // how errors look
	op      *awsapi.Operation
	status  int    // 0 until the answer began
	release func() // gives back what an operation whose answer is a stream holds until that ends, or nil
}

// form is how a service writes its errors.
type form int

const (
	formJSON form = iota
	formREST
	formQuery
	formS3
	formCBOR
)

func (x *exchange) WriteHeader(status int) {
	if status >= 200 && x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return x.ResponseWriter.Write(b)
}

// ReadFrom lets the kernel send a file without the bytes passing through here.
func (x *exchange) ReadFrom(r io.Reader) (int64, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	return io.Copy(x.ResponseWriter, r)
}

// Flush lets the pages stream.
func (x *exchange) Flush() {
	if f, ok := x.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := h.World.NewID(32)
	x := &exchange{ResponseWriter: w, r: r, id: id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]}
	x.Header()["X-Amzn-Requestid"] = []string{x.id}
	started := h.World.Now()
	defer func() {
		if x.release != nil {
			x.release()
		}
		if cause := recover(); cause != nil {
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause)
			}
			h.Log.Error("request panicked", "request_id", x.id, "operation", x.name(), "panic", cause, "stack", string(debug.Stack()))
			if x.status != 0 {
				panic(http.ErrAbortHandler) // the answer began: the client must see that it is cut off
			}
			h.fail(x, awsapi.Internal())
		}
		h.Log.Debug("request", "request_id", x.id, "method", r.Method, "path", r.URL.Path, "operation", x.name(), "status", x.status,
			"took", h.World.Now().Sub(started).Round(time.Microsecond))
	}()
	if err := h.dispatch(x); err != nil {
		h.fail(x, err)
	}
}

// name is the operation, as far as it is known, for the log.
func (x *exchange) name() string {
	if x.op != nil {
		return x.op.String()
	}
	return x.service
}

// dispatch finds who serves a request: by AWS's host name, else by the service in the signature's scope. What is left has no signature and gets
// the pages.
func (h *Handler) dispatch(x *exchange) error {
	host, bucket, known := serviceOfHost(x.r.Host)
	x.service, x.bucket = host, bucket
	x.form = formOf(x.service, x.r)
	sig, refusal := parseSignature(x.r)
	if refusal != nil {
		if x.service == "" { // which service was meant can only be guessed
			switch {
			case strings.HasPrefix(x.r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
				x.form = formQuery
			case x.r.Header.Get("X-Amz-Target") == "":
				x.form = formS3
			}
		}
		return refusal
	}
	if sig == nil {
		if x.service != "" || x.r.Header.Get("X-Amz-Target") != "" {
			return refuse(missing, "Request is missing Authentication Token")
		}
		if known {
			return awsapi.Validation("The host %s is not served. The services are: %s.", clip(x.r.Host), serviceList)
		}
		h.unsigned(x)
		return nil
	}
	x.sig = sig
	if x.service == "" {
		x.service = sig.service
	}
	x.form = formOf(x.service, x.r)
	if x.service != sig.service {
		return refuse(mismatch, "Credential should be scoped to correct service: '%s'.", x.service)
	}
	switch x.service {
	case "s3":
		return h.serveS3(x)
	case "logs", "sqs":
		return h.serveJSON(x, x.r.Header.Get("X-Amz-Target"))
	case "sagemaker":
		if target := x.r.Header.Get("X-Amz-Target"); target != "" {
			return h.serveJSON(x, target)
		}
		return h.serveREST(x)
	case "lambda":
		return h.serveREST(x)
	case "sts", "iam":
		return h.serveQuery(x)
	case "monitoring":
		switch {
		case isCBOR(x.r):
			return h.serveCBOR(x)
		case x.r.Header.Get("X-Amz-Target") != "":
			return h.serveJSON(x, x.r.Header.Get("X-Amz-Target"))
		}
		return h.serveQuery(x)
	case "mobula":
		if h.Own != nil {
			return h.serveOwn(x)
		}
	}
	if _, _, err := h.verifyWhole(x, x.r, sig, h.Limits.Body); err != nil {
		return err
	}
	return unknownOperation("The service %s is not served. The services are: %s.", clip(x.service), serviceList)
}

// maxOwn bounds the body of a request to the server's own service in bytes.
const maxOwn = 1 << 30

func (h *Handler) serveOwn(x *exchange) error {
	body, p, err := h.verifyWhole(x, x.r, x.sig, maxOwn)
	if err != nil {
		return err
	}
	r := x.r.WithContext(identity.With(x.r.Context(), p))
	r.Body = io.NopCloser(bytes.NewReader(body))
	h.Own.ServeHTTP(x, r)
	return nil
}

func (h *Handler) unsigned(x *exchange) {
	x.Header().Del("X-Amzn-Requestid")
	if x.r.URL.Path != "/healthz" {
		h.Pages.ServeHTTP(x, x.r)
		return
	}
	x.Header().Set("Content-Type", "text/plain; charset=utf-8")
	x.Header().Set("Cache-Control", "no-store")
	if h.Ready != nil {
		if err := h.Ready(x.r.Context()); err != nil {
			x.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(x, err)
			return
		}
	}
	fmt.Fprintln(x, "ok")
}

// call runs an operation on a checked tree and returns its output.
func (h *Handler) call(x *exchange, r *route, p identity.Principal, tree any) (any, error) {
	if r.call == nil {
		return nil, h.unserved(r.op)
	}
	if err := awsapi.Check(&awsapi.Shapes[r.op.Input], tree, awsapi.Options{}); err != nil {
		return nil, err
	}
	in := r.op.NewInput()
	if err := awsapi.Fill(in, tree); err != nil {
		return nil, err
	}
	select {
	case h.slots <- struct{}{}:
		release := func() { <-h.slots }
		if r.op.Events() != nil {
			x.release = release
		} else {
			defer release()
		}
	default:
		return nil, &awsapi.Error{Code: "ThrottlingException", Status: http.StatusBadRequest,
			Message: fmt.Sprintf("Rate exceeded: %d operations are running, which is the most at a time.", h.Limits.Concurrent)}
	}
	return r.call(identity.With(x.r.Context(), p), in)
}

// canceled says whether a request failed because its client went away.
func canceled(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}
