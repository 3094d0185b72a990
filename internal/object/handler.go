package object

import (
	"context"
	"log/slog"

	"github.com/mobula-ml/mobula/internal/world"
)

// HandlerOptions is what Handler needs from its surroundings.
type HandlerOptions struct {
	// BeforeRead is called before an object is read or a prefix listed. Defaults to none.
	BeforeRead BeforeRead
	// Account names the owner of every bucket for a request, against x-amz-expected-bucket-owner. Defaults to no check.
	Account func(ctx context.Context) string
	// World gives the time. Defaults to the machine's.
	World world.World
	// Log takes failures that are not the client's. Defaults to slog's default.
	Log *slog.Logger
}
