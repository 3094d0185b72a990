package pyenv

import (
	"bytes"
	"os"
	"path/filepath"
	"time"
)

// touch notes that a world is used now.
func (m *Manager) touch(e *Env) {
	now := m.world.Now()
	_ = os.Chtimes(filepath.Join(e.Dir, envFile), now, now) // another user's world is used all the same
}

// Prune removes the worlds that were not used for so long, and that no process has, and returns them.
func (m *Manager) Prune(unused time.Duration) (gone []*Env, err error) {
	all, err := m.List()
	if err != nil {
		return nil, err
	}
	used := linked()
	for _, e := range all {
		info, err := os.Stat(filepath.Join(e.Dir, envFile))
		if err != nil {
			return gone, err
		}
		if m.world.Now().Sub(info.ModTime()) < unused || used[e.Dir] {
			continue
		}
		if err := m.Remove(e.ID); err != nil {
			return gone, err
		}
		gone = append(gone, e)
	}
	return gone, nil
}

// linked are the folders of the worlds that processes of this machine have: what the links lead to that are in their environments. It is known where there
// is a /proc, and of processes that may be looked at.
func linked() map[string]bool {
	used := map[string]bool{}
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return used
	}
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended, or is another user's
		}
		for entry := range bytes.SplitSeq(environ, []byte{0}) {
			link, ok := bytes.CutPrefix(entry, []byte(LinkVariable+"="))
			if !ok {
				continue
			}
			if dir, err := os.Readlink(filepath.Join(filepath.Dir(file), "root", string(link))); err == nil { // as the process sees it
				used[filepath.Clean(dir)] = true
			}
		}
	}
	return used
}
