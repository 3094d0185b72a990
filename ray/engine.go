package ray

import (
	"context"
	"time"
)

// An engine keeps objects and runs calls. What crosses it is identifiers and bytes, never values of the program, so that it may be in
// another process or on another machine. from is the task that asks, "" for the program itself.
type engine interface {
	// put keeps a value and returns its identifier, with one reference to it.
	put(ctx context.Context, from string, v payload) (string, error)
	// get waits for an object. The error of a failed call is a *TaskError; ctx's own error comes as it is.
	get(ctx context.Context, from, id string) (payload, error)
	// wait returns which objects are there, once n of them are or ctx ends.
	wait(ctx context.Context, from string, ids []string, n int) ([]bool, error)
	// retain and release count the references to an object; it goes with the last.
	retain(id string)
	release(id string)
	// drop removes an object whatever refers to it.
	drop(ctx context.Context, id string) error

	// submit starts a call and returns the identifier of its result, with one reference to it.
	submit(ctx context.Context, from string, c call) (string, error)
	cancel(ctx context.Context, id string) error

	// create starts an actor and returns its identifier.
	create(ctx context.Context, from string, c call) (string, error)
	// lookup finds a living actor of a type by name.
	lookup(ctx context.Context, typ, name string) (string, error)
	kill(ctx context.Context, actor string, restart bool) error

	resources(ctx context.Context) (total, free amounts, err error)
	shutdown() error
}

// A payload is an encoded value and the objects that it refers to.
type payload struct {
	Data []byte
	Refs []string
	held []*handle // keeps the references of Refs alive until an engine has counted them
}

// A call is one call of a function, of an actor's method (Actor is set), or the creation of an actor (Function is its type).
type call struct {
	Function string
	Actor    string
	Method   string
	Args     payload
	ArgsFrom string // the object that holds the arguments, instead of Args
	Options  callOptions
}

// what names a call in errors.
func (c *call) what() string {
	if c.Method != "" {
		return c.Function + "." + c.Method
	}
	return c.Function
}

type callOptions struct {
	Name        string
	Need        amounts
	Retries     int
	RetryErrors bool
	MaxRestarts int
	Deadline    time.Time // zero: none
}
