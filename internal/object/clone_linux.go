package object

import (
	"os"

	"golang.org/x/sys/unix"
)

// clone makes a file that shares its blocks with src until one of them is written to. Few file systems can.
func clone(name string, src *os.File) error {
	dst, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer dst.Close()
	return unix.IoctlFileClone(int(dst.Fd()), int(src.Fd()))
}
