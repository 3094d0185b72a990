package ray

import (
	"context"
	"runtime"
	"sync"
)

// remote is the engine as a worker process has it: every method is a request to the real one.
type remote struct {
	line *line

	mu      sync.Mutex
	last    uint64
	pending map[uint64]chan frame
}

// keep makes references live until here, so that the engine counts its own before they are released.
func keep(held []*handle) { runtime.KeepAlive(held) }

func (r *remote) reply(f frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.pending[f.Seq]; c != nil {
		c <- f
		delete(r.pending, f.Seq)
	}
}

// ask sends a request and waits for the reply, or for ctx.
func (r *remote) ask(ctx context.Context, f frame) (frame, error) {
	c := make(chan frame, 1)
	r.mu.Lock()
	r.last++
	f.Kind, f.Seq = frameRequest, r.last
	r.pending[f.Seq] = c
	r.mu.Unlock()
	if err := r.line.send(f); err != nil {
		return frame{}, err
	}
	select {
	case reply := <-c:
		return reply, reply.Flaw.error()
	case <-ctx.Done():
		r.mu.Lock()
		delete(r.pending, f.Seq)
		r.mu.Unlock()
		_ = r.line.send(frame{Kind: frameAbandon, Seq: f.Seq})
		return frame{}, ctx.Err()
	}
}

// order is ask for what takes no time and must not be half done.
func (r *remote) order(ctx context.Context, f frame) (string, error) {
	reply, err := r.ask(context.WithoutCancel(ctx), f)
	return reply.ID, err
}

func (r *remote) put(ctx context.Context, from string, v payload) (string, error) {
	return r.order(ctx, frame{Op: opPut, Task: from, Value: &v})
}

func (r *remote) get(ctx context.Context, from, id string) (payload, error) {
	reply, err := r.ask(ctx, frame{Op: opGet, Task: from, ID: id})
	if err != nil {
		return payload{}, err
	}
	return *reply.Value, nil
}

func (r *remote) wait(ctx context.Context, from string, ids []string, n int) ([]bool, error) {
	reply, err := r.ask(ctx, frame{Op: opWait, Task: from, IDs: ids, N: n})
	if ctx.Err() != nil { // what is there by now
		reply, err = r.ask(context.WithoutCancel(ctx), frame{Op: opWait, Task: from, IDs: ids})
	}
	return reply.There, err
}

func (r *remote) retain(id string) {
	_ = r.line.send(frame{Kind: frameRequest, Op: opRetain, ID: id}) // without an engine nothing counts
}

func (r *remote) release(id string) {
	_ = r.line.send(frame{Kind: frameRequest, Op: opRelease, ID: id})
}

func (r *remote) drop(ctx context.Context, id string) error {
	_, err := r.order(ctx, frame{Op: opDrop, ID: id})
	return err
}

func (r *remote) submit(ctx context.Context, from string, c call) (string, error) {
	return r.order(ctx, frame{Op: opSubmit, Task: from, Call: &c})
}

func (r *remote) cancel(ctx context.Context, id string) error {
	_, err := r.order(ctx, frame{Op: opCancel, ID: id})
	return err
}

func (r *remote) create(ctx context.Context, from string, c call) (string, error) {
	return r.order(ctx, frame{Op: opCreate, Task: from, Call: &c})
}

func (r *remote) lookup(ctx context.Context, typ, name string) (string, error) {
	return r.order(ctx, frame{Op: opLookup, ID: typ, Name: name})
}

func (r *remote) kill(ctx context.Context, actor string, restart bool) error {
	_, err := r.order(ctx, frame{Op: opKill, ID: actor, Restart: restart})
	return err
}

func (r *remote) resources(ctx context.Context) (total, free amounts, err error) {
	reply, err := r.ask(ctx, frame{Op: opResources})
	return reply.Total, reply.Free, err
}

// shutdown is refused before it comes here: only the program that called Init may.
func (r *remote) shutdown() error { return nil }
