//go:build !unix

package store

import "os"

// lock opens the file of the lock; where there is no flock, one process a folder is for the user to see to.
func lock(path string) (*os.File, error) {
	return os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
}
