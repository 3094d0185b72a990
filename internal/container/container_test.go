package container_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mobula-ml/mobula/internal/container"
	"github.com/mobula-ml/mobula/internal/container/containertest"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/runner/runnertest"
)

func TestImageIsExportedOnce(t *testing.T) {
	t.Parallel()
	program, asked := containertest.Engine(t, runnertest.SmallRoot(t), `["/bin/sh"]`)
	dir := filepath.Join(t.TempDir(), "images")
	s := container.Open(dir, "no-such-engine", program)
	i, err := s.Find(containertest.Image)
	if err != nil || i.Entrypoint[0] != "/bin/sh" || i.Cmd[0] != "usual" || i.Env["FROM"] != "image" || i.WorkDir != "/work" {
		t.Fatalf("%+v, %v", i, err)
	}
	// An export that is cut off leaves nothing.
	broken := filepath.Join(filepath.Dir(program), "broken")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Root(t.Context(), i); err == nil || !strings.Contains(err.Error(), "export image "+containertest.Image) {
		t.Errorf("an export that breaks off: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			root, err := container.Open(dir, program).Root(t.Context(), i)
			if err != nil {
				t.Error(err)
				return
			}
			if b, err := os.ReadFile(filepath.Join(root, "etc/marker")); err != nil || string(b) != "of the image\n" {
				t.Errorf("%q, %v", b, err)
			}
		})
	}
	wg.Wait()
	said, err := os.ReadFile(asked)
	if err != nil || strings.Count(string(said), "export ") != 2 || strings.Count(string(said), "rm made") != 2 {
		t.Errorf("the engine was asked %q, %v", said, err)
	}
	if gone, err := s.Prune(0); err != nil || len(gone) != 1 || gone[0] != i.ID {
		t.Errorf("pruned %v, %v", gone, err)
	}
	if gone, err := s.Prune(0); err != nil || len(gone) > 0 {
		t.Errorf("and then %v, %v", gone, err)
	}
}

func TestImagesThatAreNotThere(t *testing.T) {
	t.Parallel()
	program, _ := containertest.Engine(t, "/", `null`)
	for name, c := range map[string]struct {
		store *container.Store
		image string
		want  error
	}{
		"no engine":   {container.Open(t.TempDir(), "no-such-engine"), "x", container.ErrNoEngine},
		"no store":    {nil, "x", container.ErrNoEngine},
		"other image": {container.Open(t.TempDir(), program), "other:1", container.ErrNoImage},
		"an option":   {container.Open(t.TempDir(), program), "--help", container.ErrNoImage},
	} {
		if _, err := c.store.Find(c.image); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := container.Open(t.TempDir(), "false").Find("x"); err == nil || errors.Is(err, container.ErrNoImage) {
		t.Errorf("an engine that fails: %v", err)
	}
}

func TestFillLeavesWhatTheJobSays(t *testing.T) {
	t.Parallel()
	spec := runner.Spec{Env: map[string]string{"A": "job"}}
	container.Image{Env: map[string]string{"A": "image", "B": "image"}, WorkDir: "/w"}.Fill(&spec, "/root/of/it")
	if spec.Env["A"] != "job" || spec.Env["B"] != "image" || spec.Env["PATH"] == "" || spec.Env["HOME"] != "/root" || spec.Root != "/root/of/it" || spec.WorkDir != "/w" {
		t.Errorf("%+v", spec)
	}
}

// TestPodman takes an image out of the real engine, where there is one that has podman's way of making an image of a folder.
func TestPodman(t *testing.T) {
	t.Parallel()
	podman, err := exec.LookPath("podman")
	if err != nil {
		t.Skip("podman is not installed")
	}
	name := "localhost/mobula-test:" + strings.ToLower(filepath.Base(t.TempDir()))
	pack := exec.Command("tar", "-C", runnertest.SmallRoot(t), "-c", ".")
	load := exec.Command(podman, "import", "--change", `ENTRYPOINT ["/bin/sh","-c"]`, "--change", "ENV FROM=podman", "-", name)
	if load.Stdin, err = pack.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := pack.Start(); err != nil {
		t.Fatal(err)
	}
	if out, err := load.CombinedOutput(); err != nil {
		t.Skipf("podman cannot keep images here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(podman, "rmi", "-f", name).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	s := container.Open(filepath.Join(t.TempDir(), "images"), podman)
	i, err := s.Find(name)
	if err != nil || len(i.Entrypoint) != 2 || i.Env["FROM"] != "podman" || i.WorkDir != "/" {
		t.Fatalf("%+v, %v", i, err)
	}
	root, err := s.Root(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "etc/marker")); err != nil || string(b) != "of the image\n" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := s.Find("localhost/mobula-test:other"); !errors.Is(err, container.ErrNoImage) {
		t.Errorf("another image: %v", err)
	}
}
