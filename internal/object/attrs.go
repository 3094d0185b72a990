package object

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attrs is what the file system does not keep of an object. It lies in an extended attribute of the object's file,
// or, where the file system has none or too little room, in a side file named by the inode.
// Size and time bind it to the content: a file that someone else wrote to is described anew.
type attrs struct {
	ETag    string            `json:"etag"`
	Size    int64             `json:"size"`
	Mtime   int64             `json:"mtime_ns"`
	Type    string            `json:"type,omitempty"`
	Meta    map[string]string `json:"meta,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Sums    map[string]string `json:"sums,omitempty"`
	SHA256  string            `json:"sha256,omitempty"`
}

const attrName = "user.mobula.object"

func (a *attrs) fits(st fs.FileInfo) bool {
	return a.Size == st.Size() && a.Mtime == st.ModTime().UnixNano()
}

func (a *attrs) info(bucket, key string, modified time.Time) Info {
	return Info{Bucket: bucket, Key: key, Size: a.Size, ETag: a.ETag, Modified: modified.UTC(), ContentType: a.Type, Metadata: a.Meta, Headers: a.Headers, Checksums: a.Sums}
}

func inode(st fs.FileInfo) uint64 { return uint64(st.Sys().(*syscall.Stat_t).Ino) }

func (f *Files) sidePath(st fs.FileInfo) string {
	return filepath.Join(f.sys("meta"), strconv.FormatUint(inode(st), 16))
}

// readAttrs gives the attributes of an open object, describing it first if nobody has.
func (f *Files) readAttrs(file *os.File, st fs.FileInfo) (*attrs, error) {
	a := new(attrs)
	buf := make([]byte, 1<<10)
	for {
		n, err := unix.Fgetxattr(int(file.Fd()), attrName, buf)
		if errors.Is(err, unix.ERANGE) && len(buf) < 1<<16 {
			buf = make([]byte, 1<<16)
			continue
		}
		if err == nil && json.Unmarshal(buf[:n], a) == nil && a.fits(st) {
			return a, nil
		}
		break
	}
	if b, err := os.ReadFile(f.sidePath(st)); err == nil {
		a = new(attrs)
		if json.Unmarshal(b, a) == nil && a.fits(st) {
			return a, nil
		}
	}
	h := md5.New()
	if _, err := io.Copy(h, io.NewSectionReader(file, 0, st.Size())); err != nil {
		return nil, fmt.Errorf("describe %s: %w", file.Name(), err)
	}
	a = &attrs{ETag: hex.EncodeToString(h.Sum(nil)), Size: st.Size(), Mtime: st.ModTime().UnixNano()}
	f.keepAttrs(file, st, a)
	return a, nil
}

// keepAttrs stores attributes that can be computed again, so a failure costs time and nothing else.
func (f *Files) keepAttrs(file *os.File, st fs.FileInfo, a *attrs) {
	err := f.writeAttrs(file, a)
	if err == nil || st.Mode().Perm()&0o200 != 0 {
		return
	}
	// Objects are read-only files, and their owner may set attributes only on a writable one.
	if file.Chmod(st.Mode().Perm()|0o200) == nil {
		err = f.writeAttrs(file, a)
		err = errors.Join(err, file.Chmod(st.Mode().Perm()))
	}
	if err != nil {
		f.log.Debug("Attributes of an object were not kept", "file", file.Name(), "error", err)
	}
}

// writeAttrs stores the attributes of a file. They are durable once the file is synced (the side file by itself).
func (f *Files) writeAttrs(file *os.File, a *attrs) error {
	b, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode attributes: %w", err)
	}
	err = unix.Fsetxattr(int(file.Fd()), attrName, b, 0)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.E2BIG), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.ERANGE):
	default:
		return fmt.Errorf("set attributes of %s: %w", file.Name(), err)
	}
	// ENOSPC is also what ext4 says when the attribute does not fit the inode's block; a disk that is really full refuses the side file too.
	st, err := file.Stat()
	if err != nil {
		return err
	}
	return f.writeWhole(f.sidePath(st), b)
}

// holdSide is called before a file loses its name. The file is held open until done, so that no new file can get its inode,
// and with it its side file, before the side file is gone.
func (f *Files) holdSide(path string) (done func(lost bool)) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return func(bool) {}
	}
	return func(lost bool) {
		defer file.Close()
		if !lost {
			return
		}
		if st, err := file.Stat(); err == nil {
			os.Remove(f.sidePath(st))
		}
	}
}

// writeWhole writes a small file so that it is there whole and durable, or not at all.
func (f *Files) writeWhole(path string, b []byte) (err error) {
	tmp, err := f.temp()
	if err != nil {
		return err
	}
	defer func() {
		tmp.Close()
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	if _, err = tmp.Write(b); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
