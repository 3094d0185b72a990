package ray

import (
	"context"
	"fmt"
	"runtime"
)

// An ActorType is a type whose values live in workers and are called by their methods.
type ActorType[S, In any] struct{ name string }

// An ActorMethod is a method of an actor type.
type ActorMethod[S, In, Out any] struct{ typ, name string }

// A Handle names one actor. It may be part of an argument or a result. The zero Handle names none.
type Handle[S any] struct{ ID string }

// stateKey leads a constructor to where the executor keeps the actor's value, which never becomes bytes.
type stateKey struct{}

// Actor registers a type of actor and its constructor, under the rules of Func.
func Actor[S, In any](name string, construct func(ctx context.Context, in In) (S, error)) ActorType[S, In] {
	register(name, construct, func(ctx context.Context, _ any, args payload) (payload, error) {
		return apply(ctx, args, func(ctx context.Context, in In) (struct{}, error) {
			state, err := construct(ctx, in)
			*ctx.Value(stateKey{}).(*any) = state
			return struct{}{}, err
		})
	})
	return ActorType[S, In]{name}
}

// Method registers a method of an actor type. Calls of one actor never overlap, whichever methods they are of.
func Method[S, A, In, Out any](typ ActorType[S, A], name string, fn func(state S, ctx context.Context, in In) (Out, error)) ActorMethod[S, In, Out] {
	m := ActorMethod[S, In, Out]{typ.name, name}
	register(typ.name+"."+name, fn, func(ctx context.Context, state any, args payload) (payload, error) {
		own, ok := state.(S)
		if !ok && state != nil {
			return payload{}, fmt.Errorf("the actor is a %T, the method is of %T", state, own)
		}
		return apply(ctx, args, func(ctx context.Context, in In) (Out, error) { return fn(own, ctx, in) })
	})
	return m
}

// New starts an actor and returns its handle at once; the actor is constructed when the resources it asks for are free, and holds them
// until Kill or Shutdown. Where its constructor fails, every call of it fails with ErrActorDied and that error.
func (t ActorType[S, In]) New(ctx context.Context, in In, options ...Option) (Handle[S], error) {
	c := call{Function: t.name}
	var err error
	if c.Args, err = encode(in); err != nil {
		return Handle[S]{}, fmt.Errorf("ray: starting actor %s: %w", t.name, err)
	}
	s, err := prepare(ctx, &c, anActor, options)
	if err != nil {
		return Handle[S]{}, fmt.Errorf("ray: starting actor %s: %w", t.name, err)
	}
	id, err := s.engine.create(ctx, s.task, c)
	runtime.KeepAlive(c.Args.held)
	if err != nil {
		return Handle[S]{}, fmt.Errorf("ray: starting actor %s: %w", t.name, err)
	}
	return Handle[S]{id}, nil
}

// Named returns the living actor of the type that New gave the name. The error is ErrNoActor where there is none.
func (t ActorType[S, In]) Named(ctx context.Context, name string) (Handle[S], error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return Handle[S]{}, err
	}
	id, err := s.engine.lookup(ctx, t.name, name)
	if err != nil {
		return Handle[S]{}, fmt.Errorf("ray: actor %s named %q: %w", t.name, name, err)
	}
	return Handle[S]{id}, nil
}

// Call starts the method. Calls that one goroutine makes run in the order it makes them.
func (m ActorMethod[S, In, Out]) Call(ctx context.Context, h Handle[S], in In, options ...Option) (Ref[Out], error) {
	args, err := encode(in)
	if err != nil {
		return Ref[Out]{}, fmt.Errorf("ray: calling %s.%s: %w", m.typ, m.name, err)
	}
	return submit[Out](ctx, call{Function: m.typ, Method: m.name, Actor: h.ID, Args: args}, anActorCall, options)
}

// CallWith starts the method once its argument is there. The calls behind it wait as well, to keep their order.
func (m ActorMethod[S, In, Out]) CallWith(ctx context.Context, h Handle[S], in Ref[In], options ...Option) (Ref[Out], error) {
	return submitWith[In, Out](ctx, call{Function: m.typ, Method: m.name, Actor: h.ID}, in, anActorCall, options)
}

// Kill ends an actor: the call that runs and those that wait fail with ErrActorDied, and its resources are free once the method has returned.
func Kill[S any](ctx context.Context, h Handle[S]) error { return kill(ctx, h.ID, false) }

// Restart ends the call that runs and constructs the actor again, which counts towards MaxRestarts; beyond them it
// is Kill. Calls that wait go to the new one.
func Restart[S any](ctx context.Context, h Handle[S]) error { return kill(ctx, h.ID, true) }

func kill(ctx context.Context, id string, restart bool) error {
	s, err := sessionOf(ctx)
	if err != nil {
		return err
	}
	return s.engine.kill(ctx, id, restart)
}
