package runner

import (
	"path"
	"path/filepath"
)

// Show lets the hosts of a job see a folder of the machine, wherever on it that lies, and returns the path by which they see a file of it.
// Hosts of the namespace runner have folders such as /tmp of their own, so the machine's path would not do.
func (s *Spec) Show(r Runner, folder, file, at string) string {
	if r.Name() != Namespace {
		return file
	}
	s.Mounts = append(s.Mounts, Mount{Source: folder, Target: at, ReadOnly: true})
	rel, err := filepath.Rel(folder, file)
	if err != nil {
		return file
	}
	return path.Join(at, filepath.ToSlash(rel))
}
