package ray

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// A Ref is a reference to a value in the object store: one that Put kept, or the result of a call, there or to come. A Ref may be part of an
// argument or a result. The value is kept as long as any Ref to it is reachable, in any worker.
type Ref[T any] struct{ h *handle }

// A handle is one reference that an engine counts.
type handle struct {
	id     string
	mu     sync.Mutex
	engine engine // nil until bound
}

func newRef[T any](e engine, id string) Ref[T] {
	h := &handle{id: id}
	h.own(e)
	return Ref[T]{h}
}

// own makes the handle answer for one reference that the engine has already counted.
func (h *handle) own(e engine) {
	h.engine = e
	runtime.AddCleanup(h, func(id string) { e.release(id) }, h.id)
}

// bind makes a decoded handle a reference of its own.
func (h *handle) bind(e engine) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.engine == nil {
		e.retain(h.id)
		h.own(e)
	}
}

// String returns the identifier, for logs.
func (r Ref[T]) String() string {
	if r.h == nil {
		return "ref()"
	}
	return "ref(" + r.h.id + ")"
}

// GobEncode writes the identifier.
func (r Ref[T]) GobEncode() ([]byte, error) {
	if r.h == nil {
		return nil, nil
	}
	return []byte(r.h.id), nil
}

// GobDecode reads the identifier; the engine counts the reference when the whole value is decoded.
func (r *Ref[T]) GobDecode(b []byte) error {
	r.h = nil
	if len(b) > 0 {
		r.h = &handle{id: string(b)}
	}
	return nil
}

func (r Ref[T]) reference() *handle { return r.h }

// id returns the identifier for use with the engine of s.
func (r Ref[T]) id(s *session) (string, error) {
	switch {
	case r.h == nil:
		return "", errors.New("the ref is empty: it comes from no Put and no call")
	case r.h.engine != s.engine:
		return "", fmt.Errorf("%v belongs to another engine", r)
	}
	return r.h.id, nil
}

// Put keeps a value in the object store. The error is ErrStoreFull where there is no room for it.
func Put[T any](ctx context.Context, v T) (Ref[T], error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return Ref[T]{}, err
	}
	p, err := encode(v)
	if err != nil {
		return Ref[T]{}, fmt.Errorf("ray.Put: %w", err)
	}
	id, err := s.engine.put(ctx, s.task, p)
	runtime.KeepAlive(p.held)
	if err != nil {
		return Ref[T]{}, fmt.Errorf("ray.Put: %w", err)
	}
	return newRef[T](s.engine, id), nil
}

// Get waits for a value and returns a copy of it. The error of a failed call is a *TaskError. A task that waits lends its CPUs meanwhile.
func Get[T any](ctx context.Context, r Ref[T]) (T, error) {
	var v T
	s, err := sessionOf(ctx)
	if err != nil {
		return v, err
	}
	id, err := r.id(s)
	if err != nil {
		return v, fmt.Errorf("ray.Get: %w", err)
	}
	p, err := s.engine.get(ctx, s.task, id)
	if err != nil {
		return v, err
	}
	err = decode(p, &v, s.engine)
	runtime.KeepAlive(r.h) // what the value refers to is counted by now
	if err != nil {
		return v, fmt.Errorf("ray.Get: %w", err)
	}
	return v, nil
}

// GetAll waits for all values, in the order of refs, and returns the first error it meets.
func GetAll[T any](ctx context.Context, refs []Ref[T]) ([]T, error) {
	all := make([]T, len(refs))
	for i, r := range refs {
		v, err := Get(ctx, r)
		if err != nil {
			return nil, err
		}
		all[i] = v
	}
	return all, nil
}

// Wait returns once n of refs are there, failed calls included, or timeout has passed (0: none). It divides refs into those that are there and
// the rest, each in the order given. A timeout is no error; the end of ctx is.
func Wait[T any](ctx context.Context, refs []Ref[T], n int, timeout time.Duration) (ready, rest []Ref[T], err error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, nil, err
	}
	if n < 0 || n > len(refs) {
		return nil, nil, fmt.Errorf("ray.Wait: %d must be from 0 to the number of refs, %d", n, len(refs))
	}
	ids := make([]string, len(refs))
	for i, r := range refs {
		if ids[i], err = r.id(s); err != nil {
			return nil, nil, fmt.Errorf("ray.Wait: ref %d: %w", i, err)
		}
	}
	limited := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	there, err := s.engine.wait(limited, s.task, ids, n)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, nil, err
	}
	for i, r := range refs {
		if there[i] {
			ready = append(ready, r)
		} else {
			rest = append(rest, r)
		}
	}
	return ready, rest, nil
}

// Free removes values at once, whoever still refers to them: Get then fails with ErrFreed. Without it a value goes with its last Ref.
func Free[T any](ctx context.Context, refs ...Ref[T]) error {
	return each(ctx, refs, engine.drop)
}

// Cancel ends calls that are waiting or running, and the calls that they made. Their contexts end and Get fails with context.Canceled. A
// function in a worker process that goes on is killed; a call of an actor is not.
func Cancel[T any](ctx context.Context, refs ...Ref[T]) error {
	return each(ctx, refs, engine.cancel)
}

func each[T any](ctx context.Context, refs []Ref[T], do func(engine, context.Context, string) error) error {
	s, err := sessionOf(ctx)
	if err != nil {
		return err
	}
	for _, r := range refs {
		id, err := r.id(s)
		if err == nil {
			err = do(s.engine, ctx, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
