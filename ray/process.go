package ray

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A process is one worker process, seen from the engine.
type process struct {
	local *local
	cmd   *exec.Cmd
	line  *line
	last  *tail // of what it wrote to stderr
	// collected gets an answer to every frameCollect.
	collected chan struct{}
	results   chan frame // of the one function that runs in it
	gone      chan struct{}
	death     error // once gone

	answers sync.WaitGroup // requests that wait

	mu    sync.Mutex
	refs  map[string]int // that it holds
	waits map[uint64]context.CancelFunc
}

func (w *process) String() string { return fmt.Sprintf("worker process %d", w.cmd.Process.Pid) }

// do has the process run a function. When ctx ends, the function's context does; if it must, the process is killed cancelGrace later.
func (w *process) do(ctx context.Context, f frame, must bool) outcome {
	w.last.clear()
	if w.line.send(f) == nil {
		select {
		case r := <-w.results:
			return outcomeOf(r)
		case <-w.gone:
		case <-ctx.Done():
			_ = w.line.send(frame{Kind: frameCancel, Task: f.Task})
			var kill <-chan time.Time
			if must {
				kill = time.After(cancelGrace)
			}
			select {
			case r := <-w.results:
				return outcomeOf(r)
			case <-w.gone:
			case <-kill:
				w.kill()
			}
		}
	} else {
		w.kill()
	}
	<-w.gone
	select {
	case r := <-w.results: // it said so before it died
		return outcomeOf(r)
	default:
		return outcome{err: w.death, stack: w.last.String(), died: true}
	}
}

func outcomeOf(r frame) outcome {
	out := outcome{err: r.Flaw.error(), stack: r.Stack}
	if r.Value != nil {
		out.value = *r.Value
	}
	return out
}

func (w *process) kill() { _ = w.cmd.Process.Kill() }

// attend answers the process until its end of the connection closes, then ends what is left of it.
func (w *process) attend() {
	for {
		var f frame
		if err := w.line.dec.Decode(&f); err != nil {
			break
		}
		switch f.Kind {
		case frameResult:
			if f.Value != nil { // the worker releases what the result refers to right behind it
				for _, id := range f.Value.Refs {
					h := &handle{id: id}
					h.bind(w.local)
					f.Value.held = append(f.Value.held, h)
				}
			}
			w.results <- f
		case frameAbandon:
			w.mu.Lock()
			if cancel := w.waits[f.Seq]; cancel != nil {
				cancel()
			}
			w.mu.Unlock()
		case frameRequest:
			w.request(f)
		case frameCollected:
			select {
			case w.collected <- struct{}{}:
			default:
			}
		}
	}
	killGroup(w.cmd)
	err := w.cmd.Wait()
	_ = w.line.conn.Close()
	said := w.cmd.ProcessState.String()
	if err != nil && w.cmd.ProcessState == nil {
		said = err.Error()
	}
	w.death = fmt.Errorf("%w: %v: %s", ErrWorkerDied, w, said)
	w.mu.Lock()
	for _, cancel := range w.waits {
		cancel()
	}
	w.mu.Unlock()
	w.answers.Wait()
	refs := w.refs
	close(w.gone)
	for id, n := range refs {
		for range n {
			w.local.release(id)
		}
	}
}

func (w *process) hold(id string, by int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refs[id] += by; w.refs[id] == 0 {
		delete(w.refs, id)
	}
}

// request serves a call of the engine interface. What may wait does so beside the others; the worker keeps its references until the answer.
func (w *process) request(f frame) {
	switch f.Op {
	case opRetain:
		w.local.retain(f.ID)
		w.hold(f.ID, 1)
	case opRelease:
		w.local.release(f.ID)
		w.hold(f.ID, -1)
	default:
		ctx, cancel := context.WithCancel(w.local.ctx)
		w.mu.Lock()
		w.waits[f.Seq] = cancel
		w.mu.Unlock()
		w.answers.Go(func() {
			w.answer(ctx, f)
			cancel()
			w.mu.Lock()
			delete(w.waits, f.Seq)
			w.mu.Unlock()
		})
	}
}

func (w *process) answer(ctx context.Context, f frame) {
	r := frame{Kind: frameReply, Seq: f.Seq}
	var err error
	l := w.local
	switch f.Op {
	case opPut:
		r.ID, err = l.put(ctx, f.Task, *f.Value)
	case opGet:
		var v payload
		v, err = l.get(ctx, f.Task, f.ID)
		r.Value = &v
	case opWait:
		r.There, err = l.wait(ctx, f.Task, f.IDs, f.N)
	case opDrop:
		err = l.drop(ctx, f.ID)
	case opSubmit:
		r.ID, err = l.submit(ctx, f.Task, *f.Call)
	case opCancel:
		err = l.cancel(ctx, f.ID)
	case opCreate:
		r.ID, err = l.create(ctx, f.Task, *f.Call)
	case opLookup:
		r.ID, err = l.lookup(ctx, f.ID, f.Name)
	case opKill:
		err = l.kill(ctx, f.ID, f.Restart)
	case opResources:
		r.Total, r.Free, err = l.resources(ctx)
	}
	if err == nil && (f.Op == opPut || f.Op == opSubmit) {
		w.hold(r.ID, 1)
	}
	r.Flaw = flawOf(err)
	_ = w.line.send(r) // one that is gone needs no answer
}

// A tail passes on what is written and keeps the end of it.
type tail struct {
	to io.Writer

	mu   sync.Mutex
	kept []byte
}

const maxTail = 8 << 10

// clear forgets what earlier functions wrote.
func (t *tail) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = nil
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.kept = append(t.kept, p...)
	if n := len(t.kept) - maxTail; n > 0 {
		t.kept = append([]byte(nil), t.kept[n:]...)
	}
	t.mu.Unlock()
	return t.to.Write(p)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.kept))
}
