package pipeline

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/mobula-ml/mobula/internal/world"
)

// Exit codes of a step's process. A panic has Go's own.
const (
	exitFailed = 1
	exitPanic  = 2
)

// RunStep runs a step of the workflow where this process is the job of one, and returns true when the step has succeeded. Where the step
// fails, the process ends. It returns false in any other process. A program that does more than Main calls it first.
func RunStep(w *Workflow) (handled bool) {
	name := os.Getenv(stepVariable)
	if name == "" {
		return false
	}
	// What the step starts itself is not the step, also where it is the same program.
	os.Unsetenv(stepVariable)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if code := w.runStep(ctx, name, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); code != 0 {
		os.Exit(code)
	}
	return true
}

// runStep is RunStep without the process around it.
func (w *Workflow) runStep(ctx context.Context, name string, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	j := &Job{root: mlRoot, getenv: getenv, out: stdout, world: world.Real()}
	if dir := getenv(mlDirVariable); dir != "" {
		j.root = dir
	}
	err := w.findStep(j, name)
	if err == nil {
		j.args, err = parseArgs(args)
	}
	code := exitFailed
	if err == nil {
		code, err = call(ctx, j, stderr)
	}
	if err == nil {
		return 0
	}
	text := err.Error()
	if ctx.Err() != nil {
		text = "stopped: " + text
	}
	fmt.Fprintln(stderr, text)
	if err := leaveMessage(j.root, text); err != nil {
		fmt.Fprintf(stderr, "the message could not be left for the platform: %v\n", err)
	}
	return code
}

func (w *Workflow) findStep(j *Job, name string) error {
	var known []string
	for _, s := range w.steps {
		if p, ok := s.(*ProcessingStep); ok && p.code.run != nil {
			known = append(known, p.name)
			if p.name == name {
				j.step = p
			}
		}
	}
	if j.step == nil {
		slices.Sort(known)
		return fmt.Errorf("%s is '%s', which is no step of workflow '%s' that runs a Go function; %v are", stepVariable, name, w.Name, known)
	}
	return nil
}

// call runs the step's function. A panic becomes an error, its stack goes to stderr.
func call(ctx context.Context, j *Job, stderr io.Writer) (code int, err error) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(stderr, "%s", debug.Stack())
			code, err = exitPanic, fmt.Errorf("panic: %v", p)
		}
	}()
	return exitFailed, j.step.code.run(ctx, j)
}

// maxMessage is how much the API's ExitMessage holds, in characters.
const maxMessage = 1024

// leaveMessage writes what the platform shows as the job's ExitMessage.
func leaveMessage(root, text string) error {
	if r := []rune(text); len(r) > maxMessage {
		text = string(r[:maxMessage-1]) + "…"
	}
	folder := filepath.Join(root, "output")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "message"), []byte(text), 0o644)
}
