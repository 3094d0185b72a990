package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A runtime of the user's own is added, built, shown and pruned; a wrong one is refused and changes nothing.
func TestRuntimeCommands(t *testing.T) {
	t.Parallel()
	version, err := exec.Command(python(t), "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	data, cache, py := t.TempDir(), t.TempDir(), strings.TrimSpace(string(version))
	run := func(verb string, args ...string) (string, int) {
		t.Helper()
		return runMobula(t, []string{"MOBULA_UV=" + filepath.Join(filepath.Dir(python(t)), "uv")}, append([]string{"runtime", verb, "--data", data, "--cache", cache}, args...)...)
	}
	if out, code := run("add", "--name", "mine", "--image", `mine:\d`, "--python", py, "--as-of", "2021-01-31", "six"); code != 0 {
		t.Fatalf("add: %d %s", code, out)
	}
	before, err := os.ReadFile(filepath.Join(data, "runtimes.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][]string{{"--name", "other", "--image", "(", "--python", py}, {"--name", "other", "--image", "x", "--python", "2.7"}, {"--name", "other", "--image", "x", "--python", py, "--as-of", "soon"}} {
		if out, code := run("add", wrong...); code != 1 || !strings.Contains(out, wrong[len(wrong)-1]) && !strings.Contains(out, "image '('") {
			t.Errorf("add %v: %d %s", wrong, code, out)
		}
	}
	if after, err := os.ReadFile(filepath.Join(data, "runtimes.toml")); err != nil || string(after) != string(before) {
		t.Errorf("a wrong row changed the table: %s, %v", after, err)
	}
	if out, code := run("list"); code != 0 || !strings.Contains(out, "mine") || !strings.Contains(out, "xgboost-1.7") {
		t.Errorf("list: %d %s", code, out)
	}
	out, code := run("build", "mine:1")
	id := regexp.MustCompile(`(?m)^[0-9a-f]{20}`).FindString(out)
	if code != 0 || id == "" {
		t.Fatalf("build: %d %s", code, out)
	}
	if out, code := run("build", "unknown:1"); code != 1 || !strings.Contains(out, "Try: mobula runtime list") {
		t.Errorf("build of an unknown image: %d %s", code, out)
	}
	if out, code := run("show", id); code != 0 || !strings.Contains(out, "six") || !strings.Contains(out, "1.15.0") {
		t.Errorf("show: %d %s", code, out)
	}
	if out, code := run("prune", "--days", "0"); code != 0 || !strings.Contains(out, id) {
		t.Errorf("prune: %d %s", code, out)
	}
	if out, code := run("show", id); code != 1 || !strings.Contains(out, "no such Python world") {
		t.Errorf("show of a world that is gone: %d %s", code, out)
	}
}
