package xgboost

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Model is a trained model. It never changes, and its methods may be called at the same time.
type Model struct {
	data    []byte // as the library saved or a user loaded it
	history []Round

	treesOnce sync.Once
	trees     *Trees
	treesErr  error

	boosterOnce sync.Once
	booster     *booster
	boosterErr  error
	features    int
}

// LoadModel reads a model of the library's JSON or UBJSON format, whatever the file is called. The file is checked before the library
// sees it, which itself may crash on a damaged one.
func LoadModel(path string) (*Model, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := ParseModel(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// ParseModel is LoadModel of bytes in memory, which it keeps.
func ParseModel(data []byte) (*Model, error) {
	m := &Model{data: data}
	var unsupported *UnsupportedError
	if _, err := m.Trees(); err != nil && !errors.As(err, &unsupported) {
		return nil, err
	}
	return m, nil
}

// Save writes the model so that the file appears whole or not at all: as JSON where path ends in .json, else as UBJSON.
func (m *Model) Save(path string) error {
	format := "ubj"
	if strings.EqualFold(filepath.Ext(path), ".json") {
		format = "json"
	}
	data, err := m.Bytes(format)
	if err != nil {
		return err
	}
	return writeWhole(path, data)
}

// SaveModel is m.Save(path).
func SaveModel(m *Model, path string) error { return m.Save(path) }

// Bytes returns the model as "json" or "ubj". Do not change them.
func (m *Model) Bytes(format string) ([]byte, error) {
	if format != "json" && format != "ubj" {
		return nil, fmt.Errorf("model format %q: it must be json or ubj", format)
	}
	if (format == "json") == looksLikeJSON(m.data) {
		return m.data, nil
	}
	b, err := m.library()
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(m)
	return b.save(format)
}

// History returns the rounds of the training that made the model in this process. Do not change it.
func (m *Model) History() []Round { return m.history }

// Trees returns the model's trees for prediction in Go, or an *UnsupportedError.
func (m *Model) Trees() (*Trees, error) {
	m.treesOnce.Do(func() { m.trees, m.treesErr = ParseTrees(m.data) })
	return m.trees, m.treesErr
}

// library returns the model inside the library, loaded at the first use.
func (m *Model) library() (*booster, error) {
	m.boosterOnce.Do(func() {
		if m.boosterErr = Load(); m.boosterErr != nil {
			return
		}
		m.boosterErr = onOwnThread(func() error {
			b, err := newBooster()
			if err == nil {
				err = b.load(m.data)
			}
			if err == nil {
				m.features, err = b.features()
			}
			if err == nil && m.inPlace() {
				// The first prediction configures the booster, which must not happen in two threads at once.
				_, err = b.predictDense(Dense{Data: make([]float32, m.features), Rows: 1, Cols: m.features})
			}
			if err != nil {
				b.free()
				return err
			}
			m.booster = b
			runtime.AddCleanup(m, func(b *booster) { b.free() }, b)
			return nil
		})
	})
	return m.booster, m.boosterErr
}

// writeWhole writes a file under another name first, so that path never has half of it.
func writeWhole(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

// looksLikeJSON tells the two formats apart: both begin with a brace, which in UBJSON is followed by the type of the first key's length.
func looksLikeJSON(data []byte) bool {
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return ok && len(rest) > 0 && (rest[0] == '"' || rest[0] == '}')
}
