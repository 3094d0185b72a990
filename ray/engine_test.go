package ray_test

import (
	"io"
	"log/slog"
	"testing"

	"github.com/mobula-ml/mobula/ray"
	"github.com/mobula-ml/mobula/ray/raytest"
)

func TestGoroutines(t *testing.T) {
	t.Parallel()
	raytest.Run(t, func(testing.TB) ray.Options {
		return ray.Options{Address: "local", NumCPUs: 1, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	})
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	raytest.Run(t, func(testing.TB) ray.Options {
		return ray.Options{Address: "local", NumCPUs: 1, Isolation: ray.Processes, Output: io.Discard, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	})
}
