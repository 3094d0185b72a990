package ray

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

// An executor runs functions for the embedded engine.
type executor interface {
	// run calls a function and returns when it has ended or its worker is gone.
	run(ctx context.Context, t *task) outcome
	// construct makes the value of an actor. The instance ends with close, or with ctx.
	construct(ctx context.Context, a *actor) (instance, outcome)
	// collect has all workers release the references that are garbage.
	collect()
	// stop ends all workers.
	stop()
}

// An instance is one incarnation of an actor.
type instance interface {
	call(t *task) outcome
	died() <-chan struct{} // closed when the worker died
	why() error            // how it died
	close()
}

// maxStack is how much of a stack an error carries, in bytes.
const maxStack = 16 << 10

// invoke runs registered code in a goroutine of its own, so that whatever it does to that one ends as an outcome.
func invoke(ctx context.Context, b *body, state any, args payload) outcome {
	done := make(chan outcome, 1)
	go func() {
		out := outcome{err: errors.New("the function ended its goroutine (runtime.Goexit) instead of returning"), stack: b.where}
		defer func() {
			if p := recover(); p != nil {
				out = outcome{err: fmt.Errorf("%w: %v", ErrPanic, p), stack: panicStack()}
			}
			done <- out
		}()
		value, err := b.run(ctx, state, args)
		out = outcome{value: value}
		if err != nil {
			out = outcome{err: flawOf(err).error(), stack: b.where} // as it would be had it come from another process
		}
	}()
	return <-done
}

// panicStack returns the stack from the panic down, without what this package puts around it.
func panicStack() string {
	s := string(debug.Stack())
	if i := strings.Index(s, "\npanic("); i >= 0 {
		s = s[i+1:]
	}
	return s[:min(len(s), maxStack)]
}

// goroutines is the executor of this process.
type goroutines struct{ l *local }

func (g goroutines) session(t *task) *session { return &session{engine: g.l, task: t.id} }

func (g goroutines) run(ctx context.Context, t *task) outcome {
	g.l.at(t, "a goroutine")
	return invoke(g.session(t).context(ctx), t.body, nil, t.call.Args)
}

func (g goroutines) construct(ctx context.Context, a *actor) (instance, outcome) {
	in := &goroutineActor{g: g}
	s := &session{engine: g.l, task: a.id}
	out := invoke(context.WithValue(s.context(ctx), stateKey{}, &in.state), a.body, nil, a.call.Args)
	return in, out
}

func (g goroutines) collect() { collect() }

func (g goroutines) stop() {}

type goroutineActor struct {
	g     goroutines
	state any
}

func (a *goroutineActor) call(t *task) outcome {
	a.g.l.at(t, "actor "+t.actor.id)
	return invoke(a.g.session(t).context(t.ctx), t.body, a.state, t.call.Args)
}

func (a *goroutineActor) died() <-chan struct{} { return nil }
func (a *goroutineActor) why() error            { return nil }
func (a *goroutineActor) close()                {}
