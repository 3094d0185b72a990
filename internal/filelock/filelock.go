// Package filelock takes files as locks between processes. The system ends a lock with its process, however that ends.
package filelock

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrHeld is given where another process, or another part of this one, holds the lock.
var ErrHeld = errors.New("another process holds the lock")

// moment is for how long a lock is asked for that is held. A child that is being started has its parent's open files until it begins to run
// its own program, so a lock that was just given back can look held for that long.
const moment = 500 * time.Millisecond

// Try takes the lock of a file, which it makes if need be, or gives ErrHeld after a moment. Closing the file gives the lock back.
func Try(path string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(context.Background(), moment)
	defer cancel()
	return Take(ctx, path)
}

// Take takes the lock of a file, which it makes if need be, and waits for it until ctx ends, which gives ErrHeld.
func Take(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			err = &os.PathError{Op: "lock", Path: path, Err: ErrHeld}
		default:
			f.Close()
			return nil, &os.PathError{Op: "lock", Path: path, Err: err}
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, err
		case <-time.After(wait):
		}
	}
}
