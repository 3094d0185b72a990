package scriptmode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
)

// PipesCommand is the second argument that makes the binary feed named pipes while the command behind it runs:
// mobula-script pipes CHANNEL… -- COMMAND…. The objects of a channel lie in PipeFolder/CHANNEL.
const PipesCommand = "pipes"

// PipeFolder is where the objects of channels in Pipe mode are brought, below /opt/ml.
const PipeFolder = ".mobula/pipe"

// runPipes is the life of a host whose channels are pipes. It returns the command's exit status.
func runPipes(ctx context.Context, ml string, args []string, stdout, stderr io.Writer) int {
	split := slices.Index(args, "--")
	if split < 0 || split == len(args)-1 {
		fmt.Fprintf(stderr, "usage: %s %s CHANNEL… -- COMMAND…\n", Command, PipesCommand)
		return 2
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, channel := range args[:split] {
		// The first pipe must be there when the command starts; the next one appears when an epoch begins.
		if err := makePipe(ml, channel, 0); err != nil {
			fmt.Fprintln(stderr, "ERROR:", err)
			return 1
		}
		go feed(ml, channel, func(err error) { cancel(&feedError{channel, err}) })
	}
	command := args[split+1:]
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err := cmd.Run()
	var exit *exec.ExitError
	var feeding *feedError
	switch {
	case errors.As(context.Cause(ctx), &feeding):
		fmt.Fprintln(stderr, "ERROR:", feeding)
		if err := writeFailure(ml, "ClientError: "+feeding.Error()); err != nil {
			fmt.Fprintln(stderr, "ERROR: the reason could not be written:", err)
		}
		return 1
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			return 128 + int(s.Signal())
		}
		return exit.ExitCode()
	}
	fmt.Fprintln(stderr, "ERROR:", err)
	return 127
}

// A feedError is why not all of a channel's data came through its pipe.
type feedError struct {
	channel string
	err     error
}

func (e *feedError) Error() string { return fmt.Sprintf("pipe of channel %s: %v", e.channel, e.err) }

func pipePath(ml, channel string, epoch int) string {
	return filepath.Join(ml, "input", "data", fmt.Sprintf("%s_%d", channel, epoch))
}

func makePipe(ml, channel string, epoch int) error {
	path := pipePath(ml, channel, epoch)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := syscall.Mkfifo(path, 0o644); err != nil && !errors.Is(err, os.ErrExist) {
		return &os.PathError{Op: "make pipe", Path: path, Err: err}
	}
	return nil
}

// feed writes the channel's data into the pipe of each epoch as it is opened for reading. It fails before the reader can take what came so far for
// all there is.
func feed(ml, channel string, fail func(error)) {
	f, err := readFeed(ml, channel)
	for epoch := 0; err == nil; epoch++ {
		if err = makePipe(ml, channel, epoch+1); err == nil {
			err = f.feedEpoch(ml, channel, epoch, fail)
		}
	}
	fail(err)
}

func (f *Feed) feedEpoch(ml, channel string, epoch int, fail func(error)) error {
	w, err := os.OpenFile(pipePath(ml, channel, epoch), os.O_WRONLY, 0) // waits for the reader
	if err != nil {
		return err
	}
	defer w.Close()
	to := bufio.NewWriterSize(w, 1<<16)
	err = errors.Join(f.write(to, filepath.Join(ml, PipeFolder, channel), epoch), to.Flush())
	if errors.Is(err, syscall.EPIPE) { // a reader may have seen enough
		return nil
	}
	if err != nil {
		fail(err)
	}
	return err
}
