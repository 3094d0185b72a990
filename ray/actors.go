package ray

import (
	"container/list"
	"context"
	"errors"
	"fmt"
)

// An actor is a value in a worker, with the calls that wait for it. One goroutine runs it for its life.
type actor struct {
	id       string
	call     call // of its constructor
	body     *body
	request  *request
	mailbox  *list.List // of *task
	current  *task
	wake     chan struct{}
	ctx      context.Context // of this incarnation
	cancel   context.CancelFunc
	restarts int
	again    bool  // Restart was called
	dead     error // why no call reaches it any more
	argBytes int64
}

func (a *actor) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *actor) name() string {
	if n := a.call.Options.Name; n != "" {
		return a.call.Function + "\x00" + n
	}
	return ""
}

// tombstones remember why the last actors died, to tell late callers.
type tombstones struct {
	why   map[string]error
	order []string
}

const maxTombstones = 1000

func (t *tombstones) add(id string, why error) {
	if t.why == nil {
		t.why = map[string]error{}
	}
	t.why[id] = why
	if t.order = append(t.order, id); len(t.order) > maxTombstones {
		delete(t.why, t.order[0])
		t.order = t.order[1:]
	}
}

func (l *local) create(_ context.Context, _ string, c call) (string, error) {
	b, err := registered(c.Function)
	if err != nil {
		return "", err
	}
	if err := l.room(len(c.Args.Data)); err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &actor{call: c, body: b, mailbox: list.New(), wake: make(chan struct{}, 1), argBytes: int64(len(c.Args.Data))}
	err = l.sched.feasible(c.Options.Need)
	switch {
	case l.closed:
		err = ErrShutdown
	case err != nil:
	case len(l.actors) >= l.o.MaxPending:
		err = fmt.Errorf("%w: %d actors live already (Options.MaxPending)", ErrTooManyCalls, len(l.actors))
	case l.names[a.name()] != nil:
		err = fmt.Errorf("%w: an actor %s named %q lives already", ErrNameTaken, c.Function, c.Options.Name)
	}
	if err != nil {
		l.store.used -= a.argBytes
		return "", err
	}
	a.id = l.newID('a')
	a.call.Args.held = nil
	for _, id := range c.Args.Refs {
		l.store.retain(id)
	}
	l.actors[a.id] = a
	if n := a.name(); n != "" {
		l.names[n] = a
	}
	a.ctx, a.cancel = context.WithCancel(l.ctx)
	a.request = &request{need: c.Options.Need.with(slot, whole), start: func() { l.wg.Go(func() { l.live(a) }) }}
	l.sched.add(a.request)
	return a.id, nil
}

func (l *local) lookup(_ context.Context, typ, name string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.names[typ+"\x00"+name]; a != nil {
		return a.id, nil
	}
	return "", ErrNoActor
}

func (l *local) kill(_ context.Context, id string, restart bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.actors[id]
	switch {
	case a == nil && restart:
		return l.deadActor(id)
	case a == nil:
		return nil // it is dead, which is what was asked
	case restart && a.restarts >= a.call.Options.MaxRestarts:
		restart = false
	}
	if !restart {
		l.endActor(a, fmt.Errorf("%w: it was killed", ErrActorDied))
		return nil
	}
	a.again = true
	l.endCurrent(a, fmt.Errorf("%w: it was restarted", ErrActorDied))
	a.cancel()
	return nil
}

func (l *local) deadActor(id string) error {
	if why := l.buried.why[id]; why != nil {
		return why
	}
	return fmt.Errorf("%w: %s is not an actor that lives in this engine", ErrActorDied, id)
}

func (l *local) endCurrent(a *actor, why error) {
	if a.current != nil {
		children := a.current.children
		l.abort(a.current, why)
		l.cancelAll(children)
	}
}

// endActor lets no more calls reach the actor; its goroutine frees what it holds when the function that runs has returned.
func (l *local) endActor(a *actor, why error) {
	if a.dead != nil {
		return
	}
	a.dead = why
	delete(l.actors, a.id)
	if n := a.name(); l.names[n] == a {
		delete(l.names, n)
	}
	l.buried.add(a.id, why)
	l.endCurrent(a, why)
	for a.mailbox.Len() > 0 {
		l.abort(a.mailbox.Front().Value.(*task), why)
	}
	a.cancel()
	if a.request.place != nil { // it never had its resources
		l.sched.remove(a.request)
		l.bury(a)
	}
}

func (l *local) bury(a *actor) {
	l.store.used -= a.argBytes
	for _, id := range a.call.Args.Refs {
		l.store.release(id)
	}
	a.call.Args = payload{}
}

// post puts a call into the mailbox of its actor.
func (l *local) post(t *task) {
	a := l.actors[t.call.Actor]
	if a == nil {
		l.abort(t, l.deadActor(t.call.Actor))
		return
	}
	t.actor = a
	t.place = a.mailbox.PushBack(t)
}

// live runs an actor through its incarnations.
func (l *local) live(a *actor) {
	for {
		why := l.incarnation(a)
		l.mu.Lock()
		again := a.dead == nil && a.restarts < a.call.Options.MaxRestarts && (a.again || errors.Is(why, ErrWorkerDied))
		if !again {
			if !errors.Is(why, ErrActorDied) {
				why = fmt.Errorf("%w: %w", ErrActorDied, why)
			}
			l.endActor(a, why)
			l.bury(a)
			l.sched.giveBack(a.request.need)
			l.mu.Unlock()
			return
		}
		a.restarts++
		a.again = false
		a.ctx, a.cancel = context.WithCancel(l.ctx)
		l.o.Logger.Warn("ray: an actor is constructed again", "actor", a.call.Function, "name", a.call.Options.Name, "restart", a.restarts, "error", why)
		l.mu.Unlock()
	}
}

// incarnation constructs the actor and runs its calls until it ends, and says why it did.
func (l *local) incarnation(a *actor) error {
	in, out := l.exec.construct(a.ctx, a)
	defer a.cancel()
	if out.err != nil {
		if out.died {
			return out.err
		}
		return &TaskError{Function: a.call.Function, Worker: "its constructor", Stack: out.stack, Attempts: a.restarts + 1, Cause: out.err}
	}
	defer in.close()
	for {
		t := l.nextCall(a)
		if t == nil {
			select {
			case <-a.wake:
				continue
			case <-in.died():
				return in.why()
			case <-a.ctx.Done():
				return ErrActorDied
			}
		}
		out := in.call(t)
		l.mu.Lock()
		a.current = nil
		l.mu.Unlock()
		l.finish(t, out)
		if out.died {
			return out.err
		}
		if a.ctx.Err() != nil {
			return ErrActorDied
		}
	}
}

// nextCall takes the first call of the mailbox if it has its argument.
func (l *local) nextCall(a *actor) *task {
	l.mu.Lock()
	defer l.mu.Unlock()
	front := a.mailbox.Front()
	if front == nil || a.ctx.Err() != nil {
		return nil
	}
	t := front.Value.(*task)
	if t.arg != nil {
		if !t.arg.ready {
			return nil
		}
		t.call.Args = t.arg.value
	}
	a.mailbox.Remove(front)
	t.place = nil
	a.current = t
	l.enter(t)
	return t
}

// mayReturn says whether a call whose worker died has an actor to go back to.
func (l *local) mayReturn(t *task) bool {
	return t.actor.dead == nil && t.actor.restarts < t.actor.call.Options.MaxRestarts
}
