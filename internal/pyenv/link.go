package pyenv

import (
	"io/fs"
	"os"
	"path/filepath"
)

// linkTree makes at target a tree that shares its files with source. uv and Python replace files and never write into them, so a change of one
// tree does not reach the other; the few files that are written here are replaced, too.
func linkTree(source, target string) error {
	return filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(target, path[len(source):])
		switch {
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, to)
		}
		return os.Link(path, to)
	})
}
