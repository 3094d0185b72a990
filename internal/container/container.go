package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/filelock"
	"github.com/mobula-ml/mobula/internal/runner"
)

// EngineVariable names the program that is the only engine.
const EngineVariable = "MOBULA_CONTAINER_ENGINE"

var (
	// ErrNoEngine: neither docker nor podman is on the PATH.
	ErrNoEngine = errors.New("there is no docker or podman on this machine")
	// ErrNoImage: the engine does not have the image.
	ErrNoImage = errors.New("the engine does not have the image")
)

// An Image is an image that the engine has.
type Image struct {
	Name, ID        string
	Entrypoint, Cmd []string
	Env             map[string]string
	WorkDir         string // "/" where the image has none
	engine          string
}

// A Store has the file systems of images.
type Store struct {
	engines []string // paths of the programs
	dir     string
}

// Open finds the engines: those that are named, else that of EngineVariable, else docker and podman. dir is the folder of the file systems; it is made
// when there is something to keep.
func Open(dir string, names ...string) *Store {
	if name := os.Getenv(EngineVariable); len(names) == 0 && name != "" {
		names = []string{name}
	}
	if len(names) == 0 {
		names = []string{"docker", "podman"}
	}
	s := &Store{dir: dir}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			s.engines = append(s.engines, path)
		}
	}
	return s
}

// Engines are the paths of the engines' programs.
func (s *Store) Engines() []string { return s.engines }

// patience is how long the engine may take to describe an image.
const patience = 20 * time.Second

// Find asks the engines for an image by its name or id. Nothing is pulled.
func (s *Store) Find(name string) (Image, error) {
	if s == nil || len(s.engines) == 0 {
		return Image{}, ErrNoEngine
	}
	var failures []error
	for _, engine := range s.engines {
		i, err := find(engine, name)
		if err == nil {
			return i, nil
		}
		if !errors.Is(err, ErrNoImage) {
			failures = append(failures, err)
		}
	}
	if len(failures) == 0 {
		return Image{}, ErrNoImage
	}
	return Image{}, errors.Join(failures...)
}

func find(engine, name string) (Image, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if name == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, " \n\x00") {
		return Image{}, ErrNoImage
	}
	out, err := run(ctx, engine, "image", "inspect", name)
	var failed *engineError
	if errors.As(err, &failed) && failed.saysAbsent() {
		return Image{}, ErrNoImage
	}
	if err != nil {
		return Image{}, err
	}
	var found []struct {
		ID           string `json:"Id"`
		Architecture string
		Config       struct {
			Entrypoint, Cmd, Env []string
			WorkingDir           string
		}
	}
	if err := json.Unmarshal(out, &found); err != nil || len(found) == 0 {
		return Image{}, fmt.Errorf("%s image inspect %s gave no description: %.200s", engine, name, out)
	}
	f := found[0]
	if f.Architecture != "" && f.Architecture != runtime.GOARCH {
		return Image{}, fmt.Errorf("image %s is for %s, and this machine is %s", name, f.Architecture, runtime.GOARCH)
	}
	i := Image{Name: name, ID: strings.TrimPrefix(f.ID, "sha256:"), Entrypoint: f.Config.Entrypoint, Cmd: f.Config.Cmd, WorkDir: f.Config.WorkingDir, Env: map[string]string{}, engine: engine}
	if i.WorkDir == "" {
		i.WorkDir = "/"
	}
	for _, entry := range f.Config.Env {
		if name, value, ok := strings.Cut(entry, "="); ok {
			i.Env[name] = value
		}
	}
	if !hexadecimal(i.ID) {
		return Image{}, fmt.Errorf("%s gives image %s the id %q, which is none", engine, name, f.ID)
	}
	return i, nil
}

// standardPath is the PATH of images that set none.
const standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Fill gives a job the image's file system, which lies at root, and its settings, where the job has none of its own.
func (i Image) Fill(spec *runner.Spec, root string) {
	spec.Root, spec.WorkDir = root, i.WorkDir
	env := map[string]string{"PATH": standardPath, "HOME": "/root"}
	maps.Copy(env, i.Env)
	maps.Copy(env, spec.Env)
	spec.Env = env
}

func hexadecimal(id string) bool { return len(id) >= 12 && strings.Trim(id, "0123456789abcdef") == "" }

// Root is the folder with the image's file system, which is exported if it is not there. Nobody may write to it.
func (s *Store) Root(ctx context.Context, i Image) (string, error) {
	dir := filepath.Join(s.dir, i.ID)
	root := filepath.Join(dir, "root")
	now := time.Now()
	if os.Chtimes(dir, now, now) == nil { // used now, for Prune
		return root, nil
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return "", err
	}
	lock, err := filelock.Take(ctx, filepath.Join(s.dir, i.ID+".lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(dir); err == nil {
		return root, nil // somebody else was first
	}
	tmp := dir + ".new" // what an export that was cut off left is removed by the next
	if err := removeTree(tmp); err != nil {
		return "", err
	}
	err = os.MkdirAll(filepath.Join(tmp, "root"), 0o755)
	if err == nil {
		err = export(ctx, i, filepath.Join(tmp, "root"))
	}
	if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("export image %s: %w", i.Name, err), removeTree(tmp))
	}
	return root, nil
}

// export writes the file system of an image. Owners are kept where the user is root.
func export(ctx context.Context, i Image, to string) error {
	out, err := run(ctx, i.engine, "create", i.ID, "/nothing") // is not started, so that it need not be there
	if err != nil {
		return err
	}
	made := strings.TrimSpace(string(out))
	defer func() { _, _ = run(context.WithoutCancel(ctx), i.engine, "rm", made) }() // the engine lists what stays
	export := exec.CommandContext(ctx, i.engine, "export", made)
	unpack := exec.CommandContext(ctx, "tar", "-x", "--numeric-owner", "-p", "-C", to)
	if unpack.Stdin, err = export.StdoutPipe(); err != nil {
		return err
	}
	var exported, unpacked bytes.Buffer
	export.Stderr, unpack.Stderr = &exported, &unpacked
	if err := export.Start(); err != nil {
		return err
	}
	if err := unpack.Run(); err != nil {
		_ = export.Process.Kill()
		return errors.Join(fmt.Errorf("tar: %w: %.500s", err, &unpacked), export.Wait())
	}
	if err := export.Wait(); err != nil {
		return &engineError{i.engine, "export", err, exported.String()}
	}
	return nil
}

// Prune removes the file systems that were not used for so long, and that no host has, and returns the ids of their images.
func (s *Store) Prune(unused time.Duration) (gone []string, err error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || time.Since(info.ModTime()) < unused || filelock.InUse(filepath.Join(s.dir, e.Name())) {
			continue
		}
		if err := removeTree(filepath.Join(s.dir, e.Name())); err != nil {
			return gone, err
		}
		gone = append(gone, e.Name())
	}
	return gone, nil
}

// removeTree removes folders, too, that their owner may not write to.
func removeTree(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

func run(ctx context.Context, engine string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, engine, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, &engineError{engine, args[0], err, said.String()}
	}
	return out.Bytes(), nil
}

// engineError is what the engine said when it failed.
type engineError struct {
	engine, command string
	err             error
	said            string
}

func (e *engineError) Error() string {
	return fmt.Sprintf("%s %s: %v: %s", filepath.Base(e.engine), e.command, e.err, strings.TrimSpace(e.said))
}

func (e *engineError) Unwrap() error { return e.err }

// saysAbsent knows how docker and podman word that there is no such image.
func (e *engineError) saysAbsent() bool {
	said := strings.ToLower(e.said)
	return strings.Contains(said, "no such image") || strings.Contains(said, "not known") || strings.Contains(said, "failed to find image")
}
