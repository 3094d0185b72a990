package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/server"
	"github.com/mobula-ml/mobula/internal/store"
)

// An endedError is the exit code of a command that was run, which becomes this program's.
type endedError struct{ code int }

func (e *endedError) Error() string {
	return fmt.Sprintf("the command ended with exit code %d", e.code)
}

// execute runs a command whose AWS clients, whatever addresses are built into them, use the server of a data folder.
func execute(ctx context.Context, args []string) error {
	c := server.Config{Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	f := newFlags("exec", "[--data DIR] [--as-of DATE] [--python X.Y] [--with PACKAGE,…] -- COMMAND [ARGUMENT …]",
		"Runs a command whose AWS clients use the server of a data folder. Where none runs, one does for as long as the command.")
	f.StringVar(&c.Data, "data", defaultData(), "folder of the server")
	own := pythonFlags(f)
	serverFlags(f, &c)
	if err := parseFlags(f, args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return &usageError{"'exec' wants a command", "mobula exec -- python train.py"}
	}
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return err
	}
	c.Data = data
	u, err := joinUsers(ctx, data)
	if err != nil {
		return err
	}
	defer u.leave()
	a, key, started, err := findOrStart(ctx, c)
	if err != nil {
		return err
	}
	if started != nil {
		defer func() { u.outlastOthers(); started.Stop() }()
	}
	bundle, remove, err := writeBundle(data)
	if err != nil {
		return err
	}
	defer remove()
	environ := clientEnvironment(os.Environ(), data, bundle, a, key)
	if own.wanted() {
		clean, err := own.enter(ctx, a.Cache, f.Args(), environ)
		if err != nil {
			return err
		}
		defer clean()
	}
	return run(f.Args(), list(environ))
}

// startPatience is how long a server may take that another command is starting on the folder.
const startPatience = 15 * time.Second

// findOrStart returns the server of the data folder. Where there was none, started is it.
func findOrStart(ctx context.Context, c server.Config) (a server.Address, key identity.Credentials, started *server.Server, err error) {
	c.EndHosts = true // nobody could ask them
	for deadline := time.Now().Add(startPatience); ; {
		if a, key, err = server.Find(c.Data); err == nil || !errors.Is(err, server.ErrNotRunning) {
			return a, key, nil, err
		}
		c.Listen = server.DefaultListen
		s, err := server.Start(context.WithoutCancel(ctx), c) // it outlives Ctrl-C for as long as the command does
		if errors.Is(err, server.ErrPortTaken) {
			c.Listen = "127.0.0.1:0"
			s, err = server.Start(context.WithoutCancel(ctx), c)
		}
		if err == nil {
			if a, key, err = server.Find(c.Data); err != nil {
				s.Stop()
			}
			return a, key, s, err
		}
		if !errors.Is(err, store.ErrInUse) || time.Now().After(deadline) || ctx.Err() != nil {
			return a, key, nil, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// passed are the signals that a command gets when this program does.
var passed = []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGINT, syscall.SIGQUIT}

// run starts a command in the place of this program, as nearly as a process that stays behind can.
func run(command, environ []string) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passed...) // before the command is there, so that none is lost
	defer signal.Stop(signals)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environ, os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "mobula:", err)
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return &endedError{127} // as a shell says it
		}
		return &endedError{126}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			if fromTerminal := sig == syscall.SIGINT || sig == syscall.SIGQUIT; fromTerminal && inForeground() {
				continue // the terminal sent it to the command as well
			}
			_ = cmd.Process.Signal(sig) // it may have ended just now, which Wait tells
		case err := <-ended:
			return exitOf(err)
		}
	}
}

// exitOf is how a shell would report the end of a command.
func exitOf(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return &endedError{128 + int(ws.Signal())}
	}
	return &endedError{exit.ExitCode()}
}
