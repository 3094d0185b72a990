package s3client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// PutOptions says how an object is to be written. The zero value is an unconditional write.
type PutOptions struct {
	ContentType string
	Metadata    map[string]string
	// IfNoneMatch writes only if the key has no object; else the error is one for IsPreconditionFailed.
	IfNoneMatch bool
	// SHA256 is the hash of the body in hexadecimal, if it is known: it is signed, so the server verifies it.
	// Without it the body is sent as UNSIGNED-PAYLOAD.
	SHA256 string
}

// Put stores size bytes of body, which is read from its start, as one object. It returns the object's ETag.
func (c *Client) Put(ctx context.Context, bucket, key string, body io.ReadSeeker, size int64, opts PutOptions) (etag string, err error) {
	in := call{method: http.MethodPut, bucket: bucket, key: key, header: http.Header{}, body: body, size: size, hash: opts.SHA256}
	if in.hash == "" {
		in.hash = unsignedPayload
	}
	if opts.ContentType != "" {
		in.header.Set("Content-Type", opts.ContentType)
	}
	for name, value := range opts.Metadata {
		in.header.Set("X-Amz-Meta-"+name, value)
	}
	if opts.IfNoneMatch {
		in.header.Set("If-None-Match", "*")
	}
	res, err := c.do(ctx, in)
	if err != nil {
		return "", err
	}
	return strings.Trim(res.Header.Get("ETag"), `"`), res.Body.Close()
}

// PutFile stores a file as one object and returns the object's ETag.
func (c *Client) PutFile(ctx context.Context, bucket, key, path string, opts PutOptions) (etag string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("s3: put s3://%s/%s: %w", bucket, key, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("s3: put s3://%s/%s: %w", bucket, key, err)
	}
	if !st.Mode().IsRegular() {
		return "", fmt.Errorf("s3: put s3://%s/%s: %s is not a regular file", bucket, key, path)
	}
	return c.Put(ctx, bucket, key, f, st.Size(), opts)
}
