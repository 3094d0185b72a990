package ray

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// What a TaskError may come from, besides the function itself, context.Canceled and context.DeadlineExceeded.
var (
	// ErrWorkerDied is the cause where the worker process ended before the call did.
	ErrWorkerDied = errors.New("the worker died")
	// ErrActorDied is the cause where the actor was killed, could not be constructed, or lost its worker for good.
	ErrActorDied = errors.New("the actor is dead")
	// ErrStoreFull is given where the object store has no room for a value.
	ErrStoreFull = errors.New("the object store is full")
	// ErrFreed is given by Get after Free.
	ErrFreed = errors.New("the object was freed")
	// ErrPanic is the cause where the function panicked.
	ErrPanic = errors.New("panic")
	// ErrInfeasible is given where a request is for more than the whole engine has.
	ErrInfeasible = errors.New("infeasible")
	// ErrTooManyCalls is given where MaxPending calls are waiting or running.
	ErrTooManyCalls = errors.New("too many calls")
	// ErrShutdown is given after Shutdown.
	ErrShutdown = errors.New("the engine was shut down")
	// ErrNameTaken is given where a living actor has the name.
	ErrNameTaken = errors.New("the name is taken")
	// ErrNoActor is given where no living actor of the type has the name.
	ErrNoActor = errors.New("no such actor")
)

// sentinels keep their identity when an error crosses between workers; of other errors the text crosses.
var sentinels = map[string]error{
	"canceled": context.Canceled, "deadline": context.DeadlineExceeded, "worker": ErrWorkerDied, "actor": ErrActorDied, "full": ErrStoreFull,
	"freed": ErrFreed, "panic": ErrPanic, "infeasible": ErrInfeasible, "calls": ErrTooManyCalls, "shutdown": ErrShutdown, "name": ErrNameTaken, "noactor": ErrNoActor,
}

// A TaskError is why a call failed. Format %+v adds the stack.
type TaskError struct {
	Function string // as registered, with the method where it is an actor's, and the name of the call if it has one
	Worker   string // where it ran last; "" where it never did
	Stack    string // of the panic, or where the function is; followed by that of the call it waited for, if this failed
	Attempts int    // how often it ran
	Cause    error
}

func (e *TaskError) Error() string {
	s := "task " + e.Function
	if e.Worker != "" {
		s += " on " + e.Worker
	}
	if e.Attempts > 1 {
		s += fmt.Sprintf(" (attempt %d)", e.Attempts)
	}
	return s + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *TaskError) Unwrap() error { return e.Cause }

// Format writes the error, and with %+v the stack below it.
func (e *TaskError) Format(f fmt.State, verb rune) {
	_, _ = io.WriteString(f, e.Error())
	if verb == 'v' && f.Flag('+') && e.Stack != "" {
		_, _ = io.WriteString(f, "\n"+e.Stack)
	}
}

// A flaw is an error as it crosses between workers.
type flaw struct {
	Text    string
	Kinds   []string // keys of sentinels
	Task    *TaskError
	TaskWhy *flaw // the cause of Task, which crosses apart
}

func flawOf(err error) *flaw {
	if err == nil {
		return nil
	}
	f := &flaw{Text: err.Error()}
	for kind, s := range sentinels {
		if errors.Is(err, s) {
			f.Kinds = append(f.Kinds, kind)
		}
	}
	if task, ok := errors.AsType[*TaskError](err); ok {
		c := *task
		c.Cause = nil
		f.Task, f.TaskWhy = &c, flawOf(task.Cause)
		if task == err { //nolint:errorlint // whether it is this very error, not one around it
			f.Text = "" // it says so itself
		}
	}
	return f
}

func (f *flaw) error() error {
	if f == nil {
		return nil
	}
	var task *TaskError
	if f.Task != nil {
		c := *f.Task
		c.Cause = f.TaskWhy.error()
		task = &c
		if f.Text == "" {
			return task
		}
	}
	r := &remoteError{text: f.Text}
	for _, kind := range f.Kinds {
		if s := sentinels[kind]; s != nil {
			r.causes = append(r.causes, s)
		}
	}
	if task != nil {
		r.causes = append(r.causes, task)
	}
	return r
}

// A remoteError is an error of another worker: its text, and what it is for errors.Is and errors.As.
type remoteError struct {
	text   string
	causes []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.causes }
