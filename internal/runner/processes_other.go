//go:build !linux

package runner

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

var errOnlyLinux = errors.New("namespaces are a feature of Linux")

// adoptOrphans has no counterpart here: daemons that leave their process group are not found.
func adoptOrphans() error { return nil }

func plainAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func namespaceAttributes(bool) func() *syscall.SysProcAttr { return plainSupervisor }

const namespaceURL = ""

func cgroupsUsable() bool { return false }

func probeNamespaces(context.Context, string, bool) error { return errOnlyLinux }

func namespaceAdvice() []string { return nil }

func newNamespaceHosts(jobOrder, *os.File) (hostSet, error) { return nil, errOnlyLinux }

// activity is not known here: hosts that outlive algo-1 count as waiting for it.
func activity([]int) (runs bool, used time.Duration) { return false, 0 }

// descendants are the hosts' process groups, as kill takes them.
func descendants(pids []int) (groups []int) {
	for _, pid := range pids {
		if pid != 0 && syscall.Kill(-pid, 0) == nil {
			groups = append(groups, -pid)
		}
	}
	return groups
}

func sweep(_ string, status Status) {
	for _, h := range status.Hosts {
		if h.PID > 1 && h.ExitCode == nil {
			_ = syscall.Kill(-h.PID, syscall.SIGKILL) // it may have ended
		}
	}
}

func runHost() error       { return errOnlyLinux }
func tryNamespaces() error { return errOnlyLinux }
