package pyhost

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mobula-ml/mobula/internal/pyenv"
)

//go:embed forkserver.py
var forkServerSource []byte

// ForkServers keeps a running interpreter for each Python that worlds are made of, which forks a process for a host that is to run a script:
// the start of Python and the modules of its standard library that most scripts import are then behind it. It runs nothing of a world's, whose
// packages are found only when the process is in its host.
type ForkServers struct {
	dir string
	log *slog.Logger

	mu      sync.Mutex
	running map[string]*forkServer // by path of the interpreter; nil while it starts and where it cannot
	closed  bool
}

// forkable are the versions of Python of which a forked process was seen to be like a new one.
var forkable = []string{"3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"}

// A forkServer is the end of one interpreter's connection.
type forkServer struct{ control *net.UnixConn }

// NewForkServers keeps what the interpreters need in dir. They end with Close, or this process.
func NewForkServers(dir string, log *slog.Logger) *ForkServers {
	return &ForkServers{dir: dir, log: log, running: map[string]*forkServer{}}
}

// Close ends the interpreters. What they forked goes on.
func (s *ForkServers) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, f := range s.running {
		if f != nil {
			f.control.Close()
		}
	}
	clear(s.running)
}

// fork gives a connection to a process as runner.Spec.Fork does. The first time that a Python is asked for there is none, and it is started.
func (s *ForkServers) fork(e *pyenv.Env) *os.File {
	python, err := filepath.EvalSymlinks(e.Interpreter())
	if err != nil || !slices.Contains(forkable, e.Python) {
		return nil // a new process will say why
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, known := s.running[python]
	switch {
	case s.closed:
		return nil
	case !known:
		s.running[python] = nil
		go s.start(python)
		return nil
	case f == nil:
		return nil
	}
	conn, err := f.fork()
	if err != nil {
		s.log.Warn("the fork server of a Python is gone, another one is started", "python", python, "error", err)
		f.control.Close()
		delete(s.running, python)
		return nil
	}
	return conn
}

// titleBytes is how much of the command of a forked process is shown in lists of processes.
const titleBytes = 1024

// handOverLimit is for how long a job may wait for a fork server that does not read.
const handOverLimit = 100 * time.Millisecond

// fork hands the interpreter one end of a new connection, for which it forks, and returns the other one.
func (f *forkServer) fork() (*os.File, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	if err := f.control.SetWriteDeadline(time.Now().Add(handOverLimit)); err != nil { // one that hangs has no room for another word at some time
		return nil, errors.Join(err, ours.Close())
	}
	if _, _, err := f.control.WriteMsgUnix([]byte{'\n'}, syscall.UnixRights(int(theirs.Fd())), nil); err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	return ours, nil
}

func socketPair() (a, b *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	return os.NewFile(uintptr(fds[0]), "fork"), os.NewFile(uintptr(fds[1]), "fork"), nil
}

// start makes the interpreter available, which takes it the tenth of a second that those who come later are spared.
func (s *ForkServers) start(python string) {
	f, err := s.launch(python)
	if err != nil {
		s.log.Warn("scripts start without a fork server", "python", python, "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		f.control.Close()
		return
	}
	s.running[python] = f
}

func (s *ForkServers) launch(python string) (*forkServer, error) {
	program, script, err := s.prepare(python)
	if err != nil {
		return nil, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	defer theirs.Close()
	said, say, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer say.Close()
	cmd := exec.Command(program, script, strings.Repeat(" ", titleBytes))
	cmd.Dir, cmd.ExtraFiles, cmd.Stderr = "/", []*os.File{theirs}, say
	cmd.Env = []string{"LANG=C.UTF-8"} // what hosts have, and nothing of the server's
	for name, value := range interpreterEnv {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, said.Close())
	}
	go func() { _ = cmd.Wait() }() // that it ended shows when it is asked to fork
	go func() {
		defer said.Close()
		for lines := bufio.NewScanner(said); lines.Scan(); {
			s.log.Warn("fork server", "python", python, "said", lines.Text())
		}
	}()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	theirs.Close() // or its end would never be seen
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return nil, errors.Join(fmt.Errorf("it ended at once: %w", err), conn.Close())
	}
	return &forkServer{control: conn.(*net.UnixConn)}, nil
}

// prepare writes the program, and makes a world without any package for it: the Python's own packages are not to be run.
func (s *ForkServers) prepare(python string) (program, script string, err error) {
	dir := filepath.Join(s.dir, filepath.Base(python))
	program, script = filepath.Join(dir, "bin", "python3"), filepath.Join(s.dir, "forkserver.py")
	err = os.RemoveAll(dir)
	for _, step := range []func() error{
		func() error { return os.MkdirAll(filepath.Dir(program), 0o755) },
		func() error { return os.Symlink(python, program) },
		func() error {
			text := "home = " + filepath.Dir(python) + "\ninclude-system-site-packages = false\n"
			return os.WriteFile(filepath.Join(dir, "pyvenv.cfg"), []byte(text), 0o644)
		},
		func() error { return os.WriteFile(script, forkServerSource, 0o644) },
	} {
		if err == nil {
			err = step()
		}
	}
	return program, script, err
}
