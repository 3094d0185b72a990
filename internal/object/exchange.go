package object

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// exchange is one request and its answer on their way past gofakes3: what was taken out of the request for the store,
// and what the store has to say that gofakes3 would not pass on.
type exchange struct {
	http.ResponseWriter
	bucket, key string
	opts        PutOptions
	body        io.Reader // of a write, past gofakes3, which would compute its MD5 once more
	located     bool      // CreateBucket named a region

	add    http.Header // set on a successful answer
	status int         // in place of the status of a refusal
	wrote  bool
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

func (x *exchange) WriteHeader(status int) {
	if !x.wrote && status >= 200 {
		x.wrote = true
		if status >= 400 && x.status != 0 {
			status = x.status
		}
		if status < 400 {
			for name, values := range x.add {
				x.Header()[name] = values
			}
		}
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) Write(b []byte) (int, error) {
	if !x.wrote {
		x.WriteHeader(http.StatusOK)
	}
	return x.ResponseWriter.Write(b)
}

// ReadFrom lets the kernel send an object's file without the bytes passing through here.
func (x *exchange) ReadFrom(r io.Reader) (int64, error) {
	if !x.wrote {
		x.WriteHeader(http.StatusOK)
	}
	if c, ok := r.(*content); ok {
		r = &c.LimitedReader
	}
	return io.Copy(x.ResponseWriter, r)
}

func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// content is an object's body, or a range of it.
type content struct {
	io.LimitedReader
	io.Closer
}

// encryptionHeaders are kept with an object and echoed. Nothing is encrypted by them: the disk's own encryption is what protects the files.
var encryptionHeaders = []string{"X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"}

// takeWrite takes the conditions, checksums and encryption headers of a write out of the request, and checks its length.
func (x *exchange) takeWrite(in, r *http.Request) error {
	if err := x.takeConditions(in); err != nil {
		return err
	}
	if err := x.takeEncryption(in); err != nil {
		return err
	}
	if r.Header.Get("X-Amz-Copy-Source") != "" {
		return nil
	}
	size := r.ContentLength
	if v := r.Header.Get("X-Amz-Decoded-Content-Length"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return refuse(ErrInvalidRequest, "X-Amz-Decoded-Content-Length is %q; it must be a number of bytes.", v)
		}
		size = n
	}
	in.Header.Del("X-Amz-Decoded-Content-Length")
	in.Header.Del("Content-Length")
	if size >= 0 {
		in.Header.Set("Content-Length", strconv.FormatInt(size, 10))
		in.ContentLength, in.TransferEncoding = size, nil
	}
	body := &sizedBody{r: r.Body, want: size}
	in.Body = body
	x.body = body
	if size >= 0 {
		x.body = io.LimitReader(body, size)
	}
	if signed, ok := r.Body.(SignedBody); ok && size == r.ContentLength { // read to its end, that is
		x.opts.SHA256 = signed.SHA256()
	}
	return x.takeChecksums(in, r, body)
}

func (x *exchange) takeConditions(in *http.Request) error {
	x.opts.IfMatch = strings.Trim(in.Header.Get("If-Match"), `"`)
	switch v := in.Header.Get("If-None-Match"); v {
	case "":
	case "*":
		x.opts.IfNoneMatch = true
	default:
		return &Error{Code: "NotImplemented", Status: http.StatusNotImplemented, Message: "If-None-Match on a write takes only *."}
	}
	in.Header.Del("If-Match")
	in.Header.Del("If-None-Match")
	return nil
}

func (x *exchange) takeEncryption(in *http.Request) error {
	switch v := in.Header.Get(encryptionHeaders[0]); v {
	case "", "AES256", "aws:kms", "aws:kms:dsse":
	default:
		return refuse(ErrInvalidKey, "X-Amz-Server-Side-Encryption is %q; it must be AES256, aws:kms or aws:kms:dsse.", v)
	}
	for _, name := range encryptionHeaders {
		if v := in.Header.Get(name); v != "" {
			if x.opts.Headers == nil {
				x.opts.Headers = map[string]string{}
			}
			x.opts.Headers[name] = v
			x.add.Set(name, v)
			in.Header.Del(name)
		}
	}
	in.Header.Del("X-Amz-Server-Side-Encryption-Context")
	return nil
}

var checksumHeaders = map[string]string{
	"X-Amz-Checksum-Crc32": "CRC32", "X-Amz-Checksum-Crc32c": "CRC32C", "X-Amz-Checksum-Crc64nvme": "CRC64NVME",
	"X-Amz-Checksum-Sha1": "SHA1", "X-Amz-Checksum-Sha256": "SHA256",
}

// takeChecksums takes Content-MD5 and the checksums, those of the header and those that trail the body.
func (x *exchange) takeChecksums(in, r *http.Request, body *sizedBody) error {
	if values, ok := in.Header["Content-Md5"]; ok {
		sum, err := base64.StdEncoding.DecodeString(values[0])
		if err != nil || len(sum) != 16 {
			return &Error{Code: "InvalidDigest", Status: http.StatusBadRequest, Message: "The Content-MD5 you specified is not valid: it must be the base64 of 16 bytes."}
		}
		x.opts.MD5 = sum
		in.Header.Del("Content-Md5")
	}
	for _, name := range strings.Split(r.Header.Get("X-Amz-Trailer"), ",") {
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		if algorithm := checksumHeaders[name]; algorithm != "" {
			x.opts.Checksums = append(x.opts.Checksums, Checksum{Algorithm: algorithm, Late: func() string {
				body.drain() // the trailer is there once the body has ended
				return r.Trailer.Get(name)
			}})
		}
	}
	for name, algorithm := range checksumHeaders {
		v := in.Header.Get(name)
		if v == "" {
			continue
		}
		if sum, err := base64.StdEncoding.DecodeString(v); err != nil || len(sum) != newChecksum(algorithm).Size() {
			return refuse(ErrInvalidRequest, "Value for %s header is invalid: %q.", strings.ToLower(name), v)
		}
		x.opts.Checksums = append(x.opts.Checksums, Checksum{Algorithm: algorithm, Value: v})
		in.Header.Del(name)
	}
	if len(x.opts.Checksums) > 1 {
		return refuse(ErrInvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	if want := strings.ToUpper(in.Header.Get("X-Amz-Sdk-Checksum-Algorithm")); want != "" && len(x.opts.Checksums) == 0 && newChecksum(want) != nil {
		x.opts.Checksums = []Checksum{{Algorithm: want}}
	}
	in.Header.Del("X-Amz-Sdk-Checksum-Algorithm")
	in.Header.Del("X-Amz-Checksum-Algorithm")
	in.Header.Del("X-Amz-Trailer")
	return nil
}

// sayChecksums puts an object's checksums on the answer.
func (x *exchange) sayChecksums(sums map[string]string) {
	for name, algorithm := range checksumHeaders {
		if v := sums[algorithm]; v != "" {
			x.add.Set(name, v)
			x.add.Set("X-Amz-Checksum-Type", checksumType(v))
		}
	}
}

func checksumType(value string) string {
	if strings.Contains(value, "-") {
		return "COMPOSITE"
	}
	return fullObject
}

// SignedBody is the body of a write whose hash is known before it is read. Reading it fails where the content has another.
type SignedBody interface {
	io.ReadCloser
	// SHA256 is the content's in hex, or "" where it is not known.
	SHA256() string
}

// sizedBody fails a body that ends before its announced length, so that no truncated object is stored.
type sizedBody struct {
	r    io.ReadCloser
	want int64 // -1 is unknown
	got  int64
}

func (b *sizedBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.got += int64(n)
	if (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) && b.want >= 0 && b.got < b.want {
		return n, refuse(ErrIncompleteBody, "You did not provide the number of bytes specified by the Content-Length HTTP header: %d of %d came.", b.got, b.want)
	}
	return n, err
}

// drain reads up to the end of the body. A failure shows in the trailer, which is then missing.
func (b *sizedBody) drain() { _, _ = io.Copy(io.Discard, io.LimitReader(b.r, 1)) }

func (b *sizedBody) Close() error { return b.r.Close() }

var partCount = regexp.MustCompile(`-[0-9]+"?$`)

// withoutPartCount takes "-<parts>" off the entity tags of a condition: gofakes3 knows the tag of an object only as 16 bytes.
func withoutPartCount(tags string) string {
	list := strings.Split(tags, ",")
	for i, tag := range list {
		if tag = strings.TrimSpace(tag); partCount.MatchString(tag) {
			quote := ""
			if strings.HasSuffix(tag, `"`) {
				quote = `"`
			}
			tag = partCount.ReplaceAllString(tag, "") + quote
		}
		list[i] = tag
	}
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "" }), ", ")
}
