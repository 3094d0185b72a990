package filelock

import (
	"bytes"
	"os"
	"path/filepath"
)

// InUse says whether a process of this machine runs out of a folder: has files of it in its memory, or mounted. It is known where there is a /proc,
// and of processes that may be looked at.
func InUse(folder string) bool {
	lists, err := filepath.Glob("/proc/[0-9]*/maps")
	if err != nil {
		return false
	}
	within := []byte(filepath.Clean(folder) + string(filepath.Separator))
	for _, maps := range lists {
		for _, path := range []string{maps, filepath.Join(filepath.Dir(maps), "mountinfo")} {
			if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, within) {
				return true
			}
		}
	}
	return false
}
