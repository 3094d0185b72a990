package s3client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rclone/gofakes3/signature"

	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/s3client"
)

const bucket = "sagemaker-us-east-1-123456789012"

// serve gives a client of a real object store, with what wrap puts in between.
func serve(t *testing.T, wrap func(http.Handler) http.Handler) *s3client.Client {
	t.Helper()
	files, err := object.OpenFiles(t.TempDir(), object.FilesOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h := object.Handler(files, object.HandlerOptions{})
	if wrap != nil {
		h = wrap(h)
	}
	srv := httptest.NewServer(verified(t, h))
	t.Cleanup(func() {
		srv.Close()
		files.Close()
	})
	c := &s3client.Client{Endpoint: srv.URL, Credentials: s3client.Credentials{AccessKeyID: "AKIDTEST", SecretAccessKey: "SECRET", SessionToken: "ST"}, HTTP: srv.Client(), Pause: time.Millisecond}
	ok(t, c.EnsureBucket(t.Context(), bucket))
	return c
}

// verified lets through what is signed as the keys of the client sign it, by a judgement that is not this client's.
func verified(t *testing.T, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lookup := func(id string) (string, bool) { return "SECRET", id == "AKIDTEST" }
		if code := signature.V4SignVerifyWithLookup(r, lookup); code != signature.ErrNone || r.Header.Get("X-Amz-Security-Token") != "ST" {
			t.Errorf("%s %s is signed wrongly: %+v", r.Method, r.URL, signature.GetAPIError(code))
		}
		h.ServeHTTP(w, r)
	})
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, c *s3client.Client, key, body string) {
	t.Helper()
	_, err := c.Put(t.Context(), bucket, key, strings.NewReader(body), int64(len(body)), s3client.PutOptions{})
	ok(t, err)
}

func get(t *testing.T, c *s3client.Client, key string) string {
	t.Helper()
	r, _, err := c.Get(t.Context(), bucket, key)
	ok(t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	ok(t, err)
	return string(b)
}

func TestObjects(t *testing.T) {
	t.Parallel()
	c := serve(t, nil)
	ctx := t.Context()
	ok(t, c.EnsureBucket(ctx, bucket))
	sum := sha256.Sum256([]byte("hello"))
	etag, err := c.Put(ctx, bucket, "a b/é+%&?=#/../x", strings.NewReader("hello"), 5, s3client.PutOptions{ContentType: "text/plain", Metadata: map[string]string{"who": "me"}, SHA256: hex.EncodeToString(sum[:])})
	ok(t, err)
	o, err := c.Head(ctx, bucket, "a b/é+%&?=#/../x")
	ok(t, err)
	if o.Size != 5 || o.ETag != etag || o.ContentType != "text/plain" || !maps.Equal(o.Metadata, map[string]string{"who": "me"}) || time.Since(o.Modified) > time.Hour {
		t.Fatalf("got %+v", o)
	}
	if got := get(t, c, "a b/é+%&?=#/../x"); got != "hello" {
		t.Fatalf("got %q", got)
	}
	r, err := c.GetRange(ctx, bucket, "a b/é+%&?=#/../x", 1, 3)
	ok(t, err)
	b, err := io.ReadAll(r)
	if r.Close(); err != nil || string(b) != "ell" {
		t.Fatalf("got %q, %v", b, err)
	}
	put(t, c, "empty", "")
	if got := get(t, c, "empty"); got != "" {
		t.Fatalf("got %q", got)
	}
	_, err = c.Put(ctx, bucket, "empty", strings.NewReader("x"), 1, s3client.PutOptions{IfNoneMatch: true})
	if !s3client.IsPreconditionFailed(err) {
		t.Fatalf("got %v", err)
	}
	ok(t, c.Delete(ctx, bucket, "empty"))
	ok(t, c.Delete(ctx, bucket, "empty"))
	_, _, err = c.Get(ctx, bucket, "empty")
	var e *s3client.Error
	if !errors.As(err, &e) || e.Code != "NoSuchKey" || e.Status != 404 || e.Key != "empty" || e.Bucket != bucket || !s3client.IsNotFound(err) {
		t.Fatalf("got %v", err)
	}
	if _, err = c.Head(ctx, bucket, "empty"); !s3client.IsNotFound(err) || !strings.Contains(err.Error(), "Not Found") {
		t.Fatalf("got %v", err)
	}
}

func TestListAndDeleteMany(t *testing.T) {
	t.Parallel()
	requests := 0
	c := serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if q := r.URL.Query(); q.Has("list-type") { // small pages, so that there are several
				requests++
				q.Set("max-keys", "4")
				r.URL.RawQuery = q.Encode()
			}
			h.ServeHTTP(w, r)
		})
	})
	var keys []string
	for i := range 10 {
		key := fmt.Sprintf("p/%02d +é\n&", i)
		keys = append(keys, key)
		put(t, c, key, "x")
	}
	put(t, c, "q", "x")
	list := func() (got []string) {
		for o, err := range c.List(t.Context(), bucket, "p/") {
			ok(t, err)
			got = append(got, o.Key)
		}
		return got
	}
	if got := list(); strings.Join(got, "|") != strings.Join(keys, "|") || requests != 3 {
		t.Fatalf("%d requests, got %q", requests, got)
	}
	for range c.List(t.Context(), bucket, "") {
		break
	}
	ok(t, c.DeleteMany(t.Context(), bucket, append(keys, make([]string, 0)...)))
	if got := list(); len(got) != 0 {
		t.Fatalf("got %q", got)
	}
	ok(t, c.DeleteMany(t.Context(), bucket, nil))
	errs := 0
	for _, err := range c.List(t.Context(), "no-such-bucket", "") {
		if !s3client.IsNotFound(err) {
			t.Fatalf("got %v", err)
		}
		errs++
	}
	if errs != 1 {
		t.Fatalf("the listing of a missing bucket gave %d errors", errs)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	cuts := atomic.Int32{}
	c := serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && cuts.Add(-1) >= 0 {
				w = &cutWriter{ResponseWriter: w, left: 50_000}
			}
			h.ServeHTTP(w, r)
		})
	})
	dir := t.TempDir()
	data := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	ok(t, os.WriteFile(filepath.Join(dir, "up"), data, 0o600))
	_, err := c.PutFile(t.Context(), bucket, "file", filepath.Join(dir, "up"), s3client.PutOptions{})
	ok(t, err)
	down := filepath.Join(dir, "deep", "down")
	cuts.Store(2)
	o, err := c.GetFile(t.Context(), bucket, "file", down)
	ok(t, err)
	if b, err := os.ReadFile(down); err != nil || !bytes.Equal(b, data) || o.Size != int64(len(data)) {
		t.Fatalf("%d bytes, %+v, %v", len(b), o, err)
	}
	cuts.Store(100)
	if _, err := c.GetFile(t.Context(), bucket, "file", down); err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Fatalf("got %v", err)
	}
	cuts.Store(0)
	if _, err := c.GetFile(t.Context(), bucket, "none", filepath.Join(dir, "deep", "none")); !s3client.IsNotFound(err) {
		t.Fatalf("got %v", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "deep"))
	if err != nil || len(left) != 1 {
		t.Fatalf("failed downloads left %v, %v", left, err)
	}
	if b, err := os.ReadFile(down); err != nil || !bytes.Equal(b, data) {
		t.Fatalf("a failed download changed the file: %d bytes, %v", len(b), err)
	}
	if _, err := c.PutFile(t.Context(), bucket, "x", dir, s3client.PutOptions{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Fatalf("got %v", err)
	}
}

// cutWriter ends the connection after some bytes of the body.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (w *cutWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		w.ResponseWriter.Write(b[:len(b)+w.left])
		http.NewResponseController(w.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return w.ResponseWriter.Write(b)
}

func TestTriesAgain(t *testing.T) {
	t.Parallel()
	var fail, sent atomic.Int32
	status := 503
	c := serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent.Add(1)
			switch {
			case fail.Add(-1) < 0:
				h.ServeHTTP(w, r)
			case status == 0:
				panic(http.ErrAbortHandler)
			default:
				io.Copy(io.Discard, r.Body)
				w.WriteHeader(status)
			}
		})
	})
	for _, s := range []int{500, 503, 429, 0} {
		status = s
		fail.Store(2)
		put(t, c, "k", fmt.Sprint("after ", s))
		if got := get(t, c, "k"); got != fmt.Sprint("after ", s) {
			t.Fatalf("got %q", got)
		}
	}
	for s, want := range map[int]int32{503: 8, 403: 1, 501: 1, 507: 1} {
		status = s
		fail.Store(100)
		sent.Store(0)
		_, err := c.Put(t.Context(), bucket, "k", strings.NewReader("x"), 1, s3client.PutOptions{})
		var e *s3client.Error
		if !errors.As(err, &e) || e.Status != s || sent.Load() != want {
			t.Fatalf("%d requests, %v; want %d", sent.Load(), err, want)
		}
	}
	fail.Store(0)
	sent.Store(0)
	broken := &brokenBody{}
	if _, err := c.Put(t.Context(), bucket, "k", broken, 10, s3client.PutOptions{}); !errors.Is(err, errDisk) || sent.Load() > 1 {
		t.Fatalf("%d requests, %v", sent.Load(), err)
	}
	if got := get(t, c, "k"); got != "after 0" {
		t.Fatalf("a failed write changed the object: %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Head(ctx, bucket, "k"); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

var errDisk = errors.New("the disk is gone")

type brokenBody struct{}

func (*brokenBody) Read([]byte) (int, error)       { return 0, errDisk }
func (*brokenBody) Seek(int64, int) (int64, error) { return 0, nil }

func TestFromEnv(t *testing.T) {
	for _, name := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"} {
		t.Setenv(name, "")
	}
	if _, err := s3client.FromEnv(); err == nil || !strings.Contains(err.Error(), "AWS_ENDPOINT_URL") {
		t.Fatalf("got %v", err)
	}
	t.Setenv("AWS_ENDPOINT_URL", "localhost:80")
	if _, err := s3client.FromEnv(); err == nil || !strings.Contains(err.Error(), "localhost:80") {
		t.Fatalf("got %v", err)
	}
	t.Setenv("AWS_ENDPOINT_URL", "http://all")
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	if _, err := s3client.FromEnv(); err == nil || !strings.Contains(err.Error(), "both") {
		t.Fatalf("got %v", err)
	}
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://only-s3")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	t.Setenv("AWS_SESSION_TOKEN", "t")
	t.Setenv("AWS_DEFAULT_REGION", "eu-west-1")
	c, err := s3client.FromEnv()
	if err != nil || c.Endpoint != "http://only-s3" || c.Region != "eu-west-1" || c.Credentials != (s3client.Credentials{AccessKeyID: "a", SecretAccessKey: "s", SessionToken: "t"}) {
		t.Fatalf("got %+v, %v", c, err)
	}
}
