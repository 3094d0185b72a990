package object

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Delete removes an object and the folders that it leaves empty.
func (f *Files) Delete(ctx context.Context, bucket, key string) error {
	if err := f.HeadBucket(ctx, bucket); err != nil {
		return err
	}
	if ValidateKey(key) != nil {
		return nil // there is no such object
	}
	p := placeOf(f.bucketDir(bucket), key)
	unlock := f.keys.lock(bucket + "/" + key)
	defer unlock()
	removed := false
	// The plain name goes last: it is the one that counts while both are there.
	for _, path := range []string{p.demoted(), p.plain()} {
		gone, err := f.unlink(path)
		if err != nil {
			return fmt.Errorf("delete %q in bucket %q: %w", key, bucket, err)
		}
		removed = removed || gone
	}
	if !removed {
		return nil
	}
	if err := syncDir(p.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %q in bucket %q: %w", key, bucket, err)
	}
	f.prune(f.bucketDir(bucket), p.dir)
	return nil
}

func (f *Files) unlink(path string) (removed bool, err error) {
	f.tree.RLock()
	defer f.tree.RUnlock()
	st, err := os.Lstat(path)
	if err != nil || st.IsDir() {
		if err != nil && !notThere(err) {
			return false, err
		}
		return false, nil
	}
	done := f.holdSide(path)
	err = unix.Unlink(path)
	done(err == nil)
	return err == nil, err
}

// prune removes empty folders from dir up to the bucket's.
func (f *Files) prune(bucketDir, dir string) {
	f.tree.Lock()
	defer f.tree.Unlock()
	for ; dir != bucketDir && unix.Rmdir(dir) == nil; dir = filepath.Dir(dir) {
	}
}
