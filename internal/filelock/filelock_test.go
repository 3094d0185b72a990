package filelock_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/filelock"
)

func TestOneHolderAtATime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := filelock.Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Try(path); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("a second holder: %v", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { first.Close() })
	second, err := filelock.Take(context.Background(), path)
	if err != nil {
		t.Fatalf("the lock was given back, and not to be had: %v", err)
	}
	second.Close()
	if _, err := filelock.Try(filepath.Join(path, "none", "lock")); err == nil {
		t.Error("a lock in no folder")
	}
}
