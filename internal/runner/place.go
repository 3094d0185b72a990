package runner

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// place stands for a mount where there are none: a symbolic link to what may be written, a tree of hard links to what may not,
// so that deleting or replacing files in it leaves the originals alone.
func place(m Mount, target string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	source, err := filepath.EvalSymlinks(m.Source)
	if err != nil {
		return err
	}
	if m.ReadOnly {
		return linkTree(source, target)
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) { // an empty folder that marks the place
		return err
	}
	return os.Symlink(source, target)
}

func linkTree(source, target string) error {
	return filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, to)
		case d.Type().IsRegular():
			return linkOrCopy(path, to)
		}
		return nil // sockets and devices are nobody's input
	})
}

// linkOrCopy copies where the file system, or another one on the way, does not link.
func linkOrCopy(source, target string) (err error) {
	if err := os.Link(source, target); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
