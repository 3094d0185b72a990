package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mobula-ml/mobula/internal/world"
)

func readStatus(dir string) (Status, error) {
	var status Status
	data, err := os.ReadFile(filepath.Join(dir, statusFileName))
	if err != nil {
		return status, err
	}
	if err := json.Unmarshal(data, &status); err != nil {
		return status, fmt.Errorf("%s of %s: %w", statusFileName, dir, err)
	}
	return status, nil
}

func writeStatus(dir string, status Status, durable bool) error {
	data, err := json.MarshalIndent(status, "", " ")
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(dir, statusFileName), data, 0o644, durable)
}

// openLock opens the job's lock without taking it.
func openLock(dir string, create bool) (*os.File, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	return os.OpenFile(filepath.Join(dir, lockFileName), flags, 0o600)
}

// flock retries what a signal interrupted.
func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// alive tells whether the job's supervisor or one of its hosts lives.
func alive(dir string) (bool, error) {
	f, err := openLock(dir, false)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	// A shared lock, so that two who look at the same time do not take one another for the job.
	err = flock(f, syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// status reads the state, and writes the end of a job whose supervisor died without doing so. reason is said of a job that
// never got as far as a status; without one, such a job is ErrNotStarted.
func status(dir, reason string) (Status, error) {
	now, err := readStatus(dir)
	if err == nil && now.State.Final() {
		return now, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return now, err
	}
	lives, lockErr := alive(dir)
	if lockErr != nil {
		return now, lockErr
	}
	if lives {
		if err != nil {
			now = Status{State: Starting} // the supervisor has the lock and is about to say so
		}
		return now, nil
	}
	return bury(dir, reason)
}

// bury takes the lock that nobody holds and writes how the job ended.
func bury(dir, reason string) (Status, error) {
	lock, err := openLock(dir, false)
	if errors.Is(err, fs.ErrNotExist) {
		return Status{}, ErrNotStarted
	}
	if err != nil {
		return Status{}, err
	}
	defer lock.Close()
	if err := flock(lock, syscall.LOCK_EX); err != nil {
		return Status{}, err
	}
	now, err := readStatus(dir)
	switch {
	case err == nil && now.State.Final(): // it was written between the look and the lock
		return now, nil
	case err == nil:
		now.Reason = "the job's supervisor died"
	case errors.Is(err, fs.ErrNotExist) && reason != "":
		now = Status{Reason: reason, Start: world.Real().Now()}
	case errors.Is(err, fs.ErrNotExist):
		return now, ErrNotStarted
	default:
		return now, err
	}
	sweep(dir, now)
	now.State, now.End = Failed, world.Real().Now()
	return now, writeStatus(dir, now, true)
}

// waitUnlocked returns when neither the supervisor nor a host that holds the lock lives, or after limit.
// It is called when the supervisor is seen to be dying, so that looking every millisecond is short.
func waitUnlocked(dir string, limit time.Duration) {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if lives, err := alive(dir); err != nil || !lives {
			return
		}
	}
}
