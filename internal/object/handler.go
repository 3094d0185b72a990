package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/rclone/gofakes3"

	"github.com/mobula-ml/mobula/internal/world"
)

// HandlerOptions is what Handler needs from its surroundings.
type HandlerOptions struct {
	// BeforeRead is called before an object is read or a prefix listed. Defaults to none.
	BeforeRead BeforeRead
	// Account names the owner of every bucket for a request, against x-amz-expected-bucket-owner. Defaults to no check.
	Account func(ctx context.Context) string
	// World gives the time and identifiers. Defaults to the machine's.
	World world.World
	// Log takes failures that are not the client's. Defaults to slog's default.
	Log *slog.Logger
}

// Handler serves the S3 REST API over a store, path style. Requests come verified: the body has no aws-chunked coding any more,
// its length is Content-Length or X-Amz-Decoded-Content-Length, and the trailers that X-Amz-Trailer names are in Request.Trailer
// once the body gave io.EOF. Multipart upload needs a store with Uploads.
func Handler(store Store, opts HandlerOptions) http.Handler {
	if opts.World == nil {
		opts.World = world.Real()
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	h := &handler{store: WithBeforeRead(store, opts.BeforeRead), opts: opts}
	h.uploads, _ = uploadsOf(store)
	h.rest = gofakes3.New(&backend{h}, gofakes3.WithTimeSkewLimit(0), gofakes3.WithLogger(failureLog{opts.Log}), gofakes3.WithTimeSource(clock{opts.World})).Server()
	return h
}

// handler answers what gofakes3 does not (listings, multipart upload that survives a restart, encryption headers, trailing checksums,
// conditions with one winner) and passes the rest on to it with what it would stumble over taken out of the request.
type handler struct {
	store   Store
	uploads Uploads
	rest    http.Handler
	opts    HandlerOptions
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/")
	x := &exchange{ResponseWriter: w, add: http.Header{}, bucket: bucket, key: key}
	if err := h.checkOwner(r); err != nil {
		h.writeError(x, r, err)
		return
	}
	in := r.Clone(context.WithValue(r.Context(), exchangeKey{}, x))
	var err error
	switch query := r.URL.Query(); {
	case query.Has("uploads") || query.Has("uploadId"):
		err = h.serveUpload(x, in, r)
	case lists(x, r):
		err = h.listObjects(x, r)
	default:
		if err = h.prepare(x, in, r); err == nil {
			h.rest.ServeHTTP(x, in)
		}
	}
	if err != nil {
		h.writeError(x, r, err)
	} else if !x.wrote { // an answer without a body
		x.WriteHeader(http.StatusOK)
	}
}

// prepare takes out of the request what the exchange does itself.
func (h *handler) prepare(x *exchange, in, r *http.Request) error {
	in.Header.Del("X-Amz-Content-Sha256")
	switch {
	case r.Method == http.MethodPut && x.key != "" && !subresource(r):
		if err := ValidateKey(x.key); err != nil {
			return err
		}
		if err := x.takeWrite(in, r); err != nil {
			return err
		}
	case r.Method == http.MethodPut && x.key == "" && !subresource(r):
		// S3 lets the owner create a bucket of us-east-1, the region that is not named in the request, again. Elsewhere that is a conflict.
		b, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
		if err != nil {
			return refuse(ErrIncompleteBody, "The body of CreateBucket could not be read: %v.", err)
		}
		x.located = bytes.Contains(b, []byte("LocationConstraint"))
		in.Body = io.NopCloser(bytes.NewReader(b))
	}
	for _, name := range []string{"If-Match", "If-None-Match", "X-Amz-Copy-Source-If-Match", "X-Amz-Copy-Source-If-None-Match"} {
		if v := in.Header.Get(name); v != "" {
			in.Header.Set(name, withoutPartCount(v))
		}
	}
	return nil
}

// subresource says whether the query names something else than the object or bucket itself.
func subresource(r *http.Request) bool {
	for name := range r.URL.Query() {
		if subresourceName(name) {
			return true
		}
	}
	return false
}

// subresourceName knows what a presigned URL and the SDKs add to any query.
func subresourceName(name string) bool {
	return name != "x-id" && !strings.HasPrefix(strings.ToLower(name), "x-amz-") && name != "AWSAccessKeyId" && name != "Signature" && name != "Expires"
}

func (h *handler) checkOwner(r *http.Request) error {
	if h.opts.Account == nil {
		return nil
	}
	for _, name := range []string{"X-Amz-Expected-Bucket-Owner", "X-Amz-Source-Expected-Bucket-Owner"} {
		if want := r.Header.Get(name); want != "" && want != h.opts.Account(r.Context()) {
			return &Error{Code: "AccessDenied", Status: http.StatusForbidden, Message: fmt.Sprintf("Access Denied: the bucket's owner is not account %s, which %s names.", want, strings.ToLower(name))}
		}
	}
	return nil
}

// answer gives the refusal to send for an error. What is not the client's to know is logged.
func (h *handler) answer(ctx context.Context, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	if ctx.Err() == nil {
		h.opts.Log.Error("S3 request failed", "error", err)
	}
	return &Error{Code: "InternalError", Status: http.StatusInternalServerError, Message: "We encountered an internal error; the server's log has the cause."}
}

func (h *handler) writeError(w http.ResponseWriter, r *http.Request, err error) {
	e := h.answer(r.Context(), err)
	id := h.opts.World.NewID(16)
	w.Header().Set("X-Amz-Request-Id", id)
	if r.Method == http.MethodHead {
		w.WriteHeader(e.Status)
		return
	}
	writeXML(w, e.Status, struct {
		XMLName   struct{} `xml:"Error"`
		Code      string
		Message   string
		Resource  string
		RequestID string `xml:"RequestId"`
	}{Code: e.Code, Message: e.Message, Resource: r.URL.Path, RequestID: id})
}

type clock struct{ world.World }

func (c clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// failureLog passes gofakes3's own failures on and drops its account of every request.
type failureLog struct{ log *slog.Logger }

func (l failureLog) Print(level gofakes3.LogLevel, v ...any) {
	if level == gofakes3.LogErr {
		l.log.Error("S3 request failed", "detail", fmt.Sprintln(v...))
	}
}
