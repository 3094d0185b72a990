package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// hostPlan is what a host's first process builds and runs.
type hostPlan struct {
	Name, Dir string
	Root      string // the folder that is the host's file system instead of the machine's, or ""
	Command   []string
	WorkDir   string
	Env       []string
	Mounts    []Mount
	VCPUs     int
	HostsFile string
	// ResolverFile is the host's /etc/resolv.conf.
	ResolverFile string
	Executable   string
	Address      string
	Hidden       []string
	HomeFiles    map[string]string
}

// keptCapabilities are what a program that believes to be root on a host of its own needs. The rest would reach the machine.
var keptCapabilities = []uintptr{unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_SETGID,
	unix.CAP_SETUID, unix.CAP_SETPCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW, unix.CAP_SYS_CHROOT, unix.CAP_AUDIT_WRITE, unix.CAP_SETFCAP}

// runHost is the first process of a host: it builds the host around itself, starts the command, collects orphans, and ends with
// the command, upon which the kernel ends everything else in the host. Descriptor 3 brings the plan and then what to do when, 4 takes
// the reports, 5 is the job's lock.
func runHost() error {
	runtime.LockOSThread() // capabilities are a thread's, and the command is to get this one's
	for fd := 3; fd <= 5; fd++ {
		syscall.CloseOnExec(fd)
	}
	report := json.NewEncoder(os.NewFile(4, "report"))
	pid, err := enterHost(json.NewDecoder(os.NewFile(3, "orders")), report)
	if err != nil {
		return errors.Join(err, report.Encode(hostReport{Error: err.Error()}))
	}
	if err := report.Encode(hostReport{}); err != nil {
		return err
	}
	for {
		var ws syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &ws, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if ended == pid {
			code, sig := exitCode(ws)
			_ = report.Encode(hostReport{Code: code, Signal: sig}) // without it, the exit code alone has to do
			os.Exit(code)
		}
	}
}

// enterHost returns the command's process.
func enterHost(orders *json.Decoder, report *json.Encoder) (pid int, err error) {
	var plan hostPlan
	if err := orders.Decode(&plan); err != nil {
		return 0, fmt.Errorf("plan: %w", err)
	}
	if err := buildRoot(plan); err != nil {
		return 0, fmt.Errorf("file system: %w", err)
	}
	if err := syscall.Sethostname([]byte(plan.Name)); err != nil {
		return 0, fmt.Errorf("host name: %w", err)
	}
	if _, err := await(orders, "join"); err != nil {
		return 0, err
	}
	if err := joinNetwork(plan.Address); err != nil {
		return 0, fmt.Errorf("network: %w", err)
	}
	if err := report.Encode(hostReport{}); err != nil {
		return 0, err
	}
	if err := dropCapabilities(); err != nil {
		return 0, fmt.Errorf("capabilities: %w", err)
	}
	said, err := await(orders, "run", "adopt")
	if err != nil {
		return 0, err
	}
	terms := make(chan os.Signal, 4)
	signal.Notify(terms, syscall.SIGTERM, syscall.SIGINT)
	if adopted, ok := strings.CutPrefix(said, "adopt "); ok { // a process entered the host and is this one's child by now
		pid, err = strconv.Atoi(adopted)
	} else {
		pid, err = startCommand(plan)
	}
	if err != nil {
		return 0, err
	}
	go func() {
		for sig := range terms {
			_ = syscall.Kill(-pid, sig.(syscall.Signal)) // it may have ended, which the loop above sees
		}
	}()
	return pid, nil
}

// await returns what the supervisor says next, which begins with one of the words.
func await(orders *json.Decoder, words ...string) (said string, err error) {
	if err := orders.Decode(&said); err != nil {
		return "", fmt.Errorf("order to %s: %w", words[0], err)
	}
	if verb, _, _ := strings.Cut(said, " "); !slices.Contains(words, verb) {
		return "", fmt.Errorf("the supervisor says %q where %q comes next", said, words)
	}
	return said, nil
}

// workDirs are the folders of which the first that is there is the command's.
func (p hostPlan) workDirs() []string {
	if p.WorkDir != "" {
		return []string{p.WorkDir}
	}
	return []string{filepath.Join(mlPath, "code"), mlPath}
}

func startCommand(plan hostPlan) (pid int, err error) {
	dirs := plan.workDirs()
	dir := dirs[len(dirs)-1]
	if info, err := os.Stat(dirs[0]); err == nil && info.IsDir() {
		dir = dirs[0]
	}
	if plan.Root != "" { // engines make the folder that an image names
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return 0, fmt.Errorf("working folder: %w", err)
		}
	}
	if err := os.Chdir(dir); err != nil {
		return 0, fmt.Errorf("working folder: %w", err)
	}
	for _, entry := range plan.Env {
		if path, ok := strings.CutPrefix(entry, "PATH="); ok {
			if err := os.Setenv("PATH", path); err != nil {
				return 0, err
			}
		}
	}
	program, err := exec.LookPath(plan.Command[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return 0, fmt.Errorf("command %q: %w", plan.Command[0], errors.Unwrap(err))
	}
	syscall.Umask(0o022)
	pid, err = syscall.ForkExec(program, plan.Command, &syscall.ProcAttr{Env: plan.Env, Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		return 0, fmt.Errorf("command %q: %w", program, err)
	}
	return pid, nil
}

// dropCapabilities takes from this thread's children for ever what keptCapabilities does not name.
func dropCapabilities() error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		keep := false
		for _, k := range keptCapabilities {
			keep = keep || k == c
		}
		if keep {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: an older kernel has no such capability
			return err
		}
	}
	return nil
}
