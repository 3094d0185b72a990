package wire_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// upload is a PUT in aws-chunked coding, made as the documentation of the coding says.
type upload struct {
	chunks  []string
	signed  bool
	trailer string // "" or a line
	declare string // trailer names
	length  int    // claimed; -1 is the right one
	// change alters the encoded body.
	change func(string) string
}

func (e *env) put(t *testing.T, u upload) (status int, code string) {
	t.Helper()
	kind := "STREAMING-UNSIGNED-PAYLOAD"
	if u.signed {
		kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	}
	if u.declare != "" || !u.signed {
		kind += "-TRAILER"
	}
	length := len(strings.Join(u.chunks, ""))
	if u.length >= 0 {
		length = u.length
	}
	r, err := http.NewRequestWithContext(t.Context(), "PUT", e.URL+"/chunked/key", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Content-Sha256", kind)
	r.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(length))
	r.Header.Set("Content-Encoding", "aws-chunked")
	if u.declare != "" {
		r.Header.Set("X-Amz-Trailer", u.declare)
	}
	at := time.Now().UTC()
	err = v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, r, kind, "s3", "us-east-1", at,
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err != nil {
		t.Fatal(err)
	}
	body := u.encode(r, at)
	if u.change != nil {
		body = u.change(body)
	}
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	resp, answer := exchange(t, r)
	return resp.StatusCode, codeOf(resp, answer)
}

func (u upload) encode(r *http.Request, at time.Time) string {
	key := []byte("AWS4" + secretKey)
	scope := at.Format("20060102") + "/us-east-1/s3/aws4_request"
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	_, previous, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	next := func(lines ...string) string {
		previous = hex.EncodeToString(mac(key, strings.Join(append([]string{lines[0], at.Format("20060102T150405Z"), scope, previous}, lines[1:]...), "\n")))
		return previous
	}
	var b strings.Builder
	for _, c := range append(u.chunks, "") {
		fmt.Fprintf(&b, "%x", len(c))
		if u.signed {
			b.WriteString(";chunk-signature=" + next("AWS4-HMAC-SHA256-PAYLOAD", sha(nil), sha([]byte(c))))
		}
		b.WriteString("\r\n")
		if c != "" {
			b.WriteString(c + "\r\n")
		}
	}
	if u.trailer != "" {
		b.WriteString(u.trailer + "\r\n")
		if u.signed {
			b.WriteString("x-amz-trailer-signature:" + next("AWS4-HMAC-SHA256-TRAILER", sha([]byte(u.trailer+"\n"))) + "\r\n")
		}
	}
	b.WriteString("\r\n")
	return b.String()
}

func TestChunkedUploads(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	if resp, body := exchange(t, e.signed(t, "PUT", "/chunked", "s3", "")); resp.StatusCode != 200 {
		t.Fatal(body)
	}
	big := strings.Repeat("0123456789abcdef", 8192) // four buffers of the reader
	chunks := []string{big[:65536], big[65536:], "end"}
	content := strings.Join(chunks, "")
	crc := crc32.ChecksumIEEE([]byte(content))
	checksum := "x-amz-checksum-crc32:" + base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	lastSignature := func(s string) string {
		i := strings.LastIndex(s, "signature") + len("chunk-signature")
		return s[:i] + strings.Repeat("0", 8) + s[i+8:]
	}
	for _, c := range []struct {
		name string
		upload
		code string
	}{
		{"unsigned", upload{chunks: chunks, trailer: checksum, declare: "x-amz-checksum-crc32"}, ""},
		{"unsigned, no last line end", upload{chunks: chunks, trailer: checksum, declare: "x-amz-checksum-crc32", change: func(s string) string { return strings.TrimSuffix(s, "\r\n") }}, ""},
		{"unsigned, nothing trails", upload{chunks: chunks}, ""},
		{"empty", upload{}, ""},
		{"signed", upload{chunks: chunks, signed: true}, ""},
		{"signed, empty", upload{signed: true}, ""},
		{"signed with a trailer", upload{chunks: chunks, signed: true, trailer: checksum, declare: "x-amz-checksum-crc32"}, ""},
		{"wrong checksum", upload{chunks: chunks, trailer: "x-amz-checksum-crc32:AAAAAA==", declare: "x-amz-checksum-crc32"}, "BadDigest"},
		{"checksum missing", upload{chunks: chunks, declare: "x-amz-checksum-crc32"}, "MalformedTrailerError"},
		{"trailer not announced", upload{chunks: chunks, trailer: checksum, declare: "x-amz-checksum-sha1"}, "MalformedTrailerError"},
		{"trailer without a colon", upload{chunks: chunks, trailer: "x", declare: "x-amz-checksum-sha1"}, "MalformedTrailerError"},
		{"signed, data changed", upload{chunks: chunks, signed: true, change: replace("0123", "0124")}, "SignatureDoesNotMatch"},
		{"signed, last data changed", upload{chunks: chunks, signed: true, change: replace("end", "eMd")}, "SignatureDoesNotMatch"},
		{"signed, last signature changed", upload{chunks: chunks, signed: true, change: lastSignature}, "SignatureDoesNotMatch"},
		{"signed, signature left out", upload{chunks: chunks, signed: true, change: replace(";chunk-signature=", ";x=")}, "SignatureDoesNotMatch"},
		{"signed trailer changed", upload{chunks: chunks, signed: true, trailer: checksum, declare: "x-amz-checksum-crc32", change: replace(checksum, "x-amz-checksum-crc32:AAAAAA==")}, "SignatureDoesNotMatch"},
		{"size is no number", upload{chunks: chunks, change: replace("10000\r\n", "1000g\r\n")}, "InvalidChunkSizeError"},
		{"size is negative", upload{chunks: chunks, change: replace("10000\r\n", "-1\r\n")}, "InvalidChunkSizeError"},
		{"size too small", upload{chunks: chunks, change: replace("10000\r\n", "fff0\r\n")}, "InvalidChunkSizeError"},
		{"line without end", upload{chunks: chunks, change: func(string) string { return strings.Repeat("0", 100000) }}, "InvalidChunkSizeError"},
		{"cut off", upload{chunks: chunks, change: func(s string) string { return s[:70000] }}, "IncompleteBody"},
		{"shorter than announced", upload{chunks: chunks, length: len(content) + 1}, "IncompleteBody"},
		{"longer than announced", upload{chunks: chunks, length: len(content) - 1}, "IncompleteBody"},
	} {
		if c.length == 0 {
			c.length = -1
		}
		exchange(t, e.signed(t, "DELETE", "/chunked/key", "s3", ""))
		status, code := e.put(t, c.upload)
		if code != c.code {
			t.Errorf("%s: got %d %s, want %q", c.name, status, code, c.code)
		}
		resp, got := exchange(t, e.signed(t, "GET", "/chunked/key", "s3", ""))
		switch {
		case c.code == "" && got != strings.Join(c.chunks, ""):
			t.Errorf("%s: %d bytes were stored, not %d", c.name, len(got), len(content))
		case c.code != "" && resp.StatusCode != 404:
			t.Errorf("%s: something was stored", c.name)
		case c.code == "" && resp.Header.Get("Content-Encoding") != "":
			t.Errorf("%s: content encoding %s", c.name, resp.Header.Get("Content-Encoding"))
		}
	}
}
