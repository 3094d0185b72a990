package ray

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"time"
)

// A Function is one that may be called as a task.
type Function[In, Out any] struct{ name string }

// A body is registered code: it decodes its argument, runs, and encodes its result. state is the actor's, nil for a function.
type body struct {
	where string // file and line, for stacks
	run   func(ctx context.Context, state any, args payload) (payload, error)
}

// The registry is filled by package variables, before any call, and is the same in every worker because the program is.
var (
	registryMu sync.RWMutex
	registry   = map[string]*body{}
)

func register(name string, fn any, run func(ctx context.Context, state any, args payload) (payload, error)) {
	where := ""
	if f := runtime.FuncForPC(reflect.ValueOf(fn).Pointer()); f != nil {
		file, line := f.FileLine(f.Entry())
		where = fmt.Sprintf("%s\n\t%s:%d", f.Name(), file, line)
	}
	registryMu.Lock()
	defer registryMu.Unlock()
	switch {
	case name == "":
		panic("ray: a function needs a name")
	case registry[name] != nil:
		panic(fmt.Sprintf("ray: the name %q is registered twice:\n%s\n%s", name, registry[name].where, where))
	}
	registry[name] = &body{where: where, run: run}
}

func registered(name string) (*body, error) {
	registryMu.RLock()
	defer registryMu.RUnlock()
	if b := registry[name]; b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("%q is not registered in this program", name)
}

// Func registers a function under a name that is its own in the program; a second one of the name panics. Call it in a package variable, so
// that workers know it too. The function gets a context that ends with its deadline, with Cancel and with Shutdown, and through which it may
// use the package itself.
func Func[In, Out any](name string, fn func(ctx context.Context, in In) (Out, error)) Function[In, Out] {
	register(name, fn, func(ctx context.Context, _ any, args payload) (payload, error) {
		return apply(ctx, args, fn)
	})
	return Function[In, Out]{name}
}

// apply runs fn on encoded values.
func apply[In, Out any](ctx context.Context, args payload, fn func(ctx context.Context, in In) (Out, error)) (payload, error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return payload{}, err
	}
	var in In
	if err := decode(args, &in, s.engine); err != nil {
		return payload{}, fmt.Errorf("argument: %w", err)
	}
	out, err := fn(ctx, in)
	if err != nil {
		return payload{}, err
	}
	p, err := encode(out)
	if err != nil {
		return payload{}, fmt.Errorf("result: %w", err)
	}
	return p, nil
}

// Call starts the function and returns a reference to its result. The error says at once what can never run: a request for more than there
// is (ErrInfeasible), an argument that cannot be sent, a full object store.
func (f Function[In, Out]) Call(ctx context.Context, in In, options ...Option) (Ref[Out], error) {
	args, err := encode(in)
	if err != nil {
		return Ref[Out]{}, fmt.Errorf("ray: calling %s: %w", f.name, err)
	}
	return submit[Out](ctx, call{Function: f.name, Args: args}, aTask, options)
}

// CallWith starts the function once its argument is there, and holds no resources until then. A failed argument fails the call.
func (f Function[In, Out]) CallWith(ctx context.Context, in Ref[In], options ...Option) (Ref[Out], error) {
	return submitWith[In, Out](ctx, call{Function: f.name}, in, aTask, options)
}

func submitWith[In, Out any](ctx context.Context, c call, in Ref[In], of subject, options []Option) (Ref[Out], error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return Ref[Out]{}, err
	}
	if c.ArgsFrom, err = in.id(s); err != nil {
		return Ref[Out]{}, fmt.Errorf("ray: calling %s: %w", c.what(), err)
	}
	defer runtime.KeepAlive(in.h)
	return submit[Out](ctx, c, of, options)
}

func submit[Out any](ctx context.Context, c call, of subject, options []Option) (Ref[Out], error) {
	s, err := prepare(ctx, &c, of, options)
	if err != nil {
		return Ref[Out]{}, fmt.Errorf("ray: calling %s: %w", c.what(), err)
	}
	id, err := s.engine.submit(ctx, s.task, c)
	runtime.KeepAlive(c.Args.held)
	if err != nil {
		return Ref[Out]{}, fmt.Errorf("ray: calling %s: %w", c.what(), err)
	}
	return newRef[Out](s.engine, id), nil
}

// prepare settles what the caller's side knows of a call.
func prepare(ctx context.Context, c *call, of subject, options []Option) (*session, error) {
	s, err := sessionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	c.Options, err = settle(of, options, time.Now(), deadline)
	return s, err
}
