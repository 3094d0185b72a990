package object

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Put stores what r gives: written to a temporary file, verified, synced, renamed, folder synced.
func (f *Files) Put(ctx context.Context, bucket, key string, r io.Reader, opts PutOptions) (info Info, err error) {
	if err := f.writable(ctx, bucket, key); err != nil {
		return Info{}, err
	}
	tmp, err := f.temp()
	if err != nil {
		return Info{}, writeFailed(bucket, key, err)
	}
	defer func() { err = f.finish(tmp, err) }()
	s, err := newSums(opts)
	if err != nil {
		return Info{}, err
	}
	if err := fill(ctx, tmp, s, r); err != nil {
		return Info{}, writeFailed(bucket, key, err)
	}
	return f.commit(ctx, bucket, key, tmp, s, opts)
}

// writable refuses a write that cannot succeed before its body is read.
func (f *Files) writable(ctx context.Context, bucket, key string) error {
	if err := f.HeadBucket(ctx, bucket); err != nil {
		return err
	}
	return ValidateKey(key)
}

// finish closes a temporary file and removes its name, which is gone already if the file was published.
func (f *Files) finish(tmp *os.File, err error) error {
	if err == nil {
		return tmp.Close()
	}
	done := f.holdSide(tmp.Name())
	done(os.Remove(tmp.Name()) == nil)
	tmp.Close()
	return err
}

var buffers = sync.Pool{New: func() any { return new([1 << 18]byte) }}

// fill copies the body to the file and past the sums. Beyond the first buffer the sums go on beside the reading, which has a signature to verify:
// MD5 alone takes as long as all the rest.
func fill(ctx context.Context, tmp *os.File, s *sums, r io.Reader) error {
	var summed chan []byte
	done := make(chan struct{})
	defer func() {
		if summed != nil {
			close(summed)
			<-done
		}
	}()
	for r := (contextReader{ctx, r}); ; {
		buf := buffers.Get().(*[1 << 18]byte)
		n, err := io.ReadFull(r, buf[:])
		if _, err := tmp.Write(buf[:n]); err != nil {
			return err
		}
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		if last && summed == nil {
			s.add(buf[:n])
			buffers.Put(buf)
			return nil
		}
		if summed == nil {
			summed = make(chan []byte, 4)
			go func() {
				defer close(done)
				for b := range summed {
					s.add(b)
					buffers.Put((*[1 << 18]byte)(b[:1<<18]))
				}
			}()
		}
		summed <- buf[:n]
		if last {
			return nil
		}
	}
}

// commit verifies what was written and publishes it.
func (f *Files) commit(ctx context.Context, bucket, key string, tmp *os.File, s *sums, opts PutOptions) (Info, error) {
	etag, kept, err := s.verify()
	if err != nil {
		return Info{}, err
	}
	return f.publish(ctx, bucket, key, tmp, &attrs{ETag: etag, Size: s.size, Sums: kept, SHA256: opts.SHA256}, opts)
}

// publish gives a written file its attributes, makes it durable and puts it under its key, if the conditions hold.
func (f *Files) publish(ctx context.Context, bucket, key string, tmp *os.File, a *attrs, opts PutOptions) (Info, error) {
	now := f.world.Now()
	if err := f.seal(tmp, a, opts, now); err != nil {
		return Info{}, writeFailed(bucket, key, err)
	}
	unlock := f.keys.lock(bucket + "/" + key)
	defer unlock()
	if err := ctx.Err(); err != nil {
		return Info{}, err
	}
	if err := f.checkConditions(ctx, bucket, key, opts); err != nil {
		return Info{}, err
	}
	if err := f.install(ctx, bucket, key, tmp.Name()); err != nil {
		return Info{}, writeFailed(bucket, key, err)
	}
	return a.info(bucket, key, now), nil
}

// seal writes the attributes of a finished file and syncs it. The file becomes read-only, so that a job that was given
// a link to it cannot change the object by accident.
func (f *Files) seal(tmp *os.File, a *attrs, opts PutOptions, now time.Time) error {
	a.Type, a.Meta, a.Headers, a.Mtime = opts.ContentType, opts.Metadata, opts.Headers, now.UnixNano()
	if err := os.Chtimes(tmp.Name(), now, now); err != nil {
		return err
	}
	if err := f.writeAttrs(tmp, a); err != nil {
		return err
	}
	if err := tmp.Chmod(0o444); err != nil {
		return err
	}
	return tmp.Sync()
}

func (f *Files) checkConditions(ctx context.Context, bucket, key string, opts PutOptions) error {
	if !opts.IfNoneMatch && opts.IfMatch == "" {
		return nil
	}
	now, err := f.Head(ctx, bucket, key)
	if err != nil && !errors.Is(err, ErrNoSuchKey) {
		return err
	}
	switch {
	case opts.IfMatch != "" && err != nil:
		return err
	case opts.IfMatch != "" && opts.IfMatch != now.ETag && opts.IfMatch != "*":
		return refuse(ErrPreconditionFailed, "If-Match does not hold: %q has the ETag %q, not %q.", key, now.ETag, opts.IfMatch)
	case opts.IfNoneMatch && err == nil:
		return refuse(ErrPreconditionFailed, "If-None-Match: * does not hold: %q exists already.", key)
	}
	return nil
}

// install renames a sealed file to its place and syncs the folders that changed. The caller holds the key's lock.
func (f *Files) install(ctx context.Context, bucket, key, tmp string) error {
	p := placeOf(f.bucketDir(bucket), key)
	for range 16 { // each round moves one file out of the way of a folder; a path has few folders, and a rival can put a file back only so often
		made, obstacle, err := f.rename(ctx, bucket, p, tmp)
		if err != nil {
			return err
		}
		if obstacle != "" {
			if err := f.demote(obstacle); err != nil {
				return err
			}
			continue
		}
		for _, d := range append(made, p.dir) {
			// A folder that is gone was emptied by a delete that came after this write.
			if err := syncDir(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("a parent of the key is being written as an object again and again")
}

// rename makes the folders and renames, or names the file that stands where a folder must be. made are the folders that got a new folder in them.
func (f *Files) rename(ctx context.Context, bucket string, p place, tmp string) (made []string, obstacle string, err error) {
	f.tree.RLock()
	defer f.tree.RUnlock()
	if err := f.HeadBucket(ctx, bucket); err != nil {
		return nil, "", err
	}
	if made, obstacle, err = makeFolders(f.bucketDir(bucket), p.dir); err != nil || obstacle != "" {
		return nil, obstacle, err
	}
	dst := p.plain()
	switch st, err := os.Lstat(dst); {
	case err == nil && st.IsDir():
		dst = p.demoted()
	case err != nil:
		if _, err := os.Lstat(p.demoted()); err == nil {
			dst = p.demoted()
		}
	}
	done := f.holdSide(dst)
	err = os.Rename(tmp, dst)
	done(err == nil)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOTEMPTY) {
		err = os.Rename(tmp, p.demoted()) // another writer made the folder in between
	}
	return made, "", err
}

// makeFolders makes what is missing between a bucket's folder and dir.
func makeFolders(bucketDir, dir string) (made []string, obstacle string, err error) {
	if dir == bucketDir {
		return nil, "", nil
	}
	err = os.Mkdir(dir, 0o755)
	switch {
	case err == nil:
		return []string{filepath.Dir(dir)}, "", nil
	case errors.Is(err, fs.ErrExist):
		st, err := os.Lstat(dir)
		if err == nil && !st.IsDir() {
			return nil, dir, nil
		}
		return nil, "", err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		made, obstacle, err = makeFolders(bucketDir, filepath.Dir(dir))
		if err != nil || obstacle != "" {
			return nil, obstacle, err
		}
		more, obstacle, err := makeFolders(bucketDir, dir)
		return append(made, more...), obstacle, err
	}
	return nil, "", err
}

// demote gives an object's file the name beside a folder, so that the folder can be made.
// At every moment the object is under one of its two names.
func (f *Files) demote(path string) error {
	f.tree.Lock()
	defer f.tree.Unlock()
	st, err := os.Lstat(path)
	if err != nil || st.IsDir() {
		return nil // another writer was here first
	}
	beside := path + besideFolder
	if err := os.Link(path, beside); err != nil {
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		// Left by a crash or an older write: the plain name is the one that counts.
		if err := os.Remove(beside); err != nil {
			return err
		}
		if err := os.Link(path, beside); err != nil {
			return err
		}
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
