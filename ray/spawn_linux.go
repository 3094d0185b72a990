package ray

import (
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// spawn starts a worker: this very program, connected by a socket pair that no other process inherits. It is in a process group of its own,
// so that Ctrl-C reaches the program alone, and the kernel kills it when the program ends.
func spawn(output io.Writer) (*process, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "worker"), os.NewFile(uintptr(pair[1]), "engine")
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	_ = ours.Close() // FileConn has a duplicate
	if err != nil {
		return nil, err
	}
	var stdout, stderr io.Writer = os.Stdout, os.Stderr
	if output != nil {
		stdout, stderr = output, output
	}
	last := &tail{to: stderr}
	cmd := exec.Command("/proc/self/exe") // the file may have been replaced by a newer build; the program that runs is what is meant
	cmd.Args = os.Args[:1]
	cmd.Env = append(os.Environ(), workerEnv+"="+strconv.Itoa(firstExtra))
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stdout, cmd.Stderr = stdout, last
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &process{cmd: cmd, line: newLine(conn), last: last}, nil
}

// firstExtra is the descriptor that the first of ExtraFiles becomes.
const firstExtra = 3

// killGroup ends a worker and what it started. Called before the worker is waited for, so that its number is still its own.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

func closeOnExec(fd int) { syscall.CloseOnExec(fd) }
