package identity

import (
	"context"
	"strings"

	"github.com/mobula-ml/mobula/internal/store"
)

// The account and the region of a server that was not told otherwise, and the role that its own key pair acts in.
const (
	DefaultAccount = "123456789012"
	DefaultRegion  = "us-east-1"
	DefaultRole    = "service-role/AmazonSageMaker-ExecutionRole-mobula"
)

// A Principal is who a request acts as.
type Principal struct {
	Account, Region string
	RoleARN         string // arn:aws:iam::<account>:role/<path and name>
	SessionName     string
	AccessKey       string
	JobARN          string // of the job whose key this is, or ""
}

// Scope is whose resources the principal sees.
func (p Principal) Scope() store.Scope { return store.Scope{Account: p.Account, Region: p.Region} }

// RoleName is the role without its path.
func (p Principal) RoleName() string { return p.RoleARN[strings.LastIndexByte(p.RoleARN, '/')+1:] }

// CallerARN is how STS names the principal: as a session of its role.
func (p Principal) CallerARN() string {
	return "arn:aws:sts::" + p.Account + ":assumed-role/" + p.RoleName() + "/" + p.SessionName
}

// RoleARN names a role of an account.
func RoleARN(account, role string) string { return "arn:aws:iam::" + account + ":role/" + role }

type contextKey struct{}

// With returns a context that carries p.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns the principal of a context. A context without one is a mistake in the program, and it panics.
func From(ctx context.Context) Principal {
	p, ok := ctx.Value(contextKey{}).(Principal)
	if !ok {
		panic("identity: the context carries no principal")
	}
	return p
}

// Known says whether the context carries a principal.
func Known(ctx context.Context) bool {
	_, ok := ctx.Value(contextKey{}).(Principal)
	return ok
}
