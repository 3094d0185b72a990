// Package pyhost gives the hosts of a job their Python world: the interpreter first in their PATH, a `pip` that asks the server, and the modules that
// only managed images have.
package pyhost

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/runner"
)

// Link is where a host finds its Python world: a symbolic link, which `pip install` in the host turns to another world.
const Link = "/opt/ml/.mobula/python"

// supportFolder is where hosts see the Python modules that only managed images have.
const supportFolder = "/opt/mobula/support"

// interpreterEnv is what Python heeds when it starts.
var interpreterEnv = map[string]string{"PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1"}

// A Setter shows worlds to hosts.
type Setter struct {
	Runner  runner.Runner
	Worlds  string // folder of all worlds (pyenv.Manager.Dir)
	Support string // folder of Python modules (pysupport.Install), or ""
	Forks   *ForkServers
}

// Set shows a world to all hosts of a job that is about to start. What spec.Env has already wins.
func (s Setter) Set(spec *runner.Spec, e *pyenv.Env) error {
	for n := 1; n <= spec.Hosts; n++ {
		if err := pyenv.Point(filepath.Join(runner.HostDir(spec.Dir, n), "ml", strings.TrimPrefix(Link, "/opt/ml/")), e); err != nil {
			return err
		}
	}
	spec.Show(s.Runner, s.Worlds, s.Worlds, s.Worlds)
	spec.Path = append(spec.Path, Link+"/bin")
	if s.Forks != nil && slices.Contains([]string{"python", "python3"}, filepath.Base(spec.Command[0])) {
		spec.Fork = func() *os.File { return s.Forks.fork(e) }
	}
	env := map[string]string{pyenv.LinkVariable: Link,
		"RAY_USE_MULTIPROCESSING_CPU_COUNT": "1", // the processors of the instance type, as Python counts them, and not the kernel's
		"OMP_WAIT_POLICY":                   "PASSIVE"}
	maps.Copy(env, interpreterEnv)
	maps.Copy(env, spec.Env)
	if s.Support != "" {
		env["PYTHONPATH"] = strings.TrimPrefix(env["PYTHONPATH"]+":"+spec.Show(s.Runner, s.Support, s.Support, supportFolder), ":")
	}
	spec.Env = env
	return nil
}
