package pyenv

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/filelock"
)

// uvVersion is the uv that is fetched where the machine has none.
const uvVersion = "0.13.9"

// findUV returns the path of uv: $MOBULA_UV, the PATH's, or one of our own, which is fetched with the machine's Python when it is first needed.
func (m *Manager) findUV(ctx context.Context, progress func(string)) (string, error) {
	if path := cmp.Or(m.tool, os.Getenv("MOBULA_UV")); path != "" {
		return path, nil
	}
	if path, err := exec.LookPath("uv"); err == nil {
		return path, nil
	}
	dir := filepath.Join(m.dir, "uv-"+uvVersion)
	path := filepath.Join(dir, "bin", "uv")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	lock, err := filelock.Take(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", errors.New("neither uv nor python3 is on this machine's PATH; install one of them")
	}
	progress("fetching uv " + uvVersion)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	own := filepath.Join(dir, "bin", "python")
	for _, command := range [][]string{{python, "-m", "venv", dir}, {own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv==" + uvVersion}} {
		if err := run(ctx, exec.CommandContext(ctx, command[0], command[1:]...), progress); err != nil {
			return "", fmt.Errorf("fetch uv: %w", err)
		}
	}
	return path, nil
}

// uvEnvironment is the user's environment with what pip was told also told to uv.
func uvEnvironment() []string {
	// What says where packages go, and as of when, is said here.
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains([]string{"VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON", "UV_EXCLUDE_NEWER", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH", "PYTHONHOME"}, name)
	})
	tell := func(name, value string) {
		if value != "" && os.Getenv(name) == "" {
			env = append(env, name+"="+value)
		}
	}
	conf := pipConfig()
	tell("UV_DEFAULT_INDEX", cmp.Or(os.Getenv("PIP_INDEX_URL"), conf["index-url"]))
	tell("UV_INDEX", cmp.Or(os.Getenv("PIP_EXTRA_INDEX_URL"), conf["extra-index-url"]))
	tell("UV_FIND_LINKS", cmp.Or(os.Getenv("PIP_FIND_LINKS"), conf["find-links"]))
	tell("SSL_CERT_FILE", cmp.Or(os.Getenv("PIP_CERT"), conf["cert"]))
	// A job may have to wait for the index; it is not to fail because of a slow one.
	tell("UV_HTTP_TIMEOUT", "120")
	return append(env, "UV_NO_PROGRESS=1")
}

// pipConfig reads the [global] and [install] settings of pip's configuration files; a later file goes before an earlier one.
func pipConfig() map[string]string {
	files := []string{"/etc/pip.conf"}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".pip", "pip.conf"), filepath.Join(home, ".config", "pip", "pip.conf"))
	}
	files = append(files, os.Getenv("PIP_CONFIG_FILE"))
	found := map[string]string{}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // most machines have none of them
		}
		section := ""
		for line := range strings.Lines(string(b)) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "[") {
				section = line
			}
			if name, value, ok := strings.Cut(line, "="); ok && (section == "[global]" || section == "[install]") {
				found[strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
		}
	}
	return found
}

// interpreter is what uv is asked for as a Python version: the path of one that pyenv installed, else the version, which uv looks for on the
// PATH and fetches where there is none.
func interpreter(version string) string {
	root := os.Getenv("PYENV_ROOT")
	if home, err := os.UserHomeDir(); root == "" && err == nil {
		root = filepath.Join(home, ".pyenv")
	}
	found, err := filepath.Glob(filepath.Join(root, "versions", version+".*", "bin", "python"))
	if err != nil || len(found) == 0 {
		return version
	}
	patch := func(path string) int {
		text := filepath.Base(filepath.Dir(filepath.Dir(path)))
		n, err := strconv.Atoi(text[strings.LastIndexByte(text, '.')+1:])
		if err != nil {
			return -1
		}
		return n
	}
	return slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(patch(a), patch(b)) })
}

// run runs a command, hands on each line of its output, and gives the last of them with the error.
func run(ctx context.Context, cmd *exec.Cmd, progress func(string)) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	var said bytes.Buffer
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		progress(lines.Text())
		if said.Len() > 32<<10 {
			said.Next(said.Len() / 2)
		}
		said.WriteString(lines.Text() + "\n")
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &ToolError{Command: filepath.Base(cmd.Path), Output: strings.TrimSpace(said.String()), Err: err}
	}
	return nil
}

// A ToolError is what uv or pip said when it failed.
type ToolError struct {
	Command, Output string
	Wanted          []string // the packages that were asked for
	Lacking         []string // those of them that could not be had without a network, where that is known
	Err             error
}

func (e *ToolError) Error() string {
	text := fmt.Sprintf("%s: %v:\n%s\nWanted were: %s", e.Command, e.Err, e.Output, strings.Join(e.Wanted, " "))
	if len(e.Lacking) > 0 {
		text += "\nNot on this machine: " + strings.Join(e.Lacking, " ")
	}
	return text
}

func (e *ToolError) Unwrap() error { return e.Err }
