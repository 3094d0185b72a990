//go:build !linux

package object

import (
	"errors"
	"os"
)

// clone says that this system cannot share blocks, so that the file is copied.
func clone(string, *os.File) error { return errors.ErrUnsupported }
