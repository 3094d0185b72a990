package runner

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes daemons that left their parents this process's children, so that they can be found.
func adoptOrphans() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// plainAttributes: a session of its own, and death with the supervisor.
func plainAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// descendants lists the live processes below this one. Its own records are not needed here.
func descendants([]int) []int {
	children := map[int][]int{}
	for _, pid := range processes() {
		data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			continue // it ended while we looked
		}
		// pid (name) state ppid …, and the name may hold anything, parentheses too.
		fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
		if len(fields) < 2 || fields[0][0] == 'Z' {
			continue
		}
		if parent, err := strconv.Atoi(string(fields[1])); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	var found []int
	for next := []int{os.Getpid()}; len(next) > 0; next = next[1:] {
		found = append(found, children[next[0]]...)
		next = append(next, children[next[0]]...)
	}
	return found
}

func processes() (pids []int) {
	entries, _ := os.ReadDir("/proc") // without it there is nothing to find
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// sweep clears away what a dead supervisor left. Under the namespace runner the kernel has ended the hosts; under plain only
// the commands themselves, while their children are known by the environment they inherited.
func sweep(dir string, status Status) {
	if status.Runner == Plain {
		var marks [][]byte
		for n := range status.Hosts {
			marks = append(marks, []byte(mlDirVariable+"="+filepath.Join(HostDir(dir, n+1), "ml")))
		}
		for range 200 {
			if killMarked(marks) == 0 {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	removeCgroups(status.Cgroups)
}

// killMarked kills the processes whose environment holds one of the marks, and counts them.
func killMarked(marks [][]byte) (killed int) {
	for _, pid := range processes() {
		env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
		if err != nil || pid == os.Getpid() {
			continue // another user's, or gone
		}
		for entry := range bytes.SplitSeq(env, []byte{0}) {
			if slices.ContainsFunc(marks, func(mark []byte) bool { return bytes.Equal(mark, entry) }) && syscall.Kill(pid, syscall.SIGKILL) == nil {
				killed++
			}
		}
	}
	return killed
}
