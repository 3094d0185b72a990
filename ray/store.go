package ray

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// A store is the embedded engine's objects. It is used with the engine's lock.
type store struct {
	objects     map[string]*object
	used, limit int64
}

// An object is a value, there or to come.
type object struct {
	id         string
	refs       int
	ready      bool
	done       chan struct{} // closed when ready
	value      payload
	err        error
	watchers   map[chan struct{}]struct{} // told when ready
	dependents map[*task]struct{}         // calls whose argument it is
}

func (s *store) add(id string) *object {
	o := &object{id: id, refs: 1, done: make(chan struct{})}
	s.objects[id] = o
	return o
}

func (s *store) take(n int64) bool {
	if n > s.limit-s.used {
		return false
	}
	s.used += n
	return true
}

// complete sets what the object is; the bytes of the value have been taken.
func (s *store) complete(o *object, v payload, err error) {
	for _, id := range v.Refs {
		s.retain(id)
	}
	runtime.KeepAlive(v.held) // until they are counted here
	v.held = nil
	o.value, o.err, o.ready = v, err, true
	close(o.done)
	for w := range o.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
	if s.objects[o.id] != o || o.refs == 0 {
		s.remove(o)
	}
}

func (s *store) retain(id string) {
	if o := s.objects[id]; o != nil {
		o.refs++
	}
}

func (s *store) release(id string) {
	o := s.objects[id]
	if o == nil {
		return
	}
	if o.refs--; o.refs == 0 {
		if o.ready {
			s.remove(o)
		}
	}
}

// remove forgets an object and what it refers to. One that is not ready gives its bytes back when it is.
func (s *store) remove(o *object) {
	if s.objects[o.id] == o {
		delete(s.objects, o.id)
	}
	s.used -= int64(len(o.value.Data))
	refs := o.value.Refs
	o.value = payload{}
	for _, id := range refs {
		s.release(id)
	}
}

func (s *store) clear() {
	for _, o := range s.objects {
		if o.ready {
			s.used -= int64(len(o.value.Data))
			o.value = payload{}
		}
	}
	clear(s.objects)
}

// room takes n bytes of the store. References that the program has lost without the garbage collector having looked are found first.
func (l *local) room(n int) error {
	l.mu.Lock()
	ok := l.store.take(int64(n))
	l.mu.Unlock()
	if ok {
		return nil
	}
	l.exec.collect()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.store.take(int64(n)) {
		return nil
	}
	return fmt.Errorf("%w: %d bytes do not fit, %d of %d are in use (Options.ObjectStoreMemory)", ErrStoreFull, n, l.store.used, l.store.limit)
}

// collect runs the garbage collector and waits until it has run the clean-ups of what it found.
func collect() {
	ran := make(chan struct{})
	runtime.AddCleanup(new([64]byte), func(c chan struct{}) { close(c) }, ran)
	runtime.GC()
	select {
	case <-ran:
	case <-time.After(time.Second):
	}
	runtime.Gosched()
}

func (l *local) put(_ context.Context, _ string, v payload) (string, error) {
	if err := l.room(len(v.Data)); err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return "", ErrShutdown
	}
	o := l.store.add(l.newID('o'))
	l.store.complete(o, v, nil)
	return o.id, nil
}

func (l *local) find(id string) (*object, error) {
	o := l.store.objects[id]
	switch {
	case o != nil:
		return o, nil
	case l.closed:
		return nil, ErrShutdown
	}
	return nil, fmt.Errorf("%w: %s", ErrFreed, id)
}

func (l *local) get(ctx context.Context, from, id string) (payload, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, err := l.find(id)
	if err != nil {
		return payload{}, err
	}
	value := o.value
	if !o.ready {
		l.lend(from)
		l.mu.Unlock()
		select {
		case <-o.done:
		case <-ctx.Done():
		}
		l.mu.Lock()
		l.takeBack(from)
		if !o.ready {
			return payload{}, ctx.Err()
		}
		value = o.value
	}
	if o.err == nil && value.Data == nil {
		_, err := l.find(id) // it was freed while this waited
		return payload{}, err
	}
	return value, o.err
}

func (l *local) wait(ctx context.Context, from string, ids []string, n int) ([]bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	objects := make([]*object, len(ids))
	for i, id := range ids {
		var err error
		if objects[i], err = l.find(id); err != nil {
			return nil, err
		}
	}
	there := make([]bool, len(ids))
	count := func() (c int) {
		for i, o := range objects {
			if there[i] = o.ready; there[i] {
				c++
			}
		}
		return c
	}
	if count() >= n {
		return there, nil
	}
	tell := make(chan struct{}, 1)
	for _, o := range objects {
		if o.watchers == nil {
			o.watchers = map[chan struct{}]struct{}{}
		}
		o.watchers[tell] = struct{}{}
	}
	defer func() {
		for _, o := range objects {
			delete(o.watchers, tell)
		}
	}()
	l.lend(from)
	defer l.takeBack(from)
	for count() < n && ctx.Err() == nil {
		l.mu.Unlock()
		select {
		case <-tell:
		case <-ctx.Done():
		}
		l.mu.Lock()
	}
	return there, nil
}

func (l *local) retain(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.store.retain(id)
}

func (l *local) release(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.store.release(id)
}

func (l *local) drop(_ context.Context, id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.store.objects[id]
	if o == nil {
		return nil
	}
	if !o.ready {
		return fmt.Errorf("%s is not there yet: cancel the call instead of freeing its result", id)
	}
	l.store.remove(o)
	return nil
}
