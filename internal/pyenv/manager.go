package pyenv

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/filelock"
	"github.com/mobula-ml/mobula/internal/world"
)

// A Manager builds worlds in a folder and finds them there. Several processes may share the folder.
type Manager struct {
	*Table
	dir   string
	tool  string // path of uv, where it was given
	world world.World
}

// DefaultDir is where worlds are kept unless told otherwise: $MOBULA_CACHE, else a folder of the user's cache.
func DefaultDir() (string, error) {
	if dir := os.Getenv("MOBULA_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "mobula"), err
}

// Options of a manager.
type Options struct {
	Dir   string // Defaults to DefaultDir.
	UV    string // path of uv. Defaults to $MOBULA_UV, then the PATH's, then one that is fetched.
	Table string // a runtimes.toml whose rows go before the shipped ones. Defaults to none.
	World world.World
}

// Open returns a manager.
func Open(o Options) (*Manager, error) {
	var err error
	if o.Dir == "" {
		if o.Dir, err = DefaultDir(); err != nil {
			return nil, err
		}
	}
	if o.World == nil {
		o.World = world.Real()
	}
	t, err := ReadTable(o.Table)
	if err != nil {
		return nil, err
	}
	m := &Manager{Table: t, dir: filepath.Join(o.Dir, "python"), tool: o.UV, world: o.World}
	return m, os.MkdirAll(m.dir, 0o755)
}

// Dir is the folder of all worlds. Hosts must see it under its own path.
func (m *Manager) Dir() string { return m.dir }

// An Env is a world that was built.
type Env struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"` // of the runtime at its root
	Parent   string    `json:"parent,omitempty"`
	Python   string    `json:"python"`
	AsOf     string    `json:"as_of"`
	Asked    []string  `json:"asked"` // what was asked for in this step
	Created  time.Time `json:"created"`
	Dir      string    `json:"-"`
	Packages int       `json:"packages"`
}

// Interpreter is the path of the world's Python.
func (e *Env) Interpreter() string { return filepath.Join(e.Dir, "bin", "python3") }

//go:embed all:shim
var shim embed.FS

// layout is part of every digest: a change of how worlds are laid out makes new ones.
const layout = "1"

func digest(parts ...any) string {
	b, err := json.Marshal(append([]any{layout, shimDigest()}, parts...))
	if err != nil {
		panic(err) // strings and lists of them
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:10])
}

func shimDigest() string {
	sum := sha256.New()
	err := fs.WalkDir(shim, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := shim.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(b), b)
		return err
	})
	if err != nil {
		panic(err) // the files are in the binary
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// day is the date as of which something is resolved that names none: the present day, so that it is built anew on another day.
func (m *Manager) day(asOf string) string {
	if asOf != "" {
		return asOf
	}
	return m.world.Now().UTC().Format(time.DateOnly)
}

// Build finds the world of a runtime, or builds it. progress is told what uv says.
func (m *Manager) Build(ctx context.Context, r Runtime, progress func(string)) (*Env, error) {
	if err := checkDay(r.AsOf); err != nil {
		return nil, err
	}
	e := &Env{Name: r.Name, Python: r.Python, AsOf: m.day(r.AsOf), Asked: r.Packages}
	e.ID = digest("runtime", r.Python, e.AsOf, r.Packages)
	made, err := m.make(ctx, e, progress, func(uv, dir string) error {
		progress(fmt.Sprintf("building %s: Python %s, %d packages as of %s", r.Name, r.Python, len(r.Packages), e.AsOf))
		if err := m.uv(ctx, progress, uv, "venv", "--quiet", "--relocatable", "--python", interpreter(r.Python), dir); err != nil {
			return err
		}
		if len(r.Packages) == 0 {
			return nil
		}
		return m.install(ctx, progress, uv, dir, e.AsOf, Request{Packages: r.Packages})
	})
	var tool *ToolError
	if r.AsOf == "" && errors.As(err, &tool) {
		if last := m.latest(e); last != nil { // of an earlier day: without a network it is better than none
			progress(fmt.Sprintf("%s could not be built as of today, that of %s is used", r.Name, last.AsOf))
			return last, nil
		}
	}
	return made, err
}

// latest is the newest world that was made of the same runtime, or nil.
func (m *Manager) latest(e *Env) *Env {
	all, err := m.List()
	if err != nil {
		return nil
	}
	for _, other := range all {
		if other.Parent == "" && other.Name == e.Name && other.Python == e.Python && slices.Equal(other.Asked, e.Asked) {
			return other
		}
	}
	return nil
}

// Install finds the world that is parent with more packages, or builds it.
func (m *Manager) Install(ctx context.Context, parent string, r Request, progress func(string)) (*Env, error) {
	from, err := m.Get(parent)
	if err != nil {
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	e := &Env{Name: from.Name, Parent: parent, Python: from.Python, AsOf: from.AsOf, Asked: r.describe()}
	e.ID = digest("install", parent, r)
	return m.make(ctx, e, progress, func(uv, dir string) error {
		if r.Alone {
			err = m.uv(ctx, progress, uv, "venv", "--quiet", "--relocatable", "--python", interpreter(e.Python), dir)
		} else {
			err = linkTree(from.Dir, dir)
		}
		if err != nil {
			return err
		}
		return m.install(ctx, progress, uv, dir, e.AsOf, r)
	})
}

// make finds a world by its digest, or has fill build it beside and puts it in its place when it is whole.
func (m *Manager) make(ctx context.Context, e *Env, progress func(string), fill func(uv, dir string) error) (*Env, error) {
	if found, err := m.Get(e.ID); err == nil {
		m.touch(found)
		return found, nil
	}
	lock, err := filelock.Take(ctx, filepath.Join(m.dir, e.ID+".lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if found, err := m.Get(e.ID); err == nil { // another process built it meanwhile
		return found, nil
	}
	uv, err := m.findUV(ctx, progress)
	if err != nil {
		return nil, err
	}
	tmp := filepath.Join(m.dir, e.ID+".tmp")
	if err := os.RemoveAll(tmp); err != nil { // left by a process that was killed
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if err := fill(uv, tmp); err != nil {
		var tool *ToolError
		if errors.As(err, &tool) {
			tool.Wanted, tool.Lacking = e.Asked, m.lacking(ctx, uv, tmp, e)
		}
		return nil, err
	}
	if err := m.finish(tmp, e); err != nil {
		return nil, err
	}
	e.Dir = filepath.Join(m.dir, e.ID)
	return e, os.Rename(tmp, e.Dir)
}

// finish puts the shim where pip would be and writes down what the world is.
func (m *Manager) finish(dir string, e *Env) error {
	site, err := sitePackages(dir)
	if err != nil {
		return err
	}
	err = fs.WalkDir(shim, "shim", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(site, strings.TrimPrefix(path, "shim"))
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		b, err := shim.ReadFile(path)
		if err != nil {
			return err
		}
		return replace(target, b, 0o644)
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"pip", "pip3", "pip" + e.Python} {
		if err := replace(filepath.Join(dir, "bin", name), []byte(pipScript), 0o755); err != nil {
			return err
		}
	}
	distributions, err := filepath.Glob(filepath.Join(site, "*.dist-info"))
	if err != nil {
		return err
	}
	e.Packages, e.Created = len(distributions), m.world.Now()
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, envFile), b, 0o644)
}

const (
	envFile   = "mobula.json"
	pipScript = "#!/bin/sh\nexec \"$(dirname \"$0\")/python3\" -m pip \"$@\"\n"
)

// replace writes a file anew: it may be a hard link to another world's.
func replace(path string, b []byte, mode os.FileMode) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, b, mode)
}

func sitePackages(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "lib", "python3*", "site-packages"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%s has %d site-packages folders, want one", dir, len(found))
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// install runs uv on a world that is being made. Bytecode is compiled here, as the world is read-only for those who use it.
func (m *Manager) install(ctx context.Context, progress func(string), uv, dir, asOf string, r Request) error {
	files, err := os.MkdirTemp("", "mobula-pip-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(files)
	args, err := r.uvArguments(files)
	if err != nil {
		return err
	}
	head := []string{"pip", r.verb(), "--python", filepath.Join(dir, "bin", "python3")}
	if !r.Uninstall {
		head = append(head, "--compile-bytecode", "--link-mode", "hardlink", "--exclude-newer", asOf)
	}
	if err := m.uv(ctx, progress, uv, append(head, args...)...); err != nil {
		return err
	}
	for i, f := range r.Files {
		if f.Editable == "" || r.Uninstall {
			continue
		}
		done, err := makeEditable(dir, filepath.Join(placeOf(files, i), filepath.Base(f.Name)), f.Editable)
		if err != nil {
			return err
		}
		if !done {
			progress("WARNING: " + f.Name + " is installed as a copy: changes in its folder do not count")
		}
	}
	return nil
}

// lackingPatience is for how long it is asked what could be had without a network.
const lackingPatience = 20 * time.Second

// lacking are the packages among those that were asked for that cannot be had from what lies on this machine, alone with what they need.
func (m *Manager) lacking(ctx context.Context, uv, dir string, e *Env) (names []string) {
	ctx, cancel := context.WithTimeout(ctx, lackingPatience)
	defer cancel()
	for _, name := range e.Asked {
		err := m.uv(ctx, func(string) {}, uv, "pip", "install", "--dry-run", "--offline", "--python", filepath.Join(dir, "bin", "python3"), "--exclude-newer", e.AsOf, "--", name)
		var tool *ToolError
		if errors.As(err, &tool) {
			names = append(names, name)
		}
		if ctx.Err() != nil {
			return nil // it is not known of all
		}
	}
	return names
}

func (m *Manager) uv(ctx context.Context, progress func(string), uv string, args ...string) error {
	cmd := exec.CommandContext(ctx, uv, args...)
	cmd.Env, cmd.Dir = uvEnvironment(), m.dir // not the folder of the caller, whose uv.toml or pyproject.toml would count
	return run(ctx, cmd, progress)
}

// ErrUnknown is given where a world is not there.
var ErrUnknown = errors.New("no such Python world")

var idPattern = regexp.MustCompile(`^[0-9a-f]{20}$`)

// Get finds a world by its id.
func (m *Manager) Get(id string) (*Env, error) {
	if !idPattern.MatchString(id) {
		return nil, fmt.Errorf("%w: '%s'", ErrUnknown, id)
	}
	e := &Env{Dir: filepath.Join(m.dir, id)}
	b, err := os.ReadFile(filepath.Join(e.Dir, envFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: '%s'", ErrUnknown, id)
	}
	if err != nil {
		return nil, err
	}
	return e, json.NewDecoder(bytes.NewReader(b)).Decode(e)
}

// List returns all worlds, the newest first.
func (m *Manager) List() ([]*Env, error) {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return nil, err
	}
	var all []*Env
	for _, d := range entries {
		e, err := m.Get(d.Name())
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *Env) int { return b.Created.Compare(a.Created) })
	return all, nil
}

// Remove removes a world. Who uses it now loses it.
func (m *Manager) Remove(id string) error {
	e, err := m.Get(id)
	if err != nil {
		return err
	}
	gone := e.Dir + ".gone"
	if err := os.Rename(e.Dir, gone); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// Point makes link lead to a world, in one step.
func Point(link string, e *Env) error {
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	tmp := fmt.Sprintf("%s.%d", link, os.Getpid())
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(e.Dir, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, link)
}
