package pyhost_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/pyhost"
	"github.com/mobula-ml/mobula/internal/runner"
)

func TestMain(m *testing.M) {
	if runner.Main(os.Args[1:]) {
		return
	}
	for fd := 3; fd < 1024; fd++ { // what the test itself inherited is not to reach hosts, or they differ from one machine to the other
		syscall.CloseOnExec(fd)
	}
	if uv, err := filepath.Abs("../../.cache/venv/bin/uv"); err == nil && os.Getenv("MOBULA_UV") == "" {
		if _, err := os.Stat(uv); err == nil {
			os.Setenv("MOBULA_UV", uv)
		}
	}
	os.Exit(m.Run())
}

// versions are the Pythons to test with: $MOBULA_TEST_PYTHONS, such as "3.7 3.13", else the machine's own.
func versions(t *testing.T) []string {
	t.Helper()
	if asked := strings.Fields(os.Getenv("MOBULA_TEST_PYTHONS")); len(asked) > 0 {
		return asked
	}
	out, err := exec.Command("python3", "-c", `import sys; print("%d.%d" % sys.version_info[:2])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// hosts starts hosts of one Python world.
type hosts struct {
	runner  runner.Runner
	manager *pyenv.Manager
	env     *pyenv.Env
	forks   *pyhost.ForkServers
	support string
	dir     string // of the fork servers
	// expected is what the fork servers' log may say.
	expected string
}

func open(t *testing.T, version string, opts runner.Options) *hosts {
	t.Helper()
	r, choice, err := runner.Choose(t.Context(), runner.Auto, opts)
	if err != nil {
		t.Fatal(err)
	}
	if choice.Runner != runner.Namespace {
		t.Skip("hosts share the machine's processes here: " + choice.Reason)
	}
	m, err := pyenv.Open(pyenv.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.Build(t.Context(), pyenv.Runtime{Name: "test", Python: version, AsOf: "2021-01-31"}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	h := &hosts{runner: r, manager: m, env: e, support: t.TempDir(), dir: t.TempDir()}
	var said bytes.Buffer
	h.forks = pyhost.NewForkServers(h.dir, slog.New(slog.NewTextHandler(&said, nil)))
	t.Cleanup(func() {
		h.forks.Close()
		if said.Len() > 0 && (h.expected == "" || strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), h.expected)) {
			t.Errorf("the fork server said:\n%s", &said)
		}
	})
	return h
}

// a program is a command with the files it needs in the host's code folder.
type program struct {
	name    string
	command []string
	files   map[string]string
	env     map[string]string
	// anew: a new Python has to run it.
	anew bool
}

// run returns what a program printed and how it ended.
func (h *hosts) run(t *testing.T, p program, forks *pyhost.ForkServers) (said string, forked bool) {
	t.Helper()
	spec := runner.Spec{Name: "test", Dir: filepath.Join(t.TempDir(), "job"), Hosts: 1, Command: p.command, Env: map[string]string{}, StopGrace: time.Second, VCPUs: 1, MemoryBytes: 1 << 30}
	maps.Copy(spec.Env, p.env)
	code := filepath.Join(runner.HostDir(spec.Dir, 1), "ml", "code")
	for name, text := range p.files {
		path := filepath.Join(code, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := (pyhost.Setter{Runner: h.runner, Worlds: h.manager.Dir(), Support: h.support, Forks: forks}).Set(&spec, h.env); err != nil {
		t.Fatal(err)
	}
	job, err := h.runner.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	status, err := job.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(job.LogPath("algo-1"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(code, "forked"))
	if sup, _ := os.ReadFile(filepath.Join(spec.Dir, "supervisor.log")); len(sup) > 0 && (h.expected == "" || !strings.Contains(string(sup), "a new process is started")) {
		t.Errorf("the supervisor says: %s", sup)
	}
	return fmt.Sprintf("%s\n%s %s", log, status.State, status.Reason), err == nil
}

// warm waits for the fork server of the hosts' Python.
func (h *hosts) warm(t *testing.T) {
	t.Helper()
	p := program{command: []string{"python3", "mark.py"}, files: map[string]string{"mark.py": mark}}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		said, forked := h.run(t, p, h.forks)
		if forked {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no host gets a process that was forked: %s", said)
		}
	}
}

// mark notes that a fork server is behind the process, which only the kernel's own record of its first environment still tells.
const mark = "if b'SM_HOSTS' not in open('/proc/self/environ', 'rb').read(): open('forked', 'w').close()\n"

// facts prints what a script may see of its interpreter and process.
const facts = mark + `
import os, sys, json, site, resource, signal, socket, threading, tempfile, random
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
environ = {k: v for k, v in os.environ.items() if k not in ("MOBULA_JOB",)}
spec = __spec__ and (__spec__.name, __spec__.origin)
print(json.dumps({
    "argv": sys.argv, "orig_argv": getattr(sys, "orig_argv", None), "path": sys.path, "executable": sys.executable, "prefix": [sys.prefix, sys.exec_prefix, sys.base_prefix],
    "flags": list(sys.flags), "main": sorted(k for k in globals() if k.startswith("__")), "file": globals().get("__file__"), "spec": spec, "name": __name__, "doc": __doc__,
    "loader": type(globals().get("__loader__")).__name__, "package": __package__, "env": sorted(environ.items()), "cwd": os.getcwd(), "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()],
    "status": {k: status[k].strip() for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "SigBlk", "SigIgn", "SigCgt", "Umask", "Cpus_allowed")},
    "parent": os.getppid(), "session": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
    "files": sorted(int(f) for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + f)), "stdin": os.readlink("/proc/self/fd/0"),
    "limits": [resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")], "nice": os.nice(0),
    "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE)],
    "host": socket.gethostname(), "threads": threading.active_count(), "main_thread": threading.current_thread() is threading.main_thread(), "tmp": tempfile.gettempdir(),
    "streams": [(s.name, s.encoding, s.errors, s.line_buffering, s.write_through if hasattr(s, "write_through") else None) for s in (sys.stdin, sys.stdout, sys.stderr)],
    "site": [site.PREFIXES, site.ENABLE_USER_SITE, site.getsitepackages()], "hooks": [sys.excepthook is sys.__excepthook__, len(sys.meta_path), len(sys.path_hooks)],
    "own": [os.access("/proc/self/" + n, os.R_OK) for n in ("environ", "mem", "fd")], "cgroup": open("/proc/self/cgroup").read().count("mobula"), "cpus": os.cpu_count(),
}, indent=1))
`

func programs() []program {
	script := func(name, text string, more ...string) program {
		return program{name: name, command: append([]string{"python3", "script.py"}, more...), files: map[string]string{"script.py": mark + text}}
	}
	with := func(p program, change func(*program)) program {
		change(&p)
		return p
	}
	env := func(name, value string) func(*program) {
		return func(p *program) { p.env = map[string]string{name: value} }
	}
	return []program{
		{name: "facts", command: []string{"python3", "script.py", "--a", "b c"}, files: map[string]string{"script.py": facts}},
		{name: "facts by path", command: []string{pyhost.Link + "/bin/python3", "/opt/ml/code/sub/script.py"}, files: map[string]string{"sub/script.py": facts}},
		{name: "facts of -c", command: []string{"python", "-c", facts, "x", "-y"}, files: map[string]string{"other.py": ""}},
		{name: "facts of -m", command: []string{"python3", "-u", "-m", "package.module", "-x"}, files: map[string]string{"package/__init__.py": "", "package/module.py": facts}},
		{name: "facts of a package", command: []string{"python3", "-m", "package"}, files: map[string]string{"package/__init__.py": "", "package/__main__.py": facts}},
		script("an exception", "def f(x):\n    raise ValueError(x)\ntry:\n    f(1)\nexcept ValueError as e:\n    f(2)\n"),
		{name: "an exception of a module", command: []string{"python3", "-m", "broken"}, files: map[string]string{"broken.py": mark + "import json\njson.loads('{')\n"}},
		{name: "an exception of a command", command: []string{"python3", "-c", mark + "1/0"}, files: map[string]string{"other.py": ""}},
		{name: "no such module", command: []string{"python3", "-m", "nowhere"}, files: map[string]string{"other.py": ""}},
		{name: "no such file", command: []string{"python3", "nowhere.py"}, files: map[string]string{"other.py": ""}},
		script("a syntax error", "def f(:\n"),
		script("an exit code", "import sys\nsys.exit(7)\n"),
		script("an exit text", "import sys\nsys.exit('it is over')\n"),
		script("a hard exit", "import os\nos._exit(9)\n"),
		script("a signal", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"),
		script("an interrupt", "raise KeyboardInterrupt\n"),
		script("an abort", "import os\nos.abort()\n"),
		script("its own hook", "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__)\nraise OSError\n"),
		script("what goes on after the end", "import atexit, threading, time\natexit.register(print, 'bye')\nthreading.Thread(target=lambda: (time.sleep(.2), print('thread'))).start()\nprint('end')\n"),
		script("children", "import subprocess, sys, multiprocessing, os\ndef f(x): return x * x\nif __name__ == '__main__':\n"+
			"    print(subprocess.check_output([sys.executable, '-c', 'import sys; print(sys.prefix, sys.flags)']).decode(), flush=True)\n"+
			"    pid = os.fork()\n    if not pid: os._exit(3)\n    print(os.waitpid(pid, 0)[1])\n"+
			"    for how in ('fork', 'spawn', 'forkserver'):\n        with multiprocessing.get_context(how).Pool(2) as p: print(how, p.map(f, range(4)))\n"),
		script("logs", "import logging\nlogging.basicConfig(level=logging.INFO, format='%(name)s %(filename)s %(funcName)s %(message)s')\nlogging.info('here')\nprint(logging.LogRecord('', 0, '', 0, '', (), None).relativeCreated < 60000)\n"),
		script("its own modules", "import helper, inspect\nprint(helper.__file__, helper.f(), __file__)\n"),
		script("its time", "import time\nprint(time.localtime(0).tm_hour, time.tzname)\n"),
		with(script("a big environment", "import os\nprint(len(os.environ['BIG']))\n"), env("BIG", strings.Repeat("x", 100<<10))),
		with(script("another zone", "import time\nprint(time.localtime(0).tm_hour)\n"), env("TZ", "Asia/Tokyo")),
		with(script("a module of the library's name", "import queue, string\nprint(queue.mine)\n"), func(p *program) { p.files["queue.py"], p.anew = "mine = 1\n", true }),
		with(script("a variable of Python", "import sys\nprint(sys.flags.hash_randomization, hash('a'))\n"), func(p *program) { env("PYTHONHASHSEED", "0")(p); p.anew = true }),
		with(script("a path", "import sys, there\nprint(there.x, sys.path)\n"), func(p *program) {
			env("PYTHONPATH", "/opt/ml/code/lib:/nowhere")(p)
			p.files["lib/there.py"] = "x = 2\n"
		}),
		with(script("an option", "assert False\nprint('optimized')\n"), func(p *program) {
			p.command, p.anew = []string{"python3", "-O", "script.py"}, true
		}),
		script("a file that nobody closes", "f = open('left.txt', 'w')\nf.write('all of it')\nimport atexit\natexit.register(lambda: print(open('left.txt').read() == ''))\n"),
		script("an object that goes at the end", "import os\nclass A:\n    def __del__(self): print('gone', os.getpid() > 0, flush=True)\na = A()\n"),
		script("an import at the end", "import atexit\ndef end():\n    import fractions, json, colorsys\n    print(json.dumps([1]), fractions.Fraction(1, 2))\natexit.register(end)\n"),
		script("a thread that does not end", "import threading, time\nthreading.Thread(target=lambda: [time.sleep(.01) for _ in range(1000)], daemon=True).start()\nprint('end')\n"),
		script("an exit in a thread", "import sys, threading\nt = threading.Thread(target=sys.exit, args=(3,))\nt.start()\nt.join()\nprint('on')\n"),
		script("an exception in a thread", "import threading\ndef f(): raise OSError(1)\nt = threading.Thread(target=f, name='worker')\nt.start()\nt.join()\n"),
		script("itself", "import inspect, pickle, sys\nclass C: x = 1\nprint(inspect.getsource(C), pickle.loads(pickle.dumps(C())).x, sys.modules['__main__'].C is C, inspect.getmodule(C))\n"),
		with(script("words of all kinds", "import sys, os\nprint(sys.argv[1:], os.environ['WORD'], ascii(os.environ['WORD']))\n", "a b", "", "ä€𝄞", "--x=*", "\n"), env("WORD", "ü\u2028 =x")),
		{name: "a name of all kinds", command: []string{"python3", "ä b.py"}, files: map[string]string{"ä b.py": mark + "raise ValueError(__file__)\n"}},
		{name: "another encoding", command: []string{"python3", "script.py"}, files: map[string]string{"script.py": "# coding: latin-1\n" + mark + "print('\xe4', ascii('\xe4'))\n"}},
		{name: "a byte order mark", command: []string{"python3", "script.py"}, files: map[string]string{"script.py": "\ufeff" + mark + "print('ä')\n"}},
		{name: "a hash bang and no newline", command: []string{"python3", "script.py"}, files: map[string]string{"script.py": "#!/usr/bin/env python2\n" + mark + "print(1)"}},
		script("much of everything", "import sys, os\nprint(len(sys.argv), sum(len(v) for k, v in os.environ.items() if k.startswith('BIG')))\n", strings.Split(strings.Repeat("word ", 5000), " ")...),
		script("both streams", "import sys, os\nfor i in range(50):\n    print(i)\n    print(i, file=sys.stderr)\n    os.write(1, b'x')\n"),
		script("a request for the end", "import os, signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *a: (print('asked'), sys.exit(5)))\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(5)\n"),
		script("a request for the end that nobody hears", "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(5)\n"),
		script("what ps shows", "print(open('/proc/self/cmdline', 'rb').read().replace(b'\\0', b' ').strip(), open('/proc/self/comm').read())\n", "a", "b"),
		script("names of the machine", "import socket, os\nprint(socket.gethostbyname('algo-1'), os.uname().nodename, os.listdir('/opt/ml'), len(os.listdir('/proc/self/fd')))\n"),
		script("what it may reach", "import os\nns = {n: os.readlink('/proc/self/ns/' + n) == os.readlink('/proc/1/ns/' + n) for n in os.listdir('/proc/self/ns')}\nprint(sorted(ns.items()), os.readlink('/proc/self/root'), "+
			"sorted({l.split()[4] for l in open('/proc/self/mountinfo')}), os.path.exists('/proc/1/root/opt/ml'))\n"+
			"def t(f, *a):\n    try: return f(*a)\n    except OSError as e: return e.errno\n"+
			"print(t(os.setuid, 0), t(os.mknod, '/opt/ml/node', 0o60600, 0x801), t(os.listdir, '/proc/1/fd') != [], t(open, '/dev/mem'), t(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1)), t(os.chroot, '/'))\n"),
		{name: "a folder", command: []string{"python3", "."}, files: map[string]string{"__main__.py": "print(__file__)\n"}},
	}
}

// What a forked Python shows is what a new one shows.
func TestForkedIsAsNew(t *testing.T) {
	t.Parallel()
	for _, version := range versions(t) {
		for _, user := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/user=%t", version, user), func(t *testing.T) {
				t.Parallel()
				h := open(t, version, runner.Options{UserNamespace: user})
				h.warm(t)
				for _, p := range programs() {
					if p.files["script.py"] != "" && p.name == "its own modules" {
						p.files["helper.py"] = "def f(): return __name__\n"
					}
					t.Run(p.name, func(t *testing.T) {
						anew, forked := h.run(t, p, nil)
						if forked {
							t.Fatal("without a fork server, the process says it was forked")
						}
						got, forked := h.run(t, p, h.forks)
						if strings.Contains(p.command[1], "-c") && version == "3.13" {
							p.anew = true
						}
						if marked := strings.Contains(fmt.Sprint(p.command, p.files), mark); marked && p.name != "a syntax error" && forked == p.anew {
							t.Errorf("forked: %t", forked)
						}
						if got != anew {
							t.Errorf("forked and new:\n%s", differences(got, anew))
						}
					})
				}
			})
		}
	}
}

// differences are the lines that stand at the same place and are not the same, up to some.
func differences(a, b string) string {
	var found []string
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(x), len(y)) {
		var left, right string
		if i < len(x) {
			left = x[i]
		}
		if i < len(y) {
			right = y[i]
		}
		if left != right && len(found) < 20 {
			found = append(found, "< "+left, "> "+right)
		}
	}
	return strings.Join(found, "\n")
}

// A fork server that is killed costs nothing but time, and what it forked goes on.
func TestForkServerKilled(t *testing.T) {
	t.Parallel()
	h := open(t, versions(t)[0], runner.Options{})
	h.warm(t)
	long := program{command: []string{"python3", "long.py"}, files: map[string]string{"long.py": mark + "import time\ntime.sleep(1)\nprint('done')\n"}}
	ended := make(chan string)
	go func() {
		said, forked := h.run(t, long, h.forks)
		ended <- fmt.Sprintln(said, forked)
	}()
	time.Sleep(500 * time.Millisecond)
	h.expected = "another one is started"
	if killed := h.killForkServers(t); killed != 1 {
		t.Fatalf("%d fork servers were killed", killed)
	}
	short := program{command: []string{"python3", "-c", "print('short')"}, files: map[string]string{"other.py": ""}}
	for range 3 {
		if said, _ := h.run(t, short, h.forks); said != "short\n\nCompleted " {
			t.Error(said)
		}
	}
	if said := <-ended; said != "done\n\nCompleted  true\n" {
		t.Error(said)
	}
	h.warm(t) // by another one
}

// killForkServers kills those of h and returns how many there were.
func (h *hosts) killForkServers(t *testing.T) (killed int) {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		line, _ := os.ReadFile(path) // it may have ended
		parent, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "stat"))
		if !strings.Contains(string(line), h.dir) || !strings.Contains(string(parent), fmt.Sprintf(") S %d ", os.Getpid())) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		killed++
	}
	return killed
}

// Hosts that start at the same time get a process each.
func TestForkedAtTheSameTime(t *testing.T) {
	t.Parallel()
	h := open(t, versions(t)[0], runner.Options{})
	h.warm(t)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			p := program{command: []string{"python3", "say.py", strconv.Itoa(n)}, files: map[string]string{"say.py": mark + "import sys\nprint(sys.argv[1])\n"}}
			if said, forked := h.run(t, p, h.forks); said != fmt.Sprintf("%d\n\nCompleted ", n) || !forked {
				t.Error(n, said, forked)
			}
		})
	}
	wg.Wait()
}
