package builtin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// Command is the first argument that makes the binary run one of the image's processes.
const Command = "mobula-builtin"

// Second arguments.
const (
	TrainCommand = "xgboost-train"
	ServeCommand = "xgboost-serve"
)

// Environment variables that the processes know, beside the library's own xgboost.PathVariable.
const (
	MLDirVariable       = "MOBULA_ML_DIR"       // The folder that stands for /opt/ml. Defaults to /opt/ml.
	ServePortVariable   = "MOBULA_SERVE_PORT"   // TCP port of the server. Defaults to 8080.
	ServeSocketVariable = "MOBULA_SERVE_SOCKET" // A unix socket to serve on as well. Defaults to none.
)

// Main runs the process that args, which is os.Args, ask for, and exits with its status. It returns false where they ask for none.
func Main(args []string) (handled bool) {
	if len(args) < 2 || args[1] != Command {
		return false
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := Run(ctx, args[2:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
	return true
}

// Run is Main without the process around it: args follow Command, ctx ends when the process shall stop, and the result is the status.
func Run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	dir := getenv(MLDirVariable)
	if dir == "" {
		dir = "/opt/ml"
	}
	p := &process{ml: dir, getenv: getenv, stdout: stdout, stderr: stderr}
	var err error
	switch strings.Join(args, " ") {
	case TrainCommand:
		err = p.train(ctx)
	case ServeCommand:
		err = p.serve(ctx)
	default:
		fmt.Fprintf(stderr, "%s %s: known are %s and %s\n", Command, strings.Join(args, " "), TrainCommand, ServeCommand)
		return 2
	}
	if err != nil {
		p.fail(err)
		return 1
	}
	return 0
}

// process is one run of the trainer or the server.
type process struct {
	ml             string
	getenv         func(string) string
	stdout, stderr io.Writer
}

func (p *process) path(parts ...string) string {
	return filepath.Join(append([]string{p.ml}, parts...)...)
}

func (p *process) printf(format string, args ...any) { fmt.Fprintf(p.stdout, format+"\n", args...) }

// maxFailure is how much SageMaker keeps of output/failure.
const maxFailure = 1024

// fail says why the process ends, in the log and in the file from which the job's FailureReason comes.
func (p *process) fail(err error) {
	fmt.Fprintf(p.stderr, "ERROR: %v\n", err)
	text := err.Error()
	if len(text) > maxFailure {
		text = strings.ToValidUTF8(text[:maxFailure], "")
	}
	folder := p.path("output")
	if mkErr := os.MkdirAll(folder, 0o755); mkErr == nil {
		err = os.WriteFile(filepath.Join(folder, "failure"), []byte(text), 0o644)
	} else {
		err = mkErr
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(p.stderr, "ERROR: the reason could not be written: %v\n", err)
	}
}
