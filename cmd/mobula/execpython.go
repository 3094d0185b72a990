package main

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/mobula-ml/mobula/internal/pyenv"
)

// clientPython is the Python world that a command of `exec` gets.
type clientPython struct{ asOf, version, packages string }

func pythonFlags(f *flag.FlagSet) *clientPython {
	p := &clientPython{}
	f.StringVar(&p.asOf, "as-of", "", "day whose Python packages are taken, YYYY-MM-DD, also by a pip install in the command (default the present day)")
	f.StringVar(&p.version, "python", "", "version of Python for the command, such as 3.9 (default that of python3 on the PATH)")
	f.StringVar(&p.packages, "with", "", "packages for the command, separated by commas, such as sagemaker,ray[data]")
	return p
}

func (p *clientPython) wanted() bool { return *p != clientPython{} }

// jupyter is what a world needs for a notebook, which its own kernel is to run.
var jupyter = []string{"jupyterlab", "notebook", "nbconvert", "ipykernel"}

// enter makes the world, in the folder of the server's, and leads the environment to it. clean takes the link away again.
func (p *clientPython) enter(ctx context.Context, cache string, command []string, environ map[string]string) (clean func(), err error) {
	r := pyenv.Runtime{Name: "exec", Python: p.version, AsOf: p.asOf, Packages: []string{"setuptools<81", "wheel"}}
	if p.asOf != "" && p.asOf < "2024-03" { // what was made before then may still look for pkg_resources as it was
		r.Packages[0] = "setuptools<69"
	}
	r.Packages = append(r.Packages, splitPackages(p.packages)...)
	if strings.HasPrefix(filepath.Base(command[0]), "jupyter") {
		r.Packages = append(r.Packages, jupyter...)
	}
	if r.Python == "" {
		out, err := exec.CommandContext(ctx, "python3", "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
		if err != nil {
			return nil, &usageError{"there is no python3 on the PATH to take the version of", "mobula exec --python 3.11 …"}
		}
		r.Python = strings.TrimSpace(string(out))
	}
	m, err := pyenv.Open(pyenv.Options{Dir: cache}) // the server's, which answers pip in the world
	if err != nil {
		return nil, err
	}
	show := newProgress()
	e, err := m.Build(ctx, r, show.line)
	show.end()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mobula-exec-")
	if err != nil {
		return nil, err
	}
	link := filepath.Join(dir, "python")
	if err := pyenv.Point(link, e); err != nil {
		return nil, err
	}
	own, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(link, "bin") + ":" + environ["PATH"]
	for name, value := range map[string]string{"PATH": path, pyenv.LinkVariable: link, "VIRTUAL_ENV": link, "MOBULA_EXECUTABLE": own, "PYTHONNOUSERSITE": "1"} {
		environ[name] = value
	}
	for _, name := range []string{"PYTHONPATH", "PYTHONHOME", "CONDA_PREFIX"} {
		delete(environ, name)
	}
	// The command is looked for on this program's PATH.
	return func() { os.RemoveAll(dir) }, os.Setenv("PATH", path)
}

// splitPackages splits at commas, but for those inside the brackets of extras and between the versions of one package.
func splitPackages(text string) (packages []string) {
	depth, from := 0, 0
	add := func(s string) {
		s = strings.TrimSpace(s)
		switch {
		case s == "":
		case len(packages) > 0 && strings.ContainsRune("<>=!~", rune(s[0])): // a further bound of the package before
			packages[len(packages)-1] += "," + s
		default:
			packages = append(packages, s)
		}
	}
	for i, c := range text {
		switch c {
		case '[':
			depth++
		case ']':
			depth--
		case ',':
			if depth == 0 {
				add(text[from:i])
				from = i + 1
			}
		}
	}
	add(text[from:])
	return packages
}
