package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// plainHosts are process groups on the machine itself. What stands for a host's /opt/ml is its folder, named by MOBULA_ML_DIR; paths
// in the job's command and environment that begin with /opt/ml are rewritten to it.
type plainHosts struct {
	file  jobOrder
	logs  []*os.File
	pids  []int // 0 when collected
	ports []int
}

// mlDirVariable tells a host's programs where its /opt/ml is, and the sweeper of a dead supervisor's job whose process it looks at.
const mlDirVariable = "MOBULA_ML_DIR"

// plainNotes is what this runner gives up.
var plainNotes = []string{
	"Jobs run as ordinary processes: programs find /opt/ml in MOBULA_ML_DIR and in rewritten arguments and variables only; one that opens /opt/ml by its name fails.",
	"Hosts share the machine's network: algo-1, algo-2, … do not resolve as names, each host serves at MOBULA_SERVE_PORT, and MOBULA_HOST_ADDRESSES lists all.",
	"Memory and processor limits of an instance type are not applied.",
	"Addresses of AWS that are built into a program lead to the server by HTTPS_PROXY, HTTP_PROXY and variables that name its certificates: a program that heeds none of these goes to AWS itself, with a key that AWS does not know.",
	"Read-only inputs are hard links to the originals where the file system has them: a job that writes to them in place changes the originals.",
}

// plainSupervisor starts like any process.
func plainSupervisor() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func newPlainHosts(file jobOrder) (hostSet, error) {
	if err := adoptOrphans(); err != nil {
		return nil, err
	}
	return &plainHosts{file: file}, nil
}

// checkPlain refuses what processes without a file system of their own cannot be given.
func checkPlain(spec Spec) error {
	if spec.Root != "" {
		return errors.New("a file system of its own, such as that of a container image, needs namespaces, which this server does not use; `mobula doctor` says what to allow")
	}
	for i, m := range spec.Mounts {
		if target := filepath.Clean(m.Target); !strings.HasPrefix(target, mlPath+"/") {
			return fmt.Errorf("spec: Mounts[%d].Target %s: must lie below %s under the plain runner; the namespace runner takes any, see the server's doctor command",
				i, m.Target, mlPath)
		}
	}
	return nil
}

func (h *plainHosts) mlDir(n int) string { return filepath.Join(HostDir(h.file.Spec.Dir, n), "ml") }

func (h *plainHosts) prepare(logs []*os.File) ([]hostProcess, error) {
	h.logs, h.pids = logs, make([]int, h.file.Spec.Hosts)
	processes := make([]hostProcess, h.file.Spec.Hosts)
	for i := range processes {
		n := i + 1
		port, err := freePort(h.ports)
		if err != nil {
			return nil, fmt.Errorf("%s: a port to serve at: %w", HostName(n), err)
		}
		h.ports = append(h.ports, port)
		processes[i].servePort = port
		for _, m := range h.file.Spec.mountsOf(n) {
			if err := place(m, h.mlDir(n)+strings.TrimPrefix(m.Target, mlPath)); err != nil {
				return nil, fmt.Errorf("%s: mount %s at %s: %w", HostName(n), m.Source, m.Target, err)
			}
		}
		if err := h.fillHome(n); err != nil {
			return nil, fmt.Errorf("%s: %w", HostName(n), err)
		}
	}
	return processes, nil
}

// fillHome gives the host the user's settings, and the server's executable under the name it has in every host.
func (h *plainHosts) fillHome(n int) error {
	dir := HostDir(h.file.Spec.Dir, n)
	links := map[string]string{filepath.Join(dir, "bin", "mobula"): h.file.Executable}
	for name, source := range h.file.HomeFiles {
		links[filepath.Join(dir, "home", name)] = source
	}
	for path, source := range links {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(source, path); err != nil {
			return err
		}
	}
	return nil
}

// freePort finds a loopback port that is free now and that no other host of the job was promised.
func freePort(taken []int) (int, error) {
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if !slices.Contains(taken, port) {
			return port, nil
		}
	}
}

func (h *plainHosts) release() (pids []int, err error) {
	for i := range h.pids {
		if h.pids[i], err = h.startHost(i); err != nil {
			return nil, fmt.Errorf("%s: %w", HostName(i+1), err)
		}
	}
	return slices.Clone(h.pids), nil
}

func (h *plainHosts) startHost(i int) (pid int, err error) {
	n := i + 1
	dir, ml := HostDir(h.file.Spec.Dir, n), h.mlDir(n)
	addresses := make([]string, len(h.ports))
	for k, port := range h.ports {
		addresses[k] = fmt.Sprintf("%s=127.0.0.1:%d", HostName(k+1), port)
	}
	path := rewriteML(strings.Join(append(slices.Clone(h.file.Spec.Path), filepath.Join(dir, "bin"), h.file.Environment["PATH"]), ":"), ml)
	rewritten := h.file
	rewritten.Spec.Env = maps.Clone(h.file.Spec.Env)
	for name, value := range rewritten.Spec.Env {
		rewritten.Spec.Env[name] = rewriteML(value, ml)
	}
	own := map[string]string{
		"PATH": path, "HOME": filepath.Join(dir, "home"), "TMPDIR": filepath.Join(dir, "tmp"), mlDirVariable: ml,
		"MOBULA_SERVE_PORT": strconv.Itoa(h.ports[i]), "MOBULA_HOST_ADDRESSES": strings.Join(addresses, ","),
	}
	h.file.Outside.byVariables(own)
	env := rewritten.hostEnvironment(n, own)
	argv := make([]string, len(h.file.Spec.Command))
	for k, arg := range h.file.Spec.Command {
		argv[k] = rewriteML(arg, ml)
	}
	cwd := rewriteML(h.file.Spec.WorkDir, ml)
	if cwd == "" {
		cwd = ml
		if info, err := os.Stat(filepath.Join(ml, "code")); err == nil && info.IsDir() {
			cwd = filepath.Join(ml, "code")
		}
	}
	program, err := lookPath(argv[0], path, cwd)
	if err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	pid, err = syscall.ForkExec(program, argv, &syscall.ProcAttr{Dir: cwd, Env: env,
		Files: []uintptr{null.Fd(), h.logs[i].Fd(), h.logs[i].Fd()}, Sys: plainAttributes()})
	if err != nil {
		return 0, fmt.Errorf("command %q: %w", program, err)
	}
	return pid, nil
}

// byVariables sets what makes programs on the machine's own network go by the server.
func (o Outside) byVariables(env map[string]string) {
	if o.CABundle != "" {
		o.trust(env, o.CABundle)
	}
	if o.Proxy == "" {
		return
	}
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		env[name] = o.Proxy
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		env[name] = "localhost,127.0.0.1,::1"
	}
}

// lookPath finds a command as a shell in dir with that PATH would.
func lookPath(name, path, dir string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		path = ""
	}
	if err := os.Setenv("PATH", path); err != nil {
		return "", err
	}
	program, err := exec.LookPath(name)
	var notFound *exec.Error
	if errors.As(err, &notFound) {
		return "", fmt.Errorf("command %q: %w", name, notFound.Err)
	}
	return program, err
}

// rewriteML puts ml in the place of /opt/ml where that is a whole path or the beginning of one, also inside lists, flags and JSON, but not
// inside other paths.
func rewriteML(text, ml string) string {
	var out strings.Builder
	for last := byte(' '); ; {
		before, after, found := strings.Cut(text, mlPath)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		if before != "" {
			last = before[len(before)-1]
		}
		if inName(last) || last == '/' || after != "" && inName(after[0]) {
			out.WriteString(mlPath)
		} else {
			out.WriteString(ml)
		}
		text, last = after, 'l'
	}
}

// inName tells whether c may be part of a file's name as people write them.
func inName(c byte) bool {
	return c == '.' || c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// terminate asks the commands and what runs in their process groups.
func (h *plainHosts) terminate() {
	for _, pid := range h.pids {
		if pid != 0 {
			_ = syscall.Kill(-pid, syscall.SIGTERM) // it may have ended just now, which reap tells
		}
	}
}

// kill ends everything that descends from the supervisor, also daemons that left their groups.
func (h *plainHosts) kill() {
	for range 200 {
		left := descendants(h.pids)
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond) // the kernel reparents what a killed process leaves, and it is looked for again
	}
}

func (h *plainHosts) result(i int, ws syscall.WaitStatus) (int, string) {
	h.pids[i] = 0
	return exitCode(ws)
}

func (h *plainHosts) outOfMemory(int) bool { return false }

func (h *plainHosts) dial(ctx context.Context, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "algo-"))
	if err != nil || n < 1 || n > len(h.ports) {
		return nil, fmt.Errorf("host %q is not one of %s to %s", name, HostName(1), HostName(h.file.Spec.Hosts))
	}
	if port == strconv.Itoa(ServePort) {
		port = strconv.Itoa(h.ports[n-1])
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
}

func (h *plainHosts) close() {}
