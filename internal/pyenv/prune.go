package pyenv

import (
	"os"
	"path/filepath"
	"time"
)

// touch notes that a world is used now.
func (m *Manager) touch(e *Env) {
	now := m.world.Now()
	_ = os.Chtimes(filepath.Join(e.Dir, envFile), now, now) // another user's world is used all the same
}

// Prune removes the worlds that were not used for so long and returns them.
func (m *Manager) Prune(unused time.Duration) (gone []*Env, err error) {
	all, err := m.List()
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		info, err := os.Stat(filepath.Join(e.Dir, envFile))
		if err != nil {
			return gone, err
		}
		if m.world.Now().Sub(info.ModTime()) < unused {
			continue
		}
		if err := m.Remove(e.ID); err != nil {
			return gone, err
		}
		gone = append(gone, e)
	}
	return gone, nil
}
