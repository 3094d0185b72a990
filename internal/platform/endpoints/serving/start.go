package serving

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/container"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/pyhost"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/xgboost"
)

// The names in a host.
const (
	libraryFolder = "/opt/mobula/xgboost"

	socketName = "serve.sock"
	ml         = "/opt/ml"
)

// A Place is where hosts of a model are kept, and for whom.
type Place struct {
	Dir   string // the folder; those of further containers have it as their beginning
	Name  string // says whose hosts these are in messages
	Owner string // ARN of the endpoint or job, for which keys are issued
	Scope store.Scope
	Log   string // file under which the log is kept, without ".log"
	Env   map[string]string
}

// keyLifetime is how long a host's key is good for. It is revoked when its owner goes.
const keyLifetime = 10 * 365 * 24 * time.Hour

// folder is the folder of container n, counted from 0.
func (p Place) folder(n int) string {
	if n == 0 {
		return p.Dir
	}
	return fmt.Sprintf("%s.%d", p.Dir, n+1)
}

// Ensure starts the hosts of a model, unless they run, and waits until they answer: for at most patience from their start.
func (h *Hosts) Ensure(ctx context.Context, p Place, m Model, patience time.Duration) (*Host, error) {
	var first, last *Host
	for n, c := range m.Containers() {
		part, err := h.ensure(ctx, p, n, c, m.Role)
		if err == nil {
			if first == nil {
				first = part
			} else {
				last.next = part
			}
			last = part
			err = h.await(ctx, part, patience)
		}
		if err != nil {
			if first != nil {
				first.Close()
			}
			return nil, err
		}
	}
	return first, nil
}

func (h *Hosts) ensure(ctx context.Context, p Place, n int, c Container, role string) (*Host, error) {
	dir := p.folder(n)
	job, err := h.Runner.Attach(ctx, dir)
	if errors.Is(err, runner.ErrNotStarted) {
		if err := os.RemoveAll(dir); err != nil { // what an interrupted start left
			return nil, err
		}
		if err := h.fill(ctx, c, filepath.Join(runner.HostDir(dir, 1), "ml")); err != nil {
			return nil, err
		}
		job, err = h.start(ctx, p, n, c, role)
	}
	if err != nil {
		return nil, err
	}
	return h.open(job), nil
}

func (h *Hosts) start(ctx context.Context, p Place, n int, c Container, role string) (runner.Job, error) {
	prog, err := h.program(c)
	if err != nil {
		return nil, &Failure{err.Error()}
	}
	dir := p.folder(n)
	log, err := shareLog(p, n)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	spec := runner.Spec{Name: p.Name, Dir: dir, Hosts: 1, Command: prog.command, PlatformSocket: h.Socket, StopGrace: 5 * time.Second}
	spec.Env = map[string]string{}
	maps.Copy(spec.Env, c.Environment)
	maps.Copy(spec.Env, p.Env)
	if prog.container != nil {
		root, err := h.root(ctx, *prog.container)
		if err != nil {
			return nil, err
		}
		prog.container.Fill(&spec, root)
	}
	if h.Runner.Name() == runner.Namespace {
		spec.Env[builtin.ServeSocketVariable] = ml + "/" + socketName
	}
	if h.Library != "" && spec.Root == "" {
		spec.Env[xgboost.PathVariable] = spec.Show(h.Runner, xgboost.LibraryFolder(h.Library), h.Library, libraryFolder)
	}
	if h.Keys != nil {
		key, err := h.Keys.Issue(ctx, identity.IssueOptions{Account: p.Scope.Account, Region: p.Scope.Region, RoleARN: role, JobARN: p.Owner, TTL: keyLifetime})
		if err != nil {
			return nil, err
		}
		maps.Copy(spec.Env, map[string]string{"AWS_ENDPOINT_URL": h.Runner.PlatformURL(), "AWS_ACCESS_KEY_ID": key.AccessKeyID,
			"AWS_SECRET_ACCESS_KEY": key.SecretAccessKey, "AWS_SESSION_TOKEN": key.SessionToken, "AWS_REGION": p.Scope.Region, "AWS_DEFAULT_REGION": p.Scope.Region})
	}
	if prog.runtime != nil {
		say := func(line string) { fmt.Fprintln(log, line) }
		if err := h.addPython(ctx, &spec, *prog.runtime, say); err != nil {
			return nil, err
		}
	}
	return h.Runner.Start(ctx, spec)
}

// root is where the file system of a container image lies.
func (h *Hosts) root(ctx context.Context, i container.Image) (string, error) {
	if h.Runner.Name() != runner.Namespace {
		return "", &Failure{fmt.Sprintf("image %s: container images need namespaces, which this server does not use; `mobula doctor` says what to allow", i.Name)}
	}
	root, err := h.Containers.Root(ctx, i)
	if err != nil && ctx.Err() == nil {
		err = &Failure{err.Error()}
	}
	return root, err
}

// addPython shows the host its Python world, which is built if need be, and the modules that Mobula brings along.
func (h *Hosts) addPython(ctx context.Context, spec *runner.Spec, r pyenv.Runtime, say func(string)) error {
	world, err := h.Python.Build(ctx, r, say)
	var tool *pyenv.ToolError
	if errors.As(err, &tool) {
		return &Failure{fmt.Sprintf("The Python runtime %s of image '%s' could not be built: %v", r.Name, r.Image, tool)}
	}
	if err != nil {
		return err
	}
	return pyhost.Setter{Runner: h.Runner, Worlds: h.Python.Dir(), Support: h.Support, Forks: h.Forks}.Set(spec, world)
}

// shareLog gives the host's log a second name that outlives its folder, and opens it.
func shareLog(p Place, n int) (*os.File, error) {
	written := filepath.Join(p.folder(n), "logs", runner.HostName(1)+".log")
	kept := p.Log + ".log"
	if n > 0 {
		kept = fmt.Sprintf("%s-container-%d.log", p.Log, n+1)
	}
	for _, path := range []string{written, kept} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(written, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(kept); err != nil && !errors.Is(err, os.ErrNotExist) {
		f.Close()
		return nil, err
	}
	if err := os.Link(written, kept); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Attach finds the hosts of a model again that a server before this one started. It returns nil where one of them does not run.
func (h *Hosts) Attach(ctx context.Context, p Place, m Model) *Host {
	var first, last *Host
	for n := range m.Containers() {
		job, err := h.Runner.Attach(ctx, p.folder(n))
		if err == nil {
			var status runner.Status
			if status, err = job.Status(); err == nil && status.State.Final() {
				err = ErrNoHost
			}
		}
		if err != nil {
			if first != nil {
				first.Close()
			}
			return nil
		}
		part := h.open(job)
		if first == nil {
			first = part
		} else {
			last.next = part
		}
		last = part
	}
	return first
}

// RemoveHosts ends the hosts of a model and removes their folders, and nothing else whose name begins as theirs.
func (h *Hosts) RemoveHosts(ctx context.Context, dir string, m Model) {
	for n := range m.Containers() {
		h.removeFolder(ctx, Place{Dir: dir}.folder(n))
	}
}

// Remove ends what runs in the folders of a model's hosts and removes them, with all whose name is theirs and a dot.
func (h *Hosts) Remove(ctx context.Context, dir string) {
	folders, err := filepath.Glob(dir + ".*") // names that the server makes hold nothing special
	if err != nil {
		h.Log.Warn("find folders of a host", "dir", dir, "error", err)
	}
	var wg sync.WaitGroup
	for _, dir := range append(folders, dir) { // each takes its time to end
		wg.Go(func() { h.removeFolder(ctx, dir) })
	}
	wg.Wait()
}

func (h *Hosts) removeFolder(ctx context.Context, dir string) {
	if j, err := h.Runner.Attach(ctx, dir); err == nil {
		if err := j.Stop(ctx, "its owner is gone"); err != nil {
			h.Log.Warn("stop host of a model", "dir", dir, "error", err)
		}
		if _, err := j.Wait(ctx); err == nil && j.Remove() == nil {
			return
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		h.Log.Warn("remove folder of a model's host", "dir", dir, "error", err)
	}
}
