package runner

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	cgroupMount = "/sys/fs/cgroup"
	// maxProcesses keeps a host that forks without end from taking the machine's process numbers.
	maxProcesses = 16384
)

// cgroup limits a host, in version 2 or 1 of the interface, as far as this user may make groups. Without any directory it does nothing.
type cgroup struct {
	dirs []string
	// events is the file whose "oom_kill" line counts.
	events string
}

// newCgroup makes the groups of host n and puts its first process into them. Limits that the machine cannot exceed anyway cost nothing.
func newCgroup(spec Spec, n, pid int) (cgroup, error) {
	var limits []limit
	if spec.MemoryBytes > 0 && spec.MemoryBytes < machineMemory() {
		limits = append(limits, limit{"memory", spec.MemoryBytes})
	}
	if spec.VCPUs > 0 && spec.VCPUs < runtime.NumCPU() {
		limits = append(limits, limit{"cpu", int64(spec.VCPUs)})
	}
	if len(limits) == 0 {
		return cgroup{}, nil
	}
	limits = append(limits, limit{"pids", maxProcesses})
	name := fmt.Sprintf("mobula-%d-%s", os.Getpid(), HostName(n))
	c := makeCgroupV2(name, limits)
	if len(c.dirs) == 0 {
		c = makeCgroupV1(name, limits)
	}
	for _, dir := range c.dirs {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			c.remove()
			return cgroup{}, fmt.Errorf("control group: %w", err)
		}
	}
	return c, nil
}

// limit is a controller and how much of it: bytes, processors or processes.
type limit struct {
	controller string
	amount     int64
}

// settings are the files to write, in order: {version 2, version 1}.
func (l limit) settings(version int) [][2]string {
	amount := strconv.FormatInt(l.amount, 10)
	period, quota := "100000", strconv.FormatInt(l.amount*100000, 10)
	switch {
	case l.controller == "memory" && version == 2:
		return [][2]string{{"memory.max", amount}, {"memory.swap.max", "0"}, {"memory.oom.group", "1"}}
	case l.controller == "memory":
		return [][2]string{{"memory.limit_in_bytes", amount}, {"memory.memsw.limit_in_bytes", amount}}
	case l.controller == "cpu" && version == 2:
		return [][2]string{{"cpu.max", quota + " " + period}}
	case l.controller == "cpu":
		return [][2]string{{"cpu.cfs_period_us", period}, {"cpu.cfs_quota_us", quota}}
	}
	return [][2]string{{"pids.max", amount}}
}

// apply writes the first setting, without which the limit does not hold, and tries the others, which not every kernel has.
func (l limit) apply(dir string, version int) error {
	for i, s := range l.settings(version) {
		if err := os.WriteFile(filepath.Join(dir, s[0]), []byte(s[1]), 0o644); err != nil && i == 0 {
			return err
		}
	}
	return nil
}

// ownCgroups maps a version 1 controller, or "" for version 2, to this process's group.
func ownCgroups() map[string]string {
	data, _ := os.ReadFile("/proc/self/cgroup") // without it there are no groups, which an empty map says
	own := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 {
			for controller := range strings.SplitSeq(f[1], ",") {
				own[controller] = f[2]
			}
		}
	}
	return own
}

// makeCgroupV2 tries below this process's own group, beside it, and at the top: only a group without processes may limit its children,
// and only some may be written to.
func makeCgroupV2(name string, limits []limit) cgroup {
	if _, err := os.Stat(filepath.Join(cgroupMount, "cgroup.controllers")); err != nil {
		return cgroup{}
	}
	own := filepath.Join(cgroupMount, ownCgroups()[""])
	for _, parent := range []string{own, filepath.Dir(own), cgroupMount} {
		if parent != cgroupMount && !within(parent, cgroupMount) {
			continue
		}
		dir := filepath.Join(parent, name)
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+memory +cpu +pids"), 0o644) // apply tells
		ok := true
		for _, l := range limits {
			ok = ok && l.apply(dir, 2) == nil
		}
		if ok {
			return cgroup{dirs: []string{dir}, events: filepath.Join(dir, "memory.events")}
		}
		os.Remove(dir)
	}
	return cgroup{}
}

func makeCgroupV1(name string, limits []limit) (c cgroup) {
	own := ownCgroups()
	for _, l := range limits {
		group, ok := own[l.controller]
		if !ok {
			continue
		}
		dir := filepath.Join(cgroupMount, l.controller, group, name)
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if l.apply(dir, 1) != nil {
			os.Remove(dir)
			continue
		}
		c.dirs = append(c.dirs, dir)
		if l.controller == "memory" {
			c.events = filepath.Join(dir, "memory.oom_control")
		}
	}
	return c
}

func (c cgroup) outOfMemory() bool {
	if c.events == "" {
		return false
	}
	data, _ := os.ReadFile(c.events) // a group that is gone killed nobody that we can tell of
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "oom_kill" && f[1] != "0" {
			return true
		}
	}
	return false
}

func (c cgroup) remove() { removeCgroups(c.dirs) }

// removeCgroups deletes groups as soon as the kernel has taken the last of their processes out, which follows the exit by a moment.
func removeCgroups(dirs []string) {
	for _, dir := range dirs {
		err := unix.Rmdir(dir)
		for tries := 0; errors.Is(err, unix.EBUSY) && tries < 100; tries++ {
			time.Sleep(time.Millisecond)
			err = unix.Rmdir(dir)
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			slog.Warn("remove control group", "path", dir, "error", err)
		}
	}
}

// cgroupsUsable tries whether this user may limit the memory of a group.
func cgroupsUsable() bool {
	name, limits := fmt.Sprintf("mobula-probe-%d", os.Getpid()), []limit{{"memory", 1 << 30}}
	c := makeCgroupV2(name, limits)
	if len(c.dirs) == 0 {
		c = makeCgroupV1(name, limits)
	}
	c.remove()
	return len(c.dirs) > 0
}

// machineMemory is the machine's memory in bytes.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 1 << 62 // then every limit is set, which is never wrong
	}
	return int64(info.Totalram) * int64(info.Unit)
}
