package object

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mobula-ml/mobula/internal/filelock"
	"github.com/mobula-ml/mobula/internal/world"
)

// Files is the Store over a folder: <root>/<bucket>/<key>. What is not an object lies in <root>/.sys.
type Files struct {
	root  string
	world world.World
	log   *slog.Logger
	lock  *os.File

	keys keyLocks
	// tree is held for reading while a file is put into the tree of folders, and for writing while folders and files change places.
	tree sync.RWMutex

	sweepMu   sync.Mutex
	lastSweep time.Time
}

// FilesOptions is what Files needs from its surroundings.
type FilesOptions struct {
	// World gives the time and identifiers. Defaults to the machine's.
	World world.World
	// Log takes what is worth knowing and no error. Defaults to slog's default.
	Log *slog.Logger
}

// OpenFiles opens the store in a folder, making it if it is missing, and removes what a killed process left unfinished.
// One process at a time: a second gets an error. Close gives the folder free.
func OpenFiles(root string, opts FilesOptions) (*Files, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("open object store: %w", err)
	}
	f := &Files{root: root, world: opts.World, log: opts.Log}
	if f.world == nil {
		f.world = world.Real()
	}
	if f.log == nil {
		f.log = slog.Default()
	}
	for _, d := range []string{"tmp", "meta", "uploads"} {
		if err := os.MkdirAll(f.sys(d), 0o755); err != nil {
			return nil, fmt.Errorf("open object store: %w", err)
		}
	}
	f.lock, err = filelock.Try(f.sys("lock"))
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("open object store: the folder %s is in use by another process: %w", root, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open object store: %w", err)
	}
	if err := f.sweepTemp(); err != nil {
		f.lock.Close()
		return nil, fmt.Errorf("open object store: %w", err)
	}
	f.sweepUploads()
	return f, nil
}

// Close gives the folder free. Nothing waits to be written.
func (f *Files) Close() error { return f.lock.Close() }

func (f *Files) sys(name string) string { return filepath.Join(f.root, ".sys", name) }

func (f *Files) bucketDir(bucket string) string { return filepath.Join(f.root, bucket) }

// temp makes a file that no listing shows and the next open sweeps.
func (f *Files) temp() (*os.File, error) {
	return os.OpenFile(filepath.Join(f.sys("tmp"), f.world.NewID(32)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

func (f *Files) sweepTemp() error {
	entries, err := os.ReadDir(f.sys("tmp"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(f.sys("tmp"), e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// CreateBucket makes an empty bucket.
func (f *Files) CreateBucket(_ context.Context, bucket string) error {
	if err := ValidateBucket(bucket); err != nil {
		return err
	}
	dir := f.bucketDir(bucket)
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return refuse(ErrBucketExists, "Bucket %q exists already and is yours.", bucket)
		}
		return writeFailed(bucket, "", err)
	}
	// The folder's own times change with its content, so the time of creation is kept beside it. Without attributes the folder's time must do.
	created, _ := f.world.Now().MarshalText()
	_ = unix.Setxattr(dir, attrName, created, 0)
	if err := syncDir(dir); err != nil {
		return writeFailed(bucket, "", err)
	}
	return syncDir(f.root)
}

// HeadBucket gives ErrNoSuchBucket when there is none of that name.
func (f *Files) HeadBucket(_ context.Context, bucket string) error {
	if ValidateBucket(bucket) != nil {
		return noSuchBucket(bucket)
	}
	st, err := os.Lstat(f.bucketDir(bucket))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.IsDir() {
		return noSuchBucket(bucket)
	}
	return err
}

// DeleteBucket removes an empty bucket, and the uploads nobody finished in it.
func (f *Files) DeleteBucket(ctx context.Context, bucket string) error {
	if err := f.HeadBucket(ctx, bucket); err != nil {
		return err
	}
	f.tree.Lock()
	defer f.tree.Unlock()
	if err := removeEmptyTree(f.bucketDir(bucket)); err != nil {
		if errors.Is(err, unix.ENOTEMPTY) {
			return refuse(ErrBucketNotEmpty, "The bucket %q still has objects; delete them first.", bucket)
		}
		return fmt.Errorf("delete bucket %q: %w", bucket, err)
	}
	uploads, err := f.ListUploads(ctx, bucket, "")
	for _, u := range uploads {
		err = errors.Join(err, os.RemoveAll(f.uploadDir(u.ID)))
	}
	return errors.Join(err, syncDir(f.root))
}

// ListBuckets returns all buckets, sorted by name.
func (f *Files) ListBuckets(context.Context) ([]Bucket, error) {
	entries, err := os.ReadDir(f.root)
	if err != nil {
		return nil, fmt.Errorf("list buckets: %w", err)
	}
	var out []Bucket
	for _, e := range entries {
		if !e.IsDir() || ValidateBucket(e.Name()) != nil {
			continue
		}
		b := Bucket{Name: e.Name()}
		buf := make([]byte, 64)
		if n, err := unix.Getxattr(f.bucketDir(e.Name()), attrName, buf); err != nil || b.Created.UnmarshalText(buf[:n]) != nil {
			st, err := e.Info()
			if err != nil {
				continue // deleted since the folder was read
			}
			b.Created = st.ModTime().UTC()
		}
		out = append(out, b)
	}
	return out, nil
}

// removeEmptyTree removes folders that hold no file, or says ENOTEMPTY at the first file.
func removeEmptyTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			return unix.ENOTEMPTY
		}
	}
	for _, e := range entries {
		if err := removeEmptyTree(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return unix.Rmdir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// keyLocks is a mutex for each key in use.
type keyLocks struct {
	mu sync.Mutex
	m  map[string]*keyLock
}

type keyLock struct {
	sync.Mutex
	users int
}

func (k *keyLocks) lock(name string) (unlock func()) {
	k.mu.Lock()
	if k.m == nil {
		k.m = map[string]*keyLock{}
	}
	l := k.m[name]
	if l == nil {
		l = new(keyLock)
		k.m[name] = l
	}
	l.users++
	k.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.m, name)
		}
	}
}
