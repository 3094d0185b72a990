package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"
)

// The environment of a step's job: which step it is, and what stands for the program in the step's cache key.
const (
	stepVariable    = "MOBULA_STEP"
	versionVariable = "MOBULA_STEP_VERSION"
)

// runningProgram is this process's executable, read once.
var runningProgram = sync.OnceValues(func() (Program, error) {
	path, err := os.Executable()
	if err != nil {
		return Program{}, fmt.Errorf("find the running program: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return Program{}, fmt.Errorf("read the running program: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return Program{}, fmt.Errorf("read the running program: %w", err)
	}
	name := unusual.ReplaceAllString(filepath.Base(path), "-")
	return Program{Name: name, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
})

// unusual characters do not belong into a key that also becomes a path and an argument.
var unusual = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func (b *builder) program() Program {
	p := b.target.Program
	if p.Name != "" && p.SHA256 != "" {
		return p
	}
	running, err := runningProgram()
	if err != nil {
		b.problem("", "%v", err)
	}
	if p.Name == "" {
		p.Name = running.Name
	}
	if p.SHA256 == "" {
		p.SHA256 = running.SHA256
	}
	return p
}

// hasCode says whether a step of the workflow runs this program.
func (w *Workflow) hasCode() bool {
	for _, s := range w.steps {
		if p, ok := s.(*ProcessingStep); ok && p.code.image == "" {
			return true
		}
	}
	return false
}
