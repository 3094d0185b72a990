// Package tarball packs and unpacks folders as tar, with or without gzip. What would leave the folder, links that do, and
// devices are refused; a leading slash is left out, as tar itself does.
package tarball

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Limits of an archive.
const (
	MaxBytes = 30 << 30
	MaxFiles = 100_000
)

// Unpack unpacks an archive, gzipped or not, into a folder, which it makes if need be.
func Unpack(folder string, archive io.Reader) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	in := bufio.NewReader(archive)
	if magic, err := in.Peek(2); err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return extract(root, in)
	}
	zip, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("it is no gzip: %w", err)
	}
	if err := extract(root, zip); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, zip) // the checksum stands at the end
	return err
}

func extract(root *os.Root, from io.Reader) error {
	var bytes int64
	archive := tar.NewReader(from)
	for files := 0; ; files++ {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if bytes += h.Size; bytes > MaxBytes || files > MaxFiles {
			return fmt.Errorf("it holds more than %d bytes or %d files", int64(MaxBytes), MaxFiles)
		}
		if err := extractOne(root, path.Clean(strings.TrimLeft(h.Name, "/")), h, archive); err != nil {
			return err
		}
	}
}

func extractOne(root *os.Root, name string, h *tar.Header, from io.Reader) error {
	if name == "." {
		return nil
	}
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeSymlink: // where it leads out of the folder, os.Root does not follow it later on
		if path.IsAbs(h.Linkname) || !filepath.IsLocal(path.Join(path.Dir(name), h.Linkname)) {
			return fmt.Errorf("%s links to %s, outside the archive", h.Name, h.Linkname)
		}
		return root.Symlink(h.Linkname, name)
	case tar.TypeReg:
	default:
		return fmt.Errorf("%s is neither a file nor a folder", h.Name)
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644|fs.FileMode(h.Mode)&0o111)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// Pack writes the regular files of a folder as an uncompressed tar. Equal contents give equal bytes: names are sorted, times and owners are none.
func Pack(w io.Writer, folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	return PackRoots(w, root)
}

// PackRoots is Pack for several folders, whose files lie beside one another in the archive. Of files of one name the first folder's stands for all.
func PackRoots(w io.Writer, roots ...*os.Root) error {
	archive, seen := tar.NewWriter(w), map[string]bool{}
	for _, root := range roots {
		err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || seen[name] {
				return err
			}
			seen[name] = true
			return packFile(archive, root, name)
		})
		if err != nil {
			return err
		}
	}
	return archive.Close()
}

func packFile(archive *tar.Writer, root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644 | int64(info.Mode()&0o111), Size: info.Size(), ModTime: time.Unix(0, 0), Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err = io.CopyN(archive, f, info.Size())
	return err
}
