package runnertest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/runner"
)

// environment: the test's process has PIP_INDEX_URL and MOBULA_TEST_SECRET set, see Setenv.
func environment(t *testing.T, e env) {
	spec := shell(t, `env; pwd; echo x > "$HOME/file" && echo x > "${TMPDIR:-/tmp}/file" && echo written`)
	spec.Env = map[string]string{"GREETING": "hello world", "LANG": "de_DE.UTF-8"}
	if err := os.MkdirAll(filepath.Join(runner.HostDir(spec.Dir, 1), "ml/code"), 0o755); err != nil {
		t.Fatal(err)
	}
	job, status := e.run(t, spec)
	want(t, job, status, runner.Completed, "")
	log := read(job.LogPath("algo-1"))
	for _, expect := range []string{"GREETING=hello world\n", "LANG=de_DE.UTF-8\n", "SM_CURRENT_HOST=algo-1\n", "SM_HOSTS=[\"algo-1\"]\n",
		"PIP_INDEX_URL=" + indexURL + "\n", "MOBULA_SERVE_PORT=", "written\n", "/ml/code\n"} {
		if !strings.Contains(log, expect) {
			t.Errorf("%q is missing in %s", expect, log)
		}
	}
	for _, leak := range []string{"MOBULA_TEST_SECRET", "PIP_CACHE_DIR", "HOME=" + os.Getenv("HOME") + "\n"} {
		if strings.Contains(log, leak) {
			t.Errorf("%q leaked into %s", leak, log)
		}
	}
	if text := read(filepath.Join(runner.HostDir(spec.Dir, 1), "home/file")); text != "x\n" {
		t.Errorf("the home's file: %q", text)
	}
}

const indexURL = "http://127.0.0.1:9/simple"

// Setenv gives this process what environment looks for. It is called before Run, whose cases are parallel.
func Setenv(t *testing.T) {
	t.Setenv("PIP_INDEX_URL", indexURL)
	t.Setenv("PIP_CACHE_DIR", "/somewhere")
	t.Setenv("MOBULA_TEST_SECRET", "secret")
}

func isolation(t *testing.T, e env) {
	if !e.Isolated {
		for _, target := range []string{"/opt/ml", "/etc/x"} {
			spec := shell(t, "true")
			spec.Mounts = []runner.Mount{{Source: t.TempDir(), Target: target}}
			if _, err := e.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "must lie below /opt/ml") {
				t.Errorf("%s: %v", target, err)
			}
		}
		return
	}
	spec := shell(t, `hostname; cat /etc/hostname /sys/devices/system/cpu/online; pwd; id -u; ls /opt/ml
[ -w /tmp ] && echo x > /tmp/private && echo x > /var/tmp/private && echo x > /run/private && echo x > /dev/shm/private && echo x > /dev/null && echo places
for f in /usr/forbidden /etc/forbidden /forbidden /opt/forbidden /sys/kernel/mm/ksm/run /proc/sys/kernel/core_pattern; do if echo x 2>/dev/null > $f; then echo $f is writable; fi; done
mount -o remount,rw / 2>/dev/null && echo remounted; unshare -n true 2>/dev/null && echo new network
ls /proc | grep -c '^[0-9]' | { read n; [ $n -lt 10 ] && echo own processes; }
[ -e /dev/vda ] && echo disk; exit 0`)
	spec.VCPUs = 7
	if err := os.MkdirAll(filepath.Join(runner.HostDir(spec.Dir, 1), "ml/model"), 0o755); err != nil {
		t.Fatal(err)
	}
	job, status := e.run(t, spec)
	want(t, job, status, runner.Completed, "")
	if log, expect := read(job.LogPath("algo-1")), "algo-1\nalgo-1\n0-6\n/opt/ml\n0\nmodel\nplaces\nown processes\n"; log != expect {
		t.Errorf("got %q, want %q", log, expect)
	}
	for _, path := range []string{"/tmp/private", "/var/tmp/private", "/run/private", "/dev/shm/private"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s appeared on the machine", path)
		}
	}
}
