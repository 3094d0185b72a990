package functions

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mobula-ml/mobula/internal/runner"
)

// stream is the name of the log stream of an invocation, as Lambda's look. Its id begins with the time, as the logs room reads it.
func (i *invocation) stream() string {
	sum := sha256.Sum256([]byte(i.Name))
	return fmt.Sprintf("%s/[$LATEST]%012x%s", i.Created.UTC().Format("2006/01/02"), i.Created.UnixMilli(), hex.EncodeToString(sum[:10]))
}

// written is where the host of an invocation writes what it prints.
func written(dir string) string { return filepath.Join(dir, "logs", runner.HostName(1)+".log") }

// shareLog makes the file that the host will write to, under a second name that outlives the invocation's folder: by function and stream, as the
// logs room reads it.
func (s *Service) shareLog(i *invocation, dir string) error {
	kept := filepath.Join(s.LogDir, "Functions", i.Function.Name, filepath.FromSlash(i.stream())+".log")
	for _, path := range []string{written(dir), kept} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(written(dir), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	f.Close()
	if err := os.Remove(kept); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Link(written(dir), kept)
}

// note adds a line to the log of an invocation that its own process did not live to write.
func note(dir, line string) error {
	f, err := os.OpenFile(written(dir), os.O_APPEND|os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) { // the host was not started
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

// maxTail is how much of a log Invoke gives, in bytes.
const maxTail = 4096

func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(string(b[max(0, len(b)-maxTail):]), "")
}
