package runnertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/runner"
)

var libraryPath = regexp.MustCompile(`(/\S+) \(0x`)

// SmallRoot makes a file system of a few programs of this machine's, as an image has one. "/opt" is a link in it, by an absolute path.
func SmallRoot(t testing.TB) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	files := map[string]string{}
	for _, name := range []string{"sh", "cat", "ls", "id", "sleep"} {
		program, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		files["/bin/"+name] = program
		libraries, err := exec.Command("ldd", program).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range libraryPath.FindAllStringSubmatch(string(libraries), -1) {
			files[m[1]] = m[1]
		}
	}
	for target, source := range files {
		b, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		target = filepath.Join(root, target)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"elsewhere/opt", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/elsewhere/opt", filepath.Join(root, "opt")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/marker"), []byte("of the image\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// ownRoot: hosts see another file system than the machine's, which each may change for itself.
func ownRoot(t *testing.T, e env) {
	spec := shell(t, `ls /; cat /etc/marker /etc/hostname; echo changed > /etc/marker; cat /etc/marker; echo x > /new; id -u; cat $HOME/file
echo model > /opt/ml/model/m; cat /sys/devices/system/cpu/online; echo x > /tmp/y; [ ! -e /usr/bin/env ] && echo not the machine`)
	spec.Hosts, spec.VCPUs, spec.Root, spec.WorkDir = 2, 3, SmallRoot(t), "/made/for it"
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("shown\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec.Mounts = []runner.Mount{{Source: file, Target: "/opt/home/file", ReadOnly: true}}
	spec.Env = map[string]string{"PATH": "/bin", "HOME": "/opt/home"}
	if !e.Isolated {
		spec.Mounts = nil
		if _, err := e.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "needs namespaces") {
			t.Error(err)
		}
		return
	}
	for n := 1; n <= 2; n++ {
		if err := os.MkdirAll(filepath.Join(runner.HostDir(spec.Dir, n), "ml/model"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	job, status := e.run(t, spec)
	want(t, job, status, runner.Completed, "")
	for _, host := range []string{"algo-1", "algo-2"} {
		log := read(job.LogPath(host))
		if !strings.HasSuffix(log, "\nof the image\n"+host+"\nchanged\n0\nshown\n0-2\nnot the machine\n") || !strings.HasPrefix(log, "bin\ndev\nelsewhere\netc\n") {
			t.Errorf("%s: %s", host, log)
		}
	}
	if text := read(filepath.Join(spec.Root, "etc/marker")); text != "of the image\n" {
		t.Errorf("the root was changed: %q", text)
	}
	if entries, err := os.ReadDir(filepath.Join(spec.Root, "elsewhere/opt")); err != nil || len(entries) > 0 {
		t.Errorf("in the root appeared %v, %v", entries, err)
	}
	if text := read(filepath.Join(runner.HostDir(spec.Dir, 2), "ml/model/m")); text != "model\n" {
		t.Errorf("algo-2 left %q", text)
	}
	if err := job.Remove(); err != nil {
		t.Error(err)
	}
}
