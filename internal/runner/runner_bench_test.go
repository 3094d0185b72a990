package runner_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/mobula-ml/mobula/internal/runner"
)

// BenchmarkNoOp is a job that does nothing, from Start until Wait returns. "start-ms" is the part until the status says InProgress.
// The test's executable is small; a server's, of 80 MB, costs about 5 ms more for each of the two processes started from it.
func BenchmarkNoOp(b *testing.B) {
	for _, bench := range []struct {
		mode  string
		opts  runner.Options
		hosts int
	}{
		{runner.Namespace, runner.Options{}, 1},
		{runner.Namespace, runner.Options{}, 2},
		{runner.Namespace, runner.Options{}, 8},
		{runner.Namespace, runner.Options{UserNamespace: true}, 1},
		{runner.Plain, runner.Options{}, 1},
	} {
		r, _, err := runner.Choose(b.Context(), bench.mode, bench.opts)
		if err != nil {
			b.Fatal(err)
		}
		name := fmt.Sprintf("%s/hosts=%d/user=%t", bench.mode, bench.hosts, bench.opts.UserNamespace)
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			for i := 0; b.Loop(); i++ {
				job, err := r.Start(b.Context(), runner.Spec{Name: "bench", Dir: filepath.Join(dir, fmt.Sprint(i)), Hosts: bench.hosts, Command: []string{"true"}})
				if err != nil {
					b.Fatal(err)
				}
				status, err := job.Wait(b.Context())
				if err != nil || status.State != runner.Completed {
					b.Fatal(status, err)
				}
			}
		})
	}
}
