package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// users is how commands that use one server know of one another: each holds a shared lock on a file of the data folder, and the one that
// started the server stops it when it could have the lock for itself.
type users struct{ file *os.File }

// joinUsers waits while another command stops the server that it started.
func joinUsers(ctx context.Context, data string) (*users, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(data, "exec.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	u := &users{f}
	if err := u.lock(ctx, unix.LOCK_SH, func() {}); err != nil {
		f.Close()
		return nil, err
	}
	return u, nil
}

func (u *users) leave() { u.file.Close() }

// outlastOthers returns when no other command uses the server, or the user does not want to wait for them.
func (u *users) outlastOthers() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := u.lock(ctx, unix.LOCK_EX, func() {
		fmt.Fprintln(os.Stderr, "mobula: other commands use this server; it runs on until they have ended (Ctrl-C ends it now)")
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "mobula:", err)
	}
}

// lock asks again and again, and calls taken when it first could not be had.
func (u *users) lock(ctx context.Context, how int, taken func()) error {
	for first := true; ; first = false {
		err := unix.Flock(int(u.file.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		if first {
			taken()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
