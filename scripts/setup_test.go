package scripts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSetupIsQuietOnceDone: in a checkout that is set up, which every test run is, a second run does and says nothing.
func TestSetupIsQuietOnceDone(t *testing.T) {
	t.Parallel()
	stamp := filepath.Join("..", ".cache", "xgboost", ".stamp")
	before, err := os.Stat(stamp)
	if err != nil {
		t.Fatalf("%v. Try: make setup-test", err)
	}
	for _, what := range []string{"run", "test"} {
		if out, err := exec.Command("./setup", "--what", what).CombinedOutput(); err != nil || len(out) != 0 {
			t.Errorf("setup --what %s: %v\n%s", what, err, out)
		}
	}
	if after, err := os.Stat(stamp); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the library was fetched again: %v", err)
	}
}

// TestSetupNamesWhatIsMissing runs with a PATH that has a shell's tools only.
func TestSetupNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	tools := t.TempDir()
	for _, name := range []string{"bash", "env", "dirname", "cat", "cksum", "tr", "cut"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("./setup", "--what", "run")
	cmd.Env = []string{"PATH=" + tools}
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("it succeeded")
	}
	for _, want := range []string{"Go 1.26 or newer", "a C and C++ compiler (gcc, g++)", "apt install build-essential", "Try: "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the message has no %q:\n%s", want, out)
		}
	}
	if out, err := exec.Command("./setup", "--what", "all").CombinedOutput(); err == nil || !strings.Contains(string(out), "usage:") {
		t.Errorf("an unknown --what: %v\n%s", err, out)
	}
}
