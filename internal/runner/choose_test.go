//go:build linux

package runner_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mobula-ml/mobula/internal/runner"
)

func TestChooseRefusesAnUnknownMode(t *testing.T) {
	_, _, err := runner.Choose(t.Context(), "docker", runner.Options{})
	if err == nil || err.Error() != `runner "docker": must be auto, namespace or plain` {
		t.Error(err)
	}
}

// forbidden runs the test's program with arguments where user namespaces are not allowed, as a user who would need them. Only root can
// make such a place.
func forbidden(t *testing.T, args ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "forbidden")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "runner.test")
	if err := copyProgram(program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c",
		`echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --reuid 65534 --regid 65534 --clear-groups -- "$0" "$@"`, program}, args...)...)
	all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: all, GidMappings: all, GidMappingsEnableSetgroups: true}
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return string(said)
}

func TestAdviceWhereNamespacesAreForbidden(t *testing.T) {
	if os.Geteuid() != 0 {
		return // see forbidden
	}
	t.Parallel()
	var choice runner.Choice
	if said := forbidden(t, "runnertest-choose", runner.Auto); json.Unmarshal([]byte(said), &choice) != nil {
		t.Fatal(said)
	}
	if choice.Runner != runner.Plain || !strings.Contains(choice.Reason, "no space left") || len(choice.Advice) != 1 ||
		!strings.Contains(choice.Advice[0], "sysctl -w user.max_user_namespaces=") {
		t.Errorf("%+v", choice)
	}
	if said := forbidden(t, "runnertest-choose", runner.Namespace); !strings.Contains(said, ". Try: Allow user namespaces: sudo sysctl") {
		t.Error(said)
	}
}

func TestHiddenFolders(t *testing.T) {
	t.Parallel()
	data, err := os.MkdirTemp("/var", "mobula-hidden") // neither private nor below the job
	if err != nil {
		data = t.TempDir() // without root; below the private /tmp then, so nothing of it is seen either way
	}
	defer os.RemoveAll(data)
	for _, name := range []string{"keys", "shown"} {
		if err := os.WriteFile(filepath.Join(data, name), []byte(name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, _, err := runner.Choose(t.Context(), runner.Namespace, runner.Options{Hidden: []string{data, "/no/such/folder"}})
	if err != nil {
		t.Fatal(err)
	}
	job, err := r.Start(t.Context(), runner.Spec{Name: "hidden", Dir: filepath.Join(t.TempDir(), "job"), Hosts: 1,
		Command: []string{"sh", "-c", "ls " + data + "; cat " + data + "/shown; touch " + data + "/x 2>/dev/null && echo written; exit 0"},
		Mounts:  []runner.Mount{{Source: filepath.Join(data, "shown"), Target: filepath.Join(data, "shown"), ReadOnly: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if status, err := job.Wait(t.Context()); err != nil || status.State != runner.Completed {
		t.Errorf("%+v, %v", status, err)
	}
	if log, err := os.ReadFile(job.LogPath("algo-1")); err != nil || string(log) != "shown\nshown\n" {
		t.Errorf("%q, %v", log, err)
	}
}
