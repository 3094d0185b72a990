package object_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/world"
)

// serve runs the handler over plain HTTP behind what the server puts before it: here, aws-chunked coding is taken off and no signature is looked at.
func serve(t *testing.T, store object.Store, before object.BeforeRead) string {
	t.Helper()
	h := object.Handler(store, object.HandlerOptions{
		BeforeRead: before,
		Account:    func(context.Context) string { return "123456789012" },
		Log:        slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
			r.Trailer = http.Header{}
			r.Body = io.NopCloser(&unchunked{r: bufio.NewReader(r.Body), trailer: r.Trailer})
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// unchunked reads the aws-chunked coding without looking at its signatures.
type unchunked struct {
	r       *bufio.Reader
	left    int64
	ended   bool
	trailer http.Header
}

func (u *unchunked) line() (string, error) {
	s, err := u.r.ReadString('\n')
	return strings.TrimRight(s, "\r\n"), err
}

func (u *unchunked) Read(p []byte) (int, error) {
	for u.left == 0 && !u.ended {
		head, err := u.line()
		if err != nil {
			return 0, err
		}
		size, _, _ := strings.Cut(head, ";")
		if u.left, err = strconv.ParseInt(size, 16, 64); err != nil {
			return 0, err
		}
		u.ended = u.left == 0
	}
	if u.ended {
		for {
			s, err := u.line()
			if err != nil || s == "" {
				return 0, io.EOF
			}
			name, value, _ := strings.Cut(s, ":")
			u.trailer.Set(name, value)
		}
	}
	n, err := u.r.Read(p[:min(int64(len(p)), u.left)])
	if u.left -= int64(n); u.left == 0 && err == nil {
		_, err = u.line()
	}
	return n, err
}

// python names the interpreter that has boto3.
func python(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("MOBULA_PYTHON"); p != "" {
		return p
	}
	p, err := filepath.Abs("../../.cache/venv/bin/python")
	if err == nil {
		_, err = os.Stat(p)
	}
	if err != nil {
		t.Fatalf("these tests drive the handler with boto3, and there is no Python for it: %v. Try: make setup-test", err)
	}
	return p
}

func TestBoto3(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"when_supported", "when_required"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			url := serve(t, openFiles(t, t.TempDir(), world.Real()), nil)
			out, err := exec.CommandContext(t.Context(), python(t), "testdata/s3.py", url, mode).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}

func do(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func TestTrailingChecksum(t *testing.T) {
	t.Parallel()
	f := withBucket(t, openFiles(t, t.TempDir(), world.Real()))
	url := serve(t, f, nil) + "/" + bucket + "/k"
	chunked := func(body, crc string) string {
		return fmt.Sprintf("%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n", len(body), body, crc)
	}
	headers := []string{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Trailer", "x-amz-checksum-crc32", "X-Amz-Decoded-Content-Length", "9", "Content-Encoding", "aws-chunked"}
	res, body := do(t, "PUT", url, chunked("123456789", "y/Q5Jg=="), headers...)
	if res.StatusCode != 200 || res.Header.Get("X-Amz-Checksum-Crc32") != "y/Q5Jg==" {
		t.Fatalf("%d %v %s", res.StatusCode, res.Header, body)
	}
	if res, body := do(t, "GET", url, ""); body != "123456789" || res.Header.Get("Content-Encoding") != "" {
		t.Fatalf("got %q, %v", body, res.Header)
	}
	for sent, want := range map[string]string{chunked("abcdefghi", "y/Q5Jg=="): "BadDigest", chunked("short", "y/Q5Jg=="): "IncompleteBody", "9\r\nabcdefghi\r\n0\r\n\r\n": "InvalidRequest"} {
		if res, body := do(t, "PUT", url, sent, headers...); res.StatusCode != 400 || !strings.Contains(body, "<Code>"+want) {
			t.Fatalf("%d %s, want %s", res.StatusCode, body, want)
		}
	}
	if _, body := do(t, "GET", url, ""); body != "123456789" {
		t.Fatalf("a refused write changed the object: %q", body)
	}
}

func TestBodyCutShort(t *testing.T) {
	t.Parallel()
	f := withBucket(t, openFiles(t, t.TempDir(), world.Real()))
	h := object.Handler(f, object.HandlerOptions{})
	r := httptest.NewRequest("PUT", "/"+bucket+"/k", strings.NewReader("half"))
	r.ContentLength = 8
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "IncompleteBody") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if _, err := f.Head(t.Context(), bucket, "k"); !errors.Is(err, object.ErrNoSuchKey) {
		t.Fatalf("got %v", err)
	}
}

func TestHandlerFlushesBeforeReading(t *testing.T) {
	t.Parallel()
	f := withBucket(t, openFiles(t, t.TempDir(), world.Real()))
	broken := false
	url := serve(t, f, func(ctx context.Context, b, prefix string) error {
		if broken {
			return errors.New("the secret reason")
		}
		_, err := f.Put(ctx, b, "offline/part", strings.NewReader("held"), object.PutOptions{})
		return err
	})
	if _, body := do(t, "GET", url+"/"+bucket+"?list-type=2&prefix=offline/", ""); !strings.Contains(body, "<Key>offline/part</Key>") {
		t.Fatalf("got %s", body)
	}
	if _, body := do(t, "GET", url+"/"+bucket+"/offline/part", ""); body != "held" {
		t.Fatalf("got %s", body)
	}
	broken = true
	if res, body := do(t, "GET", url+"/"+bucket+"/offline/part", ""); res.StatusCode != 500 || !strings.Contains(body, "InternalError") || strings.Contains(body, "secret") {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
}

// full is a store whose disk has no room.
type full struct{ object.Store }

func (full) Put(context.Context, string, string, io.Reader, object.PutOptions) (object.Info, error) {
	return object.Info{}, object.ErrNoSpace
}

func TestHandlerStatuses(t *testing.T) {
	t.Parallel()
	f := withBucket(t, openFiles(t, t.TempDir(), world.Real()))
	url := serve(t, full{f}, nil) + "/" + bucket
	for _, c := range []struct {
		method, url, body string
		header            []string
		status            int
		want              string
	}{
		{"PUT", url + "/k", "x", nil, 507, "InsufficientStorage"},
		{"POST", url + "/k?uploads", "", nil, 501, "has no multipart upload"},
		{"PUT", url + "/k", "x", []string{"If-None-Match", `"abc"`}, 501, "NotImplemented"},
		{"PUT", url + "/k", "x", []string{"X-Amz-Checksum-Crc32", "short"}, 400, "InvalidRequest"},
		{"PUT", url + "/k", "x", []string{"X-Amz-Checksum-Crc32", "AAAAAA==", "X-Amz-Checksum-Sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}, 400, "Multiple checksum"},
		{"PUT", url + "/k?tagging", "<Tagging/>", nil, 404, "NoSuchKey"},
		{"GET", url + "?versioning", "", nil, 200, "VersioningConfiguration"},
		{"GET", url + "?acl", "", nil, 200, "FULL_CONTROL"},
		{"GET", url + "?policy", "", nil, 404, "NoSuchBucketPolicy"},
	} {
		res, body := do(t, c.method, c.url, c.body, c.header...)
		if res.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s; want %d %s", c.method, c.url, res.StatusCode, body, c.status, c.want)
		}
	}
}

// A write whose hash its signature vouches for is not read again for its digest, and the hash is not believed where only part was read.
func TestSignedHashBecomesTheDigest(t *testing.T) {
	t.Parallel()
	store := withBucket(t, openFiles(t, t.TempDir(), nil))
	h := object.Handler(store, object.HandlerOptions{Account: func(context.Context) string { return "123456789012" }, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	for key, c := range map[string]struct{ decoded, want string }{"whole": {"", "vouched"}, "part": {"3", fmt.Sprintf("%x", sha256.Sum256([]byte("con")))}} {
		r := httptest.NewRequest(http.MethodPut, "/"+bucket+"/"+key, strings.NewReader("content"))
		r.Body = vouched{r.Body}
		if c.decoded != "" {
			r.Header.Set("X-Amz-Decoded-Content-Length", c.decoded)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", key, w.Code, w.Body)
		}
		if got, err := store.Digest(t.Context(), bucket, key); err != nil || got != c.want {
			t.Errorf("%s: digest %s, %v, want %s", key, got, err, c.want)
		}
	}
}

// vouched is a body whose hash is known.
type vouched struct{ io.ReadCloser }

func (vouched) SHA256() string { return "vouched" }
