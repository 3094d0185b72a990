package ray

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"time"
)

// A task is one call until its function has returned. Its identifier is that of its result.
type task struct {
	id       string
	call     call
	body     *body
	out      *object
	parent   *task
	children map[*task]struct{}
	actor    *actor
	arg      *object       // that CallWith named
	request  *request      // of a function
	place    *list.Element // in the actor's mailbox
	timer    *time.Timer
	ctx      context.Context // while it runs
	cancel   context.CancelCauseFunc
	attempts int
	worker   string
	waits    int  // how many of its goroutines wait for results
	ended    bool // its result is there; the function may still run
	argBytes int64
}

// An outcome is how a function ended, as its executor saw it.
type outcome struct {
	value payload
	err   error // nil: value counts
	stack string
	died  bool // with its worker; err says how
}

func (l *local) submit(_ context.Context, from string, c call) (string, error) {
	b, err := registered(c.what())
	if err != nil {
		return "", err
	}
	if err := l.room(len(c.Args.Data)); err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := l.admit(from, c, b)
	if err != nil {
		l.store.used -= int64(len(c.Args.Data))
		return "", err
	}
	if t.arg == nil || t.arg.ready {
		l.argumentReady(t)
	}
	return t.id, nil
}

// admit makes a task of a call that can run.
func (l *local) admit(from string, c call, b *body) (*task, error) {
	switch {
	case l.closed:
		return nil, ErrShutdown
	case len(l.tasks) >= l.o.MaxPending:
		return nil, fmt.Errorf("%w: %d are waiting or running already (Options.MaxPending)", ErrTooManyCalls, len(l.tasks))
	case c.Actor == "" && c.Method != "":
		return nil, errors.New("the handle is empty: it comes from no New")
	}
	t := &task{call: c, body: b, argBytes: int64(len(c.Args.Data))}
	if c.Method == "" {
		if err := l.sched.feasible(c.Options.Need); err != nil {
			return nil, err
		}
		t.request = &request{need: c.Options.Need.with(slot, whole), start: func() { l.start(t) }}
	}
	if c.ArgsFrom != "" {
		o, err := l.find(c.ArgsFrom)
		if err != nil {
			return nil, err
		}
		t.arg = o
		o.refs++
		if o.dependents == nil {
			o.dependents = map[*task]struct{}{}
		}
		o.dependents[t] = struct{}{}
	}
	t.id = l.newID('t')
	t.call.Args.held = nil
	t.out = l.store.add(t.id)
	for _, id := range c.Args.Refs {
		l.store.retain(id)
	}
	l.tasks[t.id] = t
	if p := l.tasks[from]; p != nil {
		t.parent = p
		if p.children == nil {
			p.children = map[*task]struct{}{}
		}
		p.children[t] = struct{}{}
	}
	if d := c.Options.Deadline; !d.IsZero() {
		t.timer = time.AfterFunc(time.Until(d), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.abort(t, context.DeadlineExceeded)
		})
	}
	if c.Method != "" {
		l.post(t)
	}
	return t, nil
}

// argumentReady lets a task go on that has its argument.
func (l *local) argumentReady(t *task) {
	if t.arg != nil {
		delete(t.arg.dependents, t)
		if t.arg.err != nil {
			l.abort(t, fmt.Errorf("its argument failed: %w", t.arg.err))
			return
		}
		t.call.Args = t.arg.value
	}
	switch {
	case t.ended:
	case t.actor != nil:
		t.actor.poke()
	default:
		l.sched.add(t.request)
	}
}

// start runs a task that has its resources.
func (l *local) start(t *task) {
	l.enter(t)
	l.wg.Go(func() {
		out := l.exec.run(t.ctx, t)
		l.finish(t, out)
	})
}

func (l *local) enter(t *task) {
	t.attempts++
	t.ctx, t.cancel = context.WithCancelCause(l.ctx)
	if d := t.call.Options.Deadline; !d.IsZero() {
		var stop context.CancelFunc
		t.ctx, stop = context.WithDeadline(t.ctx, d)
		context.AfterFunc(t.ctx, stop)
	}
	l.running[t] = true
}

// at notes where a task runs.
func (l *local) at(t *task, worker string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.worker = worker
}

// finish notes how a run ended and gives the resources back. A function whose worker died is run again while it has retries.
func (l *local) finish(t *task, out outcome) {
	if out.err == nil {
		if err := l.room(len(out.value.Data)); err != nil {
			out = outcome{err: err}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.running, t)
	t.cancel(nil)
	if t.request != nil {
		need := t.request.need
		if t.waits > 0 { // a goroutine it left behind still waits; what it lent is back already
			need = needWithout(need, t.lends())
		}
		t.waits = 0
		defer l.sched.giveBack(need)
	}
	if out.died {
		l.cancelAll(t.children) // nobody will ask for their results
	}
	retry := out.died || out.err != nil && t.call.Options.RetryErrors
	if retry && !t.ended && !l.closed && t.attempts <= t.call.Options.Retries && (t.actor == nil || l.mayReturn(t)) {
		l.o.Logger.Warn("ray: a call is run again", "function", t.call.what(), "attempt", t.attempts, "worker", t.worker, "error", out.err)
		if t.actor != nil {
			t.place = t.actor.mailbox.PushFront(t)
			t.actor.poke()
		} else {
			defer l.sched.add(t.request)
		}
		return
	}
	if out.err != nil {
		l.end(t, payload{}, l.fail(t, out.err, out.stack))
	} else if t.ended {
		l.store.used -= int64(len(out.value.Data)) // nobody waits for it any more
	} else {
		l.end(t, out.value, nil)
	}
	l.leave(t)
}

func needWithout(a, b amounts) amounts {
	c := amounts{}
	for name, u := range a {
		c[name] = u - b[name]
	}
	return c
}

// fail makes the error of a task.
func (l *local) fail(t *task, cause error, stack string) *TaskError {
	e := &TaskError{Function: t.call.what(), Worker: t.worker, Attempts: t.attempts, Cause: cause, Stack: stack}
	if n := t.call.Options.Name; n != "" {
		e.Function += " (" + n + ")"
	}
	if inner, ok := errors.AsType[*TaskError](cause); ok && inner.Stack != "" {
		e.Stack += "\nwaited for task " + inner.Function + "\n" + inner.Stack
	}
	return e
}

// end gives a task its result, once.
func (l *local) end(t *task, v payload, err error) {
	if t.ended {
		return
	}
	t.ended = true
	if t.timer != nil {
		t.timer.Stop()
	}
	l.store.complete(t.out, v, err)
	for d := range t.out.dependents {
		l.argumentReady(d)
	}
}

// leave forgets a task that does not run and will not run again.
func (l *local) leave(t *task) {
	if l.tasks[t.id] != t {
		return
	}
	delete(l.tasks, t.id)
	if t.parent != nil {
		delete(t.parent.children, t)
		t.parent = nil
	}
	for c := range t.children {
		c.parent = nil
	}
	t.children = nil
	l.store.used -= t.argBytes
	if t.arg != nil {
		delete(t.arg.dependents, t)
		l.store.release(t.arg.id)
	} else {
		for _, id := range t.call.Args.Refs {
			l.store.release(id)
		}
	}
	t.call.Args = payload{}
}

// abort ends a task before its function has, for a reason.
func (l *local) abort(t *task, why error) {
	if t.ended {
		return
	}
	stack := ""
	if l.running[t] {
		stack = t.body.where
	}
	l.end(t, payload{}, l.fail(t, why, stack))
	if l.running[t] {
		t.cancel(why)
		return // it leaves when the function returns
	}
	if t.place != nil {
		t.actor.mailbox.Remove(t.place)
		t.place = nil
		t.actor.poke() // the next one may be ready
	}
	if t.request != nil {
		l.sched.remove(t.request)
	}
	l.leave(t)
}

func (l *local) cancelTree(t *task) {
	children := t.children
	l.abort(t, context.Canceled)
	l.cancelAll(children)
}

func (l *local) cancelAll(tasks map[*task]struct{}) {
	for t := range tasks {
		l.cancelTree(t)
	}
}

func (l *local) cancel(_ context.Context, id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tasks[id]; t != nil {
		l.cancelTree(t)
	}
	return nil // it has ended, which is what was asked
}
