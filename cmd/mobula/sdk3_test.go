package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/pyenv"
)

// The parts of the SageMaker Python SDK's third version, a script for each, on a server of its own.
func TestThirdSDK(t *testing.T) {
	t.Parallel()
	version, err := exec.Command(python(t), "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	py := strings.TrimSpace(string(version))
	cache, err := filepath.Abs("../../.cache/test-worlds")
	if err != nil {
		t.Fatal(err)
	}
	m, err := pyenv.Open(pyenv.Options{Dir: cache, UV: filepath.Join(filepath.Dir(python(t)), "uv")})
	if err != nil {
		t.Fatal(err)
	}
	world, err := m.Build(t.Context(), pyenv.Runtime{Name: "sdk3", Python: py, AsOf: "2026-11-20", Packages: []string{"sagemaker==3.27.0"}}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	// The image of the scripts is a Python without packages.
	tiny := "[[runtime]]\nname = \"tiny\"\nimage = \"tiny:.*\"\npython = \"" + py + "\"\nas_of = \"2025-01-31\"\n"
	for _, script := range []string{"jobs", "features", "pipelines", "builder"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			if err := os.WriteFile(filepath.Join(data, "runtimes.toml"), []byte(tiny), 0o600); err != nil {
				t.Fatal(err)
			}
			env := []string{"MOBULA_UV=" + filepath.Join(filepath.Dir(python(t)), "uv"), "PYTHONDONTWRITEBYTECODE=1"}
			out, code := runMobula(t, env, "exec", "--data", data, "--cache", cache, "--runner", "auto", "--", world.Interpreter(), filepath.Join("testdata", "sdk3", script+".py"))
			if code != 0 || !strings.HasSuffix(out, "ok\n") {
				t.Errorf("exit code %d\n%s", code, out)
			}
		})
	}
}
