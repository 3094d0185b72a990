package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A forked process is at the other end of Spec.Fork. It is told on a line, with which come the descriptors of the host's namespaces, the file
// system's last, to enter the host, all but its files; it does so as a child of the host's first process and answers with its number there, on a
// line. Then it is sent forkOrder with the descriptor of the log, settles, says '+', and is the command when it is told '+'. At the end of the
// connection it ends.
type forked struct {
	conn *net.UnixConn
}

// forkOrder is what a forked process is to be, as one line of JSON.
type forkOrder struct {
	Command     []string          `json:"command"`
	Environment map[string]string `json:"environment"`
	// Folders: the first one that is there is the command's.
	Folders []string `json:"folders"`
	// Groups are the folders of control groups.
	Groups []string `json:"groups"`
	// Capabilities are those to keep, a bit each.
	Capabilities uint64 `json:"capabilities"`
}

// forkedNamespaces are the files of a process's namespaces, in the order in which they are entered.
var forkedNamespaces = []string{"user", "net", "ipc", "uts", "pid", "mnt"}

// forkPatience is how long a forked process may take for a step. A new one takes its place.
const forkPatience = 5 * time.Second

// forkInto sends the process that waits at file into a host, whose files need not be there yet.
func forkInto(file *os.File, hostPID int) (*forked, error) {
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	f := &forked{conn: conn.(*net.UnixConn)}
	var rights []int
	for _, name := range forkedNamespaces {
		ns, err := os.Open(filepath.Join("/proc", strconv.Itoa(hostPID), "ns", name))
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		defer ns.Close()
		rights = append(rights, int(ns.Fd()))
	}
	if err := f.send([]byte("\n"), rights...); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return f, nil
}

func (f *forked) send(text []byte, descriptors ...int) error {
	if err := f.conn.SetDeadline(time.Now().Add(forkPatience)); err != nil {
		return err
	}
	if _, _, err := f.conn.WriteMsgUnix(text[:1], syscall.UnixRights(descriptors...), nil); err != nil {
		return err
	}
	_, err := f.conn.Write(text[1:])
	return err
}

// settle gives the process all that the command has, and returns its number in the host.
func (f *forked) settle(plan hostPlan, groups []string, log *os.File) (pid int, err error) {
	order := forkOrder{Command: plan.Command, Environment: map[string]string{}, Folders: plan.workDirs(), Groups: append([]string{}, groups...)}
	for _, entry := range plan.Env {
		name, value, _ := strings.Cut(entry, "=")
		order.Environment[name] = value
	}
	for _, c := range keptCapabilities {
		order.Capabilities |= 1 << c
	}
	text, err := json.Marshal(order)
	if err != nil {
		return 0, err
	}
	if err := f.conn.SetDeadline(time.Now().Add(forkPatience)); err != nil {
		return 0, err
	}
	if _, err := fmt.Fscanf(f.conn, "%d\n", &pid); err != nil { // of another process than the one that settles then
		return 0, fmt.Errorf("the process that was to be the command did not enter the host: %w", err)
	}
	if err := f.send(append(text, '\n'), int(log.Fd())); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(f.conn, make([]byte, 1)); err != nil {
		return 0, fmt.Errorf("the process that was to be the command did not settle in the host: %w", err)
	}
	return pid, nil
}

// begin lets the command run.
func (f *forked) begin() error {
	_, err := f.conn.Write([]byte{'+'})
	return errors.Join(err, f.conn.Close())
}
