package store

import (
	"errors"
	"fmt"
	"os"

	"github.com/mobula-ml/mobula/internal/filelock"
)

// lock makes this process the only one that has the store open. Event numbers are given from memory and leases of other owners are taken for
// those of dead processes, so a second one would do harm.
func lock(path string) (*os.File, error) {
	f, err := filelock.Try(path + ".lock")
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("open %s: %w", path, ErrInUse)
	}
	return f, err
}
