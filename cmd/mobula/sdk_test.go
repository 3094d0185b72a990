package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/pyenv"
)

// The parts of the SageMaker Python SDK's second version, a script for each. The image of the scripts has the SDK, too.
func TestSecondSDK(t *testing.T) {
	t.Parallel()
	testSDK(t, "sdk2", pyenv.Runtime{Name: "sdk", Image: "sdk:.*", AsOf: "2023-12-15", Packages: []string{"sagemaker==2.200.1"}}, "training", "tuning", "serving")
}

// The parts of the third version. The image of the scripts is a Python without packages.
func TestThirdSDK(t *testing.T) {
	t.Parallel()
	testSDK(t, "sdk3", pyenv.Runtime{Name: "sdk3", AsOf: "2026-11-20", Packages: []string{"sagemaker==3.27.0"}}, "jobs", "features", "pipelines", "builder")
}

// testSDK runs each script on a server of its own, with the world of a runtime for the client, and for the image where it has one.
func testSDK(t *testing.T, folder string, client pyenv.Runtime, scripts ...string) {
	version, err := exec.Command(python(t), "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	client.Python = strings.TrimSpace(string(version))
	cache, err := filepath.Abs("../../.cache/test-worlds")
	if err != nil {
		t.Fatal(err)
	}
	uv := filepath.Join(filepath.Dir(python(t)), "uv")
	m, err := pyenv.Open(pyenv.Options{Dir: cache, UV: uv})
	if err != nil {
		t.Fatal(err)
	}
	world, err := m.Build(t.Context(), client, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	table := "[[runtime]]\nname = \"tiny\"\nimage = \"tiny:.*\"\npython = \"" + client.Python + "\"\nas_of = \"2025-01-31\"\n"
	if client.Image != "" {
		table = "[[runtime]]\nname = \"" + client.Name + "\"\nimage = \"" + client.Image + "\"\npython = \"" + client.Python + "\"\nas_of = \"" + client.AsOf +
			"\"\npackages = [\"" + strings.Join(client.Packages, "\", \"") + "\"]\n"
	}
	for _, script := range scripts {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			if err := os.WriteFile(filepath.Join(data, "runtimes.toml"), []byte(table), 0o600); err != nil {
				t.Fatal(err)
			}
			env := []string{"MOBULA_UV=" + uv, "PYTHONDONTWRITEBYTECODE=1", "GIT_CONFIG_GLOBAL=" + filepath.Join(data, "gitconfig")}
			out, code := runMobula(t, env, "exec", "--data", data, "--cache", cache, "--runner", "auto", "--", world.Interpreter(), filepath.Join("testdata", folder, script+".py"))
			if code != 0 || !strings.HasSuffix(out, "ok\n") {
				t.Errorf("exit code %d\n%s", code, out)
			}
		})
	}
}
