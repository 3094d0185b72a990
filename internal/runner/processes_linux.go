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
		if p, ok := readStat(pid); ok && p.state != 'Z' {
			children[p.parent] = append(children[p.parent], pid)
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

// lives tells whether a process exists and has not ended. Its first thread may have, while the last one sees the rest of a pid namespace die.
func lives(pid int) bool {
	p, ok := readStat(pid)
	return ok && (p.state != 'Z' && p.state != 'X' || p.threads > 1)
}

// activity tells whether a thread of the processes below roots, or of them, runs or waits for a processor or a disk, and how much
// processor time they and their ended children have had.
func activity(roots []int) (runs bool, used time.Duration) {
	children, stats := map[int][]int{}, map[int]processStat{}
	for _, pid := range processes() {
		if p, ok := readStat(pid); ok {
			children[p.parent], stats[pid] = append(children[p.parent], pid), p
		}
	}
	for next := slices.Clone(roots); len(next) > 0; next = next[1:] {
		used += stats[next[0]].used
		threads, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(next[0]), "task", "*", "stat")) // none where it ended just now
		for _, path := range threads {
			if p, ok := readStatFile(path); ok && (p.state == 'R' || p.state == 'D') {
				runs = true
			}
		}
		next = append(next, children[next[0]]...)
	}
	return runs, used
}

// processStat is what the kernel tells of a process or thread.
type processStat struct {
	parent  int
	threads int
	state   byte
	used    time.Duration // processor time, with that of children it has waited for
}

func readStat(pid int) (processStat, bool) {
	return readStatFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
}

func readStatFile(path string) (p processStat, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return p, false
	}
	// pid (name) state ppid …, and the name may hold anything, parentheses too.
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(fields) < 18 {
		return p, false
	}
	if p.threads, err = strconv.Atoi(string(fields[17])); err != nil {
		return p, false
	}
	if p.parent, err = strconv.Atoi(string(fields[1])); err != nil {
		return p, false
	}
	for _, field := range fields[11:15] { // utime, stime, cutime and cstime, in hundredths of a second everywhere
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return p, false
		}
		p.used += time.Duration(ticks) * 10 * time.Millisecond
	}
	p.state = fields[0][0]
	return p, true
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
