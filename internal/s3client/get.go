package s3client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// Get opens an object for reading from its start. The caller closes it.
func (c *Client) Get(ctx context.Context, bucket, key string) (io.ReadCloser, Object, error) {
	res, err := c.get(ctx, bucket, key, nil)
	if err != nil {
		return nil, Object{}, err
	}
	return res.Body, objectOf(key, res), nil
}

// GetRange opens the part of an object from offset on, length bytes of it or up to its end if that comes first.
func (c *Client) GetRange(ctx context.Context, bucket, key string, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 || length < 1 {
		return nil, fmt.Errorf("s3: get s3://%s/%s: offset %d must not be negative and length %d must be positive", bucket, key, offset, length)
	}
	res, err := c.get(ctx, bucket, key, http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)}})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

func (c *Client) get(ctx context.Context, bucket, key string, header http.Header) (*http.Response, error) {
	// Without this the transport would ask for gzip and undo it, and the size would be another.
	h := http.Header{"Accept-Encoding": {"identity"}}
	for name, values := range header {
		h[name] = values
	}
	return c.do(ctx, call{method: http.MethodGet, bucket: bucket, key: key, header: h})
}

// GetFile downloads an object to a file. The file appears whole, in place of one that is there, or not at all; missing folders are made.
// A download that breaks off goes on where it was, unless the object changed meanwhile: then it begins again.
func (c *Client) GetFile(ctx context.Context, bucket, key, path string) (o Object, err error) {
	fail := func(err error) (Object, error) {
		return Object{}, fmt.Errorf("s3: get s3://%s/%s: %w", bucket, key, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fail(err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".download-*")
	if err != nil {
		return fail(err)
	}
	defer func() {
		tmp.Close()
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	attempts := c.Attempts
	if attempts <= 0 {
		attempts = defaultAttempts
	}
	for attempt := 1; ; attempt++ {
		if o, err = c.download(ctx, bucket, key, tmp, o); err == nil {
			break
		}
		if attempt == attempts || !errors.Is(err, errCut) || ctx.Err() != nil {
			return Object{}, err
		}
	}
	if err := tmp.Chmod(0o644); err != nil {
		return fail(err)
	}
	if err := tmp.Close(); err != nil {
		return fail(err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fail(err)
	}
	return o, nil
}

// errCut is a body that broke off: what came is kept and the rest asked for.
var errCut = errors.New("the download broke off")

// download appends to the file what it lacks of the object. known is the object as of an earlier attempt.
func (c *Client) download(ctx context.Context, bucket, key string, tmp *os.File, known Object) (Object, error) {
	have, err := tmp.Seek(0, io.SeekEnd)
	if err != nil {
		return known, fmt.Errorf("s3: get s3://%s/%s: %w", bucket, key, err)
	}
	var header http.Header
	if have > 0 && known.ETag != "" {
		header = http.Header{"Range": {fmt.Sprintf("bytes=%d-", have)}, "If-Match": {`"` + known.ETag + `"`}}
	}
	res, err := c.get(ctx, bucket, key, header)
	if IsPreconditionFailed(err) && header != nil {
		res, err = c.get(ctx, bucket, key, nil)
	}
	if err != nil {
		return known, err
	}
	defer res.Body.Close()
	o := known
	if res.StatusCode != http.StatusPartialContent {
		o = objectOf(key, res)
		if have, err = 0, tmp.Truncate(0); err == nil {
			_, err = tmp.Seek(0, io.SeekStart)
		}
		if err != nil {
			return o, fmt.Errorf("s3: get s3://%s/%s: %w", bucket, key, err)
		}
	}
	n, err := io.Copy(fileWriter{tmp}, res.Body)
	var local *os.PathError
	switch {
	case errors.As(err, &local):
		return o, fmt.Errorf("s3: get s3://%s/%s: %w", bucket, key, err)
	case err != nil:
		return o, fmt.Errorf("s3: get s3://%s/%s: %w after %d of %d bytes: %w", bucket, key, errCut, have+n, o.Size, err)
	case o.Size >= 0 && have+n != o.Size:
		return o, fmt.Errorf("s3: get s3://%s/%s: %w after %d of %d bytes", bucket, key, errCut, have+n, o.Size)
	}
	o.Size = have + n
	return o, nil
}

// fileWriter hides the file's own way to read from a connection, which would hide whose error it was.
type fileWriter struct{ io.Writer }
