package ray

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

var mainCalled atomic.Bool

// Main must be the first statement of main (in tests, of TestMain) of a program that uses worker processes: the workers are the same program,
// and for them Main serves and never returns. Otherwise it returns at once.
func Main() {
	mainCalled.Store(true)
	v := os.Getenv(workerEnv)
	if v == "" {
		return
	}
	_ = os.Unsetenv(workerEnv) // what a function starts is no worker
	if err := work(v); err != nil {
		fmt.Fprintln(os.Stderr, "ray worker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// work serves the engine until it closes the connection.
func work(descriptor string) error {
	fd, err := strconv.Atoi(descriptor)
	if err != nil {
		return fmt.Errorf("%s=%s must be the number of a descriptor", workerEnv, descriptor)
	}
	closeOnExec(fd)
	file := os.NewFile(uintptr(fd), "engine")
	conn, err := net.FileConn(file)
	if err != nil {
		return fmt.Errorf("descriptor %d is no connection to an engine: %w", fd, err)
	}
	_ = file.Close()
	w := &worker{remote: &remote{line: newLine(conn), pending: map[uint64]chan frame{}}, cancels: map[string]context.CancelFunc{}}
	for {
		var f frame
		if w.remote.line.dec.Decode(&f) != nil {
			return nil
		}
		w.receive(f)
	}
}

// A worker is a worker process, seen from itself.
type worker struct {
	remote *remote
	state  any // of the actor that it is

	mu      sync.Mutex
	cancels map[string]context.CancelFunc // by task
}

func (w *worker) receive(f frame) {
	switch f.Kind {
	case frameReply:
		w.remote.reply(f)
	case frameCollect:
		go func() {
			collect()
			_ = w.remote.line.send(frame{Kind: frameCollected}) // without an engine nothing counts
		}()
	case frameCancel:
		w.mu.Lock()
		defer w.mu.Unlock()
		if cancel := w.cancels[f.Task]; cancel != nil {
			cancel()
		}
	default:
		ctx, cancel := context.WithCancel(context.Background())
		if d := f.Call.Options.Deadline; !d.IsZero() {
			ctx, cancel = context.WithDeadline(context.Background(), d)
		}
		w.mu.Lock()
		w.cancels[f.Task] = cancel // before the next frame, which may be the cancellation
		w.mu.Unlock()
		go func() {
			w.run(ctx, f)
			w.mu.Lock()
			defer w.mu.Unlock()
			cancel()
			delete(w.cancels, f.Task)
		}()
	}
}

// run calls one function and sends its result. The engine sends the next call after that only.
func (w *worker) run(ctx context.Context, f frame) {
	out := outcome{}
	b, err := registered(f.Call.what())
	if err != nil {
		out.err = err
	} else {
		ctx = (&session{engine: w.remote, task: f.Task}).context(ctx)
		state := w.state
		if f.Kind == frameConstruct {
			ctx = context.WithValue(ctx, stateKey{}, &w.state)
		}
		out = invoke(ctx, b, state, f.Call.Args)
	}
	r := frame{Kind: frameResult, Task: f.Task, Flaw: flawOf(out.err), Stack: out.stack}
	if out.err == nil {
		r.Value = &out.value
	}
	_ = w.remote.line.send(r) // without an engine this process ends by itself
	keep(out.value.held)
}
