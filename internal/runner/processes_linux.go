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
		if parent, state, ok := readStat(pid); ok && state != 'Z' {
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

// sweep clears away what a dead supervisor left. Under the namespace runner the kernel ends the hosts; under plain only the commands
// themselves, while their children are known by the environment they inherited.
func sweep(dir string, status Status) {
	if status.Runner == Namespace {
		awaitHosts(status)
	}
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

// awaitHosts returns when the kernel has ended everything in the hosts: their first processes let go of the job's lock, then see all
// others of their pid namespaces die, and only then count as ended. A process number that was given out again costs the limit, no more.
func awaitHosts(status Status) {
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if !slices.ContainsFunc(status.Hosts, func(h HostStatus) bool { return h.ExitCode == nil && h.PID != 0 && lives(h.PID) }) {
			return
		}
	}
}

// lives tells whether a process exists and has not ended.
func lives(pid int) bool {
	_, state, ok := readStat(pid)
	return ok && state != 'Z' && state != 'X'
}

// anyRuns tells whether a thread of the processes below roots, or of them, runs or waits for a processor or a disk.
func anyRuns(roots []int) bool {
	children := map[int][]int{}
	for _, pid := range processes() {
		if parent, _, ok := readStat(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	for next := slices.Clone(roots); len(next) > 0; next = next[1:] {
		threads, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(next[0]), "task", "*", "stat")) // none where it ended just now
		for _, path := range threads {
			if _, state, ok := readStatFile(path); ok && (state == 'R' || state == 'D') {
				return true
			}
		}
		next = append(next, children[next[0]]...)
	}
	return false
}

// readStat gives a process's parent and the letter of its state.
func readStat(pid int) (parent int, state byte, ok bool) {
	return readStatFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
}

func readStatFile(path string) (parent int, state byte, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, false
	}
	// pid (name) state ppid …, and the name may hold anything, parentheses too.
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(fields) < 2 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(string(fields[1]))
	return parent, fields[0][0], err == nil
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
