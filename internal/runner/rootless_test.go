//go:build linux

package runner_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/runner/runnertest"
)

// TestUserNamespace is the namespace runner as an unprivileged user has it, with root's access to files.
func TestUserNamespace(t *testing.T) {
	runnertest.Setenv(t)
	r, choice, err := runner.Choose(t.Context(), runner.Namespace, runner.Options{UserNamespace: true, Outside: runnertest.Outside(t)})
	if err != nil {
		t.Fatal(err)
	}
	if !choice.UserNamespace {
		t.Fatalf("%+v", choice)
	}
	runnertest.Run(t, r, runnertest.Traits{Isolated: true, Limits: len(r.Notes()) == 0})
}

// TestRootless runs the suites of this package as the user nobody. Who is not root has run them so already.
func TestRootless(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "rootless")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "runner.test")
	if err := copyProgram(program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run", "^(TestNamespace|TestPlain)$", "-test.timeout", "3m")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	said, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(said), "PASS\n") {
		t.Fatalf("%v\n%s", err, said)
	}
}

func copyProgram(to string) error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, self); err != nil {
		return err
	}
	return out.Close()
}
