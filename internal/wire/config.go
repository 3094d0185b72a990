package wire

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/world"
)

// Keys finds who an access key belongs to.
type Keys interface {
	// Lookup returns the secret and the owner of an access key. An error is identity.ErrUnknownKey,
	// identity.ErrBadToken, identity.ErrExpired, or a failure of the store.
	Lookup(ctx context.Context, accessKey, sessionToken string) (secret string, p identity.Principal, err error)
}

// Config is what a Handler is made of.
type Config struct {
	// Keys verifies who calls.
	Keys Keys
	// Services are the platform's rooms. Each serves the operations that it has methods for.
	Services []any
	// S3 serves objects, path style, to requests whose signature is good. Its context carries the caller.
	S3 http.Handler
	// Own serves what is signed for the service "mobula": what this server has beside AWS's services. Its context carries the caller.
	Own http.Handler
	// Pages serves what is not signed. Defaults to 404.
	Pages http.Handler
	// Ready says why GET /healthz should answer 503 now, or nil. Defaults to always ready.
	Ready func(ctx context.Context) error
	// World gives time and identifiers. Defaults to the machine's.
	World world.World
	// Log takes failures that are not the client's. Defaults to slog's default.
	Log *slog.Logger
	// Limits bounds what a request may take.
	Limits Limits
}

// Limits bounds what requests may take.
type Limits struct {
	// Body is the largest JSON or form body in bytes. Defaults to 16 MiB.
	Body int64
	// Payload is the largest InvokeEndpoint body in bytes. Defaults to 6 MiB, SageMaker's quota.
	Payload int64
	// Concurrent is how many operations may run at a time; one more is throttled. Objects and pages do not count. Defaults to 1024.
	Concurrent int
}

func (l Limits) withDefaults() Limits {
	if l.Body == 0 {
		l.Body = 16 << 20
	}
	if l.Payload == 0 {
		l.Payload = 6 << 20
	}
	if l.Concurrent == 0 {
		l.Concurrent = 1024
	}
	return l
}

// New makes the handler of the whole API. Two services with a method for the same operation are a mistake in the wiring, and panic.
func New(c Config) *Handler {
	if c.World == nil {
		c.World = world.Real()
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Pages == nil {
		c.Pages = http.NotFoundHandler()
	}
	c.Limits = c.Limits.withDefaults()
	h := &Handler{Config: c, routes: map[string]*route{}, slots: make(chan struct{}, c.Limits.Concurrent)}
	for i := range awsapi.Operations {
		op := &awsapi.Operations[i]
		r := &route{op: op, call: bind(op, c.Services), limit: c.Limits.Body}
		if awsapi.Shapes[op.Input].Payload != "" {
			r.limit = c.Limits.Payload
		}
		if op.Protocol == "rest-json" {
			r.template = newTemplate(op)
		}
		h.routes[op.Service+"."+op.Name] = r
		h.all = append(h.all, r)
	}
	return h
}

// bind finds the one service that has the operation's method; nil where none has.
func bind(op *awsapi.Operation, services []any) awsapi.Call {
	var found awsapi.Call
	var owner any
	for _, s := range services {
		call, ok := op.Bind(s)
		if !ok {
			continue
		}
		if found != nil {
			panic(fmt.Sprintf("wire: both %T and %T serve %s", owner, s, op))
		}
		found, owner = call, s
	}
	return found
}
