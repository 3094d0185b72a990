package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/server"
)

// A world of exec's is made where the server keeps its worlds, so that pip in it is answered, as of the world's day.
func TestPipInAWorldOfExec(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	cache, err := filepath.Abs("../../.cache/test-worlds")
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Start(context.WithoutCancel(t.Context()), server.Config{Data: data, Cache: cache, Listen: "127.0.0.1:0", Runner: runner.Plain, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	out, code := runMobula(t, []string{"MOBULA_UV=" + filepath.Join(filepath.Dir(python(t)), "uv"), "MOBULA_CACHE=" + t.TempDir()}, "exec", "--data", data, "--as-of", "2021-12-15", "--with", "iniconfig<2", "--",
		"sh", "-c", "python -m pip install -q six && python -c 'import iniconfig, six; print(six.__version__)'")
	if code != 0 || !strings.HasSuffix(out, "1.16.0\n") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
