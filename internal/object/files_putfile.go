package object

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// PutFile stores a local file. With opts.Move the file is taken over and its old name removed, at the cost of reading it once;
// else its blocks are shared where the file system can, and copied where it cannot. A failure leaves the file where it was.
func (f *Files) PutFile(ctx context.Context, bucket, key, path string, opts PutOptions) (Info, error) {
	if err := f.writable(ctx, bucket, key); err != nil {
		return Info{}, err
	}
	src, err := os.Open(path)
	if err != nil {
		return Info{}, fmt.Errorf("store a file as %q in bucket %q: %w", key, bucket, err)
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return Info{}, fmt.Errorf("store a file as %q in bucket %q: %w", key, bucket, err)
	}
	if !st.Mode().IsRegular() {
		return Info{}, refuse(ErrInvalidRequest, "%s is not a regular file, so it cannot be stored as %q.", path, key)
	}
	info, shared, err := f.share(ctx, bucket, key, src, st, opts)
	if !shared && err == nil {
		info, err = f.Put(ctx, bucket, key, src, opts)
	}
	if err == nil && opts.Move {
		if gone := os.Remove(path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			f.log.Warn("A file that was stored could not be removed", "file", path, "error", gone)
		}
	}
	return info, err
}

// share stores a file without copying its bytes: by a second name for it when it may be taken, else by a clone. shared is false when neither can be done.
func (f *Files) share(ctx context.Context, bucket, key string, src *os.File, st fs.FileInfo, opts PutOptions) (info Info, shared bool, err error) {
	name := filepath.Join(f.sys("tmp"), f.world.NewID(32))
	// A file with other names is somebody else's too: what is done to it must not reach them.
	if opts.Move && st.Sys().(*syscall.Stat_t).Nlink == 1 && os.Link(src.Name(), name) == nil {
		// The file's owner may have withdrawn the right to write it.
		if os.Chmod(name, st.Mode().Perm()|0o600) != nil {
			os.Remove(name)
			return Info{}, false, nil
		}
	} else if clone(name, src) != nil {
		os.Remove(name)
		return Info{}, false, nil
	}
	tmp, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		os.Remove(name)
		return Info{}, false, nil
	}
	defer func() { err = f.finish(tmp, err) }()
	s, err := newSums(opts)
	if err != nil {
		return Info{}, true, err
	}
	if _, err := io.Copy(s, contextReader{ctx, tmp}); err != nil {
		return Info{}, true, writeFailed(bucket, key, err)
	}
	info, err = f.commit(ctx, bucket, key, tmp, s, opts)
	return info, true, err
}
