package object

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// open finds the file of a key. The plain name comes first: a file only ever moves from there to the name beside a folder,
// and is at both for a moment, so a reader that looks in this order cannot miss it.
func (f *Files) open(ctx context.Context, bucket, key string) (*os.File, fs.FileInfo, error) {
	if err := f.HeadBucket(ctx, bucket); err != nil {
		return nil, nil, err
	}
	if ValidateKey(key) != nil {
		return nil, nil, noSuchKey(bucket, key)
	}
	p := placeOf(f.bucketDir(bucket), key)
	for _, path := range []string{p.plain(), p.demoted()} {
		file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			if notThere(err) {
				continue
			}
			return nil, nil, fmt.Errorf("open %q in bucket %q: %w", key, bucket, err)
		}
		st, err := file.Stat()
		if err == nil && st.Mode().IsRegular() {
			return file, st, nil
		}
		file.Close()
	}
	return nil, nil, noSuchKey(bucket, key)
}

func notThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENAMETOOLONG) || errors.Is(err, unix.ENXIO)
}

// Get opens an object.
func (f *Files) Get(ctx context.Context, bucket, key string) (io.ReadSeekCloser, Info, error) {
	file, st, err := f.open(ctx, bucket, key)
	if err != nil {
		return nil, Info{}, err
	}
	a, err := f.readAttrs(file, st)
	if err != nil {
		file.Close()
		return nil, Info{}, err
	}
	return file, a.info(bucket, key, st.ModTime()), nil
}

// Head describes an object.
func (f *Files) Head(ctx context.Context, bucket, key string) (Info, error) {
	r, info, err := f.Get(ctx, bucket, key)
	if err != nil {
		return Info{}, err
	}
	return info, r.Close()
}

// LocalPath names the file of an object.
func (f *Files) LocalPath(ctx context.Context, bucket, key string) (string, bool) {
	file, _, err := f.open(ctx, bucket, key)
	if err != nil {
		return "", false
	}
	file.Close()
	return file.Name(), true
}

// Digest returns the SHA-256 of the content, from the attributes once it was computed.
func (f *Files) Digest(ctx context.Context, bucket, key string) (string, error) {
	file, st, err := f.open(ctx, bucket, key)
	if err != nil {
		return "", err
	}
	defer file.Close()
	a, err := f.readAttrs(file, st)
	if err != nil {
		return "", err
	}
	if a.SHA256 != "" {
		return a.SHA256, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, contextReader{ctx, file}); err != nil {
		return "", fmt.Errorf("digest of %q in bucket %q: %w", key, bucket, err)
	}
	a.SHA256 = hex.EncodeToString(h.Sum(nil))
	f.keepAttrs(file, st, a)
	return a.SHA256, nil
}

// contextReader stops a long read when its context ends.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
