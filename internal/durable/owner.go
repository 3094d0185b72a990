package durable

import (
	"context"

	"github.com/mobula-ml/mobula/internal/store"
)

// An Owner is the task on whose behalf a resource was made: it waits for the resource to come to an end. The zero Owner is nobody.
type Owner struct{ Kind, Key string }

// Notify signals the owner in the transaction of the resource's final status.
func (o Owner) Notify(e *Engine, tx *store.Tx) error {
	if o.Kind == "" {
		return nil
	}
	return e.Signal(tx, o.Kind, o.Key)
}

type ownerKey struct{}

// WithOwner returns a context in which what is made belongs to o.
func WithOwner(ctx context.Context, o Owner) context.Context {
	return context.WithValue(ctx, ownerKey{}, o)
}

// OwnerFrom returns the owner in a context, or nobody.
func OwnerFrom(ctx context.Context) Owner {
	o, _ := ctx.Value(ownerKey{}).(Owner)
	return o
}
