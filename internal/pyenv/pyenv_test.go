package pyenv_test

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/world"
)

func TestMain(m *testing.M) {
	if pyenv.Main(os.Args) {
		return
	}
	if uv, err := filepath.Abs("../../.cache/venv/bin/uv"); err == nil && os.Getenv("MOBULA_UV") == "" {
		if _, err := os.Stat(uv); err == nil {
			os.Setenv("MOBULA_UV", uv)
		}
	}
	os.Exit(m.Run())
}

func open(t *testing.T, table string) *pyenv.Manager {
	t.Helper()
	path := ""
	if table != "" {
		path = filepath.Join(t.TempDir(), "runtimes.toml")
		if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := pyenv.Open(pyenv.Options{Dir: t.TempDir(), Table: path})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// python is the version of the machine's own Python, so that none has to be fetched.
func python(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("python3", "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func build(t *testing.T, m *pyenv.Manager, packages ...string) *pyenv.Env {
	t.Helper()
	e, err := m.Build(t.Context(), pyenv.Runtime{Name: "test", Python: python(t), AsOf: "2021-01-31", Packages: packages}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A pip in a host gets what the index had on the date of its world, from a server; the script that asked sees it, and a second host has it at once.
func TestPipInAHost(t *testing.T) {
	t.Parallel()
	m := open(t, "")
	e := build(t, m)
	server := httptest.NewServer(m)
	defer server.Close()
	host := func(script string) (string, error) {
		link := filepath.Join(t.TempDir(), "python")
		if err := pyenv.Point(link, e); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(filepath.Join(link, "bin", "python3"), "-c", script)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "MOBULA_PYTHON="+link, "MOBULA_EXECUTABLE="+os.Args[0], "AWS_ENDPOINT_URL="+server.URL, "AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s",
			"PATH="+filepath.Join(link, "bin")+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	const script = `
import subprocess, sys
try:
    import six
    sys.exit("six was there before")
except ImportError:
    pass
open("more.txt", "w").write("iniconfig\n-c limits.txt\n")
open("limits.txt", "w").write("six<1.15\n")
subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", "six", "-r", "more.txt"])
import six, iniconfig
print(six.__version__)
print(subprocess.check_output(["pip", "freeze"]).decode().split()[0])
subprocess.check_call(["pip", "uninstall", "-y", "iniconfig"], stdout=subprocess.DEVNULL)
subprocess.check_call(["pip", "install", "-t", "beside", "iniconfig", "-q"])
assert "already exists" in subprocess.check_output(["pip", "install", "-t", "beside", "iniconfig"]).decode()
import os; assert sorted(n.partition("-")[0] for n in os.listdir("beside")) == ["iniconfig", "iniconfig"], os.listdir("beside")
print(subprocess.check_output([sys.executable, "-m", "pip", "list"]).decode().count("iniconfig"))`
	made := -1
	for range 2 {
		out, err := host(script)
		if err != nil || out != "1.14.0\niniconfig==1.1.1\n0\n" {
			t.Fatalf("%v: %q", err, out)
		}
		worlds, err := m.List()
		if err != nil || made >= 0 && len(worlds) != made {
			t.Errorf("%d worlds after the first host and %d after the second: %v", made, len(worlds), err)
		}
		made = len(worlds)
	}
	for _, wrong := range []struct{ args, want string }{
		{`"install"`, "nothing is named"},
		{`"install", "--nonsense", "six"`, "--nonsense"},
		{`"install", "six==99"`, "six==99"},
		{`"install", "-r", "none.txt"`, "none.txt"},
		{`"search", "six"`, "pip search is not served"},
	} {
		out, err := host(`import subprocess, sys; sys.exit(subprocess.call([sys.executable, "-m", "pip", ` + wrong.args + `]))`)
		if err == nil || !strings.Contains(out, wrong.want) {
			t.Errorf("pip %s: %v, %q", wrong.args, err, out)
		}
	}
	if again, err := m.Get(e.ID); err != nil || again.Packages != e.Packages {
		t.Errorf("the first world changed: %v", err)
	}
}

// An upgrade is of what is named; what that needs stays where it is good enough, as with pip.
func TestUpgradeLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	m := open(t, "")
	e := build(t, m, "python-dateutil==2.8.0", "six==1.14.0")
	for _, c := range []struct{ args, want string }{{"python-dateutil", "2.8.0 1.14.0"}, {"-U python-dateutil", "2.8.1 1.14.0"}, {"-U six", "2.8.0 1.15.0"}} {
		r, _, err := pyenv.ReadArguments("install", strings.Fields(c.args))
		if err != nil {
			t.Fatal(err)
		}
		next, err := m.Install(t.Context(), e.ID, r, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(next.Interpreter(), "-c", "import dateutil, six; print(dateutil.__version__, six.__version__)").Output()
		if err != nil || strings.TrimSpace(string(out)) != c.want {
			t.Errorf("%s: %s, want %s: %v", c.args, out, c.want, err)
		}
	}
}

// A package that lies in the host goes along.
func TestPackageOfTheHost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"pkg/setup.py": "from setuptools import setup\nsetup(name='mine', version='1.5', py_modules=['mine'])\n", "pkg/mine.py": "x = 1\n", "requirements.txt": "-e ./pkg\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := open(t, "")
	r, _, err := pyenv.ReadArguments("install", []string{"-r", filepath.Join(dir, "requirements.txt")})
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.Install(t.Context(), build(t, m).ID, r, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(e.Interpreter(), "-c", "import mine; print(mine.x)").CombinedOutput(); err != nil || string(out) != "1\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// write makes files below dir.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// An editable package is imported from its folder; it can be uninstalled.
func TestEditablePackage(t *testing.T) {
	t.Parallel()
	m := open(t, "")
	base := build(t, m, "setuptools==51.3.0", "wheel==0.36.2")
	const setup = "from setuptools import setup, find_packages\nsetup(name='mine', version='1.5', install_requires=['six'], "
	for name, files := range map[string]map[string]string{
		"flat": {"setup.py": setup + "py_modules=['one'], packages=['mine'])\n", "one.py": "", "mine/__init__.py": "x = 1\n"},
		"src":  {"setup.py": setup + "package_dir={'': 'src'}, packages=find_packages('src'))\n", "src/mine/__init__.py": "x = 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "p")
			write(t, dir, files)
			r, _, err := pyenv.ReadArguments("install", []string{"--no-build-isolation", "-e", dir})
			if err != nil {
				t.Fatal(err)
			}
			e, err := m.Install(t.Context(), base.ID, r, func(line string) {
				if strings.Contains(line, "copy") {
					t.Error(line)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			path := "mine/__init__.py"
			if name == "src" {
				path = "src/" + path
			}
			write(t, dir, map[string]string{path: "x = 'changed'\n"})
			out, err := exec.Command(e.Interpreter(), "-c", "import mine, six; print(mine.x, mine.__file__)").CombinedOutput()
			if want := "changed " + filepath.Join(dir, path) + "\n"; err != nil || string(out) != want {
				t.Errorf("%v: %s, want %s", err, out, want)
			}
			without, _, err := pyenv.ReadArguments("uninstall", []string{"-y", "mine"})
			if err != nil {
				t.Fatal(err)
			}
			if e, err = m.Install(t.Context(), e.ID, without, func(string) {}); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(e.Interpreter(), "-c", "import six, mine").CombinedOutput(); err == nil || !strings.Contains(string(out), "No module named 'mine'") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	for _, wrong := range [][]string{{"-e", "nowhere"}, {"-e", os.Args[0]}} {
		if _, _, err := pyenv.ReadArguments("install", wrong); err == nil || !strings.Contains(err.Error(), "no folder with a package") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if _, err := m.Install(t.Context(), base.ID, pyenv.Request{Files: []pyenv.File{{Name: "x", Folder: true, Editable: "import os"}}}, func(string) {}); err == nil || !strings.Contains(err.Error(), "no folder that can") {
		t.Error(err)
	}
}

// Archives in a folder of the host's are found without an index.
func TestLinksOfTheHost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wheel bytes.Buffer
	w := zip.NewWriter(&wheel)
	for name, text := range map[string]string{"mine.py": "x = 2\n", "mine-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n",
		"mine-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n", "mine-1.0.dist-info/RECORD": "mine.py,,\nmine-1.0.dist-info/METADATA,,\nmine-1.0.dist-info/WHEEL,,\nmine-1.0.dist-info/RECORD,,\n"} {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"wheels/mine-1.0-py3-none-any.whl": wheel.String(), "wheels/README": "", "requirements.txt": "--no-index\n--find-links wheels\nmine\n"})
	m := open(t, "")
	for _, args := range [][]string{{"--no-index", "--find-links", filepath.Join(dir, "wheels"), "mine"}, {"-r", filepath.Join(dir, "requirements.txt")}} {
		r, _, err := pyenv.ReadArguments("install", args)
		if err != nil {
			t.Fatal(err)
		}
		e, err := m.Install(t.Context(), build(t, m).ID, r, func(string) {})
		if err != nil {
			t.Fatal(args, err)
		}
		if out, err := exec.Command(e.Interpreter(), "-c", "import mine; print(mine.x)").CombinedOutput(); err != nil || string(out) != "2\n" {
			t.Errorf("%s: %v: %s", args, err, out)
		}
	}
}

// What lies on the server's disk is not for hosts.
func TestFilesOfTheServerAreRefused(t *testing.T) {
	t.Parallel()
	m := open(t, "")
	for _, r := range []pyenv.Request{{Packages: []string{"x @ file:///etc/passwd"}}, {Packages: []string{"/etc"}}, {Requirements: []string{"six\n-r /etc/passwd\n"}},
		{Requirements: []string{"--find-links=/etc\nsix"}}, {Constraints: []string{"-c ../x"}, Packages: []string{"six"}}, {Packages: []string{"six"}, Options: []string{"--find-links=/etc"}},
		{Packages: []string{"six"}, Options: []string{"--python=/usr"}}, {Packages: []string{"--editable"}}} {
		if _, err := m.Install(t.Context(), build(t, m).ID, r, func(string) {}); err == nil || strings.Contains(err.Error(), "exit status") {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// However many ask at once, a world is made once; one that cannot be made leaves nothing, and says why in uv's words.
func TestWorldsAreMadeOnceAndWhole(t *testing.T) {
	t.Parallel()
	m := open(t, "")
	var mu sync.Mutex
	made, all := 0, sync.WaitGroup{}
	for range 4 {
		all.Go(func() {
			_, err := m.Build(context.Background(), pyenv.Runtime{Name: "x", Python: python(t), AsOf: "2021-01-31", Packages: []string{"six"}}, func(line string) {
				mu.Lock()
				defer mu.Unlock()
				if strings.HasPrefix(line, "building") {
					made++
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if made != 1 {
		t.Errorf("it was made %d times", made)
	}
	_, err := m.Build(t.Context(), pyenv.Runtime{Name: "y", Python: python(t), AsOf: "2021-01-31", Packages: []string{"six==99"}}, func(string) {})
	var tool *pyenv.ToolError
	if !errors.As(err, &tool) || !strings.Contains(tool.Output, "six==99") {
		t.Errorf("a version that there is not: %v", err)
	}
	worlds, err := m.List()
	if err != nil || len(worlds) != 1 {
		t.Errorf("%d worlds: %v", len(worlds), err)
	}
	if left, _ := filepath.Glob(filepath.Join(m.Dir(), "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if gone, err := m.Prune(time.Hour); err != nil || len(gone) != 0 {
		t.Errorf("pruned what was used: %v, %v", gone, err)
	}
	if runtime.GOOS == "linux" {
		link := filepath.Join(t.TempDir(), "python")
		if err := pyenv.Point(link, worlds[0]); err != nil {
			t.Fatal(err)
		}
		user := exec.Command("sleep", "60")
		user.Env = append(os.Environ(), pyenv.LinkVariable+"="+link)
		if err := user.Start(); err != nil {
			t.Fatal(err)
		}
		if gone, err := m.Prune(0); err != nil || len(gone) != 0 {
			t.Errorf("pruned what a process has: %v, %v", gone, err)
		}
		if err := user.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = user.Wait() // killed
	}
	if gone, err := m.Prune(0); err != nil || len(gone) != 1 {
		t.Errorf("pruned %v: %v", gone, err)
	}
	if _, err := m.Get(worlds[0].ID); !errors.Is(err, pyenv.ErrUnknown) {
		t.Errorf("a world that was pruned: %v", err)
	}
}

// Without a network, worlds that are there are used, one of an earlier day for one of today; another says what it lacks.
func TestWithoutANetwork(t *testing.T) {
	t.Parallel()
	dir, day := t.TempDir(), time.Date(2021, 1, 31, 12, 0, 0, 0, time.UTC)
	at := func(now time.Time, uv string) *pyenv.Manager {
		m, err := pyenv.Open(pyenv.Options{Dir: dir, UV: uv, World: later{world.Real(), now}})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	r := pyenv.Runtime{Name: "today", Python: python(t), Packages: []string{"six"}}
	first, err := at(day, "").Build(t.Context(), r, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	off, err := exec.LookPath("false")
	if err != nil {
		t.Fatal(err)
	}
	m := at(day.Add(24*time.Hour), off) // as where every download fails
	if e, err := m.Build(t.Context(), r, func(string) {}); err != nil || e.ID != first.ID {
		t.Errorf("the world of the day before: %v, %v", e, err)
	}
	r.Packages = []string{"six", "iniconfig"}
	if _, err := m.Build(t.Context(), r, func(string) {}); err == nil || !strings.Contains(err.Error(), "six iniconfig") {
		t.Errorf("a world that is not there: %v", err)
	}
	// With the real uv, whose own cache has what the first world needed.
	uv, err := exec.LookPath(cmp.Or(os.Getenv("MOBULA_UV"), "uv"))
	if err != nil {
		t.Fatal(err)
	}
	offline := filepath.Join(t.TempDir(), "uv")
	if err := os.WriteFile(offline, []byte("#!/bin/sh\nexec '"+uv+"' --offline \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.Packages, r.AsOf = []string{"six", "no-such-package-of-mobula"}, "2021-01-31"
	if _, err := at(day, offline).Build(t.Context(), r, func(string) {}); err == nil || !strings.HasSuffix(err.Error(), "\nNot on this machine: no-such-package-of-mobula") {
		t.Errorf("a world of which something lacks: %v", err)
	}
}

// later is the world at another time.
type later struct {
	world.World
	now time.Time
}

func (l later) Now() time.Time { return l.now }

func TestImagesHaveRuntimes(t *testing.T) {
	t.Parallel()
	m := open(t, `
[[runtime]]
name = "mine"
image = "my-image:.*"
python = "3.11"
packages = ["six"]
`)
	for image, want := range map[string]string{
		"123.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.0-1-cpu-py3":  "scikit-learn-1.0 3.8",
		"123.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:0.23-1-cpu-py3": "scikit-learn-0.23 3.7",
		"sagemaker-xgboost:1.7-1":          "xgboost-1.7 3.9",
		"sagemaker-xgboost:1.0-1-cpu-py3":  "xgboost-1.0 3.8",
		"sagemaker-xgboost:0.90-2-cpu-py3": "xgboost-0.90 3.8",
		"sagemaker-xgboost:3.0-5":          "xgboost-3.0 3.10",
		"763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.1.0-cpu-py310-ubuntu20.04": "pytorch-2.1-python-3.10 3.10",
		"python:3.12-slim":   "python-3.12 3.12",
		"example/my-image:1": "mine 3.11",
		"other:1":            "",
	} {
		got := ""
		if r, ok := m.Find(image); ok {
			got = r.Name + " " + r.Python
		}
		if got != want {
			t.Errorf("%s: %q, want %q", image, got, want)
		}
	}
	for text, want := range map[string]string{
		"[[runtime]]\nname = \"a b\"\nimage = \"x\"\npython = \"3.11\"":                    "name 'a b'",
		"[[runtime]]\nname = \"a\"\nimage = \"(\"\npython = \"3.11\"":                      "image '('",
		"[[runtime]]\nname = \"a\"\nimage = \"x\"\npython = \"2.7\"":                       "python '2.7'",
		"[[runtime]]\nname = \"a\"\nimage = \"x\"\npython = \"3.11\"\nas_of = \"once\"":    "as_of 'once'",
		"[[runtime]]\nname = \"a\"\nimage = \"x\"\npython = \"3.11\"\npackage = [\"six\"]": "package is not a field",
	} {
		path := filepath.Join(t.TempDir(), "runtimes.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := pyenv.ReadTable(path); err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
