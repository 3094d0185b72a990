package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hostExecutable is where a host sees the server's executable; its folder is in the PATH.
const (
	hostExecutable = "/opt/mobula/bin/mobula"
	hostHome       = "/opt/mobula/home"
	// hostCABundle is where a host sees the certificates that it is to trust.
	hostCABundle = "/opt/mobula/certificates.pem"
)

// startLimit is how long a host may take for a step of its start. They take milliseconds, unless a file system of the machine hangs.
const startLimit = 60 * time.Second

// namespaceHosts gives every host mount, pid, uts, ipc and net namespaces of its own. The supervisor itself lives in a net
// namespace made for the job (and, without root, in a user namespace), where the bridge between the hosts is.
type namespaceHosts struct {
	file    jobOrder
	lock    *os.File
	forked  *forked // the only host's command to be, or nil
	network *network
	hosts   []*namespaceHost
}

// namespaceHost is the supervisor's end of a host's first process (runHost).
type namespaceHost struct {
	pid    int // 0 when it has been collected
	orders *os.File
	pipe   *os.File // report reads it
	report *json.Decoder
	cgroup cgroup
	log    *os.File
}

// hostReport is what a host's first process says: an error, that it did what it was told, or how the command ended.
type hostReport struct {
	Error  string `json:"error,omitempty"`
	Code   int    `json:"code"`
	Signal string `json:"signal,omitempty"`
}

func newNamespaceHosts(file jobOrder, lock *os.File) (hostSet, error) {
	return &namespaceHosts{file: file, lock: lock}, nil
}

func (h *namespaceHosts) prepare(logs []*os.File) ([]hostProcess, error) {
	for i := range h.file.Spec.Hosts {
		host, err := h.startHost(i, logs[i])
		if host != nil {
			h.hosts = append(h.hosts, host)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", HostName(i+1), err)
		}
	}
	// While the hosts build their file systems, the network between them, and the way of a forked process.
	if h.file.Forked {
		h.fork()
	}
	pids := make([]int, len(h.hosts))
	for i, host := range h.hosts {
		pids[i] = host.pid
	}
	var err error
	if h.network, err = newNetwork(pids, h.file.Spec.PlatformSocket, outwardPorts(h.file.Environment)); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	processes := make([]hostProcess, len(h.hosts))
	for i, host := range h.hosts {
		if host.cgroup, err = newCgroup(h.file.Spec, i+1, host.pid); err != nil {
			return nil, fmt.Errorf("%s: %w", HostName(i+1), err)
		}
		processes[i] = hostProcess{pid: host.pid, cgroups: host.cgroup.dirs}
	}
	// All join before any runs: what is sent to a host that is not there yet is only sent again after a second.
	return processes, h.tell("join")
}

// startHost starts a host's first process and tells it what to build.
func (h *namespaceHosts) startHost(i int, log *os.File) (*namespaceHost, error) {
	ordersRead, ordersWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ordersRead.Close()
	reportRead, reportWrite, err := os.Pipe()
	if err != nil {
		ordersWrite.Close()
		return nil, err
	}
	defer reportWrite.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	host := &namespaceHost{orders: ordersWrite, pipe: reportRead, report: json.NewDecoder(reportRead), log: log}
	// The lock goes along: the job counts as alive until its hosts are gone, too.
	host.pid, err = syscall.ForkExec("/proc/self/exe", []string{"mobula", command, "host"}, &syscall.ProcAttr{
		Dir: "/", Env: []string{"PATH=" + h.file.Environment["PATH"]},
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd(), ordersRead.Fd(), reportWrite.Fd(), h.lock.Fd()},
		Sys: &syscall.SysProcAttr{
			Cloneflags: hostNamespaces,
			Pdeathsig:  syscall.SIGKILL, // and with the first process of a pid namespace all others
			Setsid:     true,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("start in namespaces: %w", err)
	}
	return host, json.NewEncoder(ordersWrite).Encode(h.plan(i))
}

// plan is all that host i, counted from 0, needs to know.
func (h *namespaceHosts) plan(i int) hostPlan {
	n := i + 1
	own := map[string]string{
		"PATH": strings.Join(append(slices.Clone(h.file.Spec.Path), filepath.Dir(hostExecutable), h.file.Environment["PATH"]), ":"),
		"HOME": hostHome, "MOBULA_SERVE_PORT": strconv.Itoa(ServePort), "SM_NETWORK_INTERFACE_NAME": hostInterface,
	}
	mounts, resolver := h.file.Spec.mountsOf(n), ""
	if h.file.Outside.CABundle != "" {
		for _, target := range append([]string{hostCABundle}, h.file.Outside.CAFiles...) {
			if info, err := os.Stat(filepath.Join("/", h.file.Spec.Root, target)); target == hostCABundle || err == nil && info.Mode().IsRegular() {
				mounts = append(mounts, Mount{Source: h.file.Outside.CABundle, Target: target, ReadOnly: true})
			}
		}
		h.file.Outside.trust(own, hostCABundle)
	}
	if h.file.Spec.PlatformSocket != "" {
		resolver = resolverFile
	}
	return hostPlan{
		Name: HostName(n), Dir: HostDir(h.file.Spec.Dir, n), Root: h.file.Spec.Root, Command: h.file.Spec.Command, WorkDir: h.file.Spec.WorkDir, Env: h.file.hostEnvironment(n, own),
		Mounts: mounts, VCPUs: h.file.Spec.VCPUs, HostsFile: hostsFile(h.file.Spec.Hosts), ResolverFile: resolver, Address: hostAddress(n),
		Executable: h.file.Executable, Hidden: h.file.Hidden, HomeFiles: h.file.HomeFiles,
	}
}

func (h *namespaceHosts) release() (pids []int, err error) {
	if err := h.tellToRun(); err != nil {
		return nil, err
	}
	for _, host := range h.hosts {
		host.orders.Close()
		pids = append(pids, host.pid)
	}
	return pids, nil
}

// fork sends the process that waits at descriptor 6 into the only host.
func (h *namespaceHosts) fork() {
	syscall.CloseOnExec(6)
	file := os.NewFile(6, "fork")
	defer file.Close()
	var err error
	if h.forked, err = forkInto(file, h.hosts[0].pid); err != nil {
		slog.Warn("a new process is started", "error", err)
	}
}

// tellToRun has the commands started.
func (h *namespaceHosts) tellToRun() error {
	if h.forked == nil {
		return h.tell("run")
	}
	pid, err := h.forked.settle(h.plan(0), h.hosts[0].cgroup.dirs, h.hosts[0].log)
	if err != nil {
		slog.Warn("a new process is started", "error", errors.Join(err, h.forked.conn.Close()))
		return h.tell("run")
	}
	if err := h.tell("adopt " + strconv.Itoa(pid)); err != nil {
		return errors.Join(err, h.forked.conn.Close())
	}
	return h.forked.begin()
}

// tell gives every host the word to go on, and waits until all have done so.
func (h *namespaceHosts) tell(word string) error {
	for i, host := range h.hosts {
		if err := json.NewEncoder(host.orders).Encode(word); err != nil {
			return fmt.Errorf("%s: %w", HostName(i+1), h.reported(i, err))
		}
	}
	for i, host := range h.hosts {
		if err := host.pipe.SetReadDeadline(time.Now().Add(startLimit)); err != nil {
			return err
		}
		if err := h.reported(i, nil); err != nil {
			return fmt.Errorf("%s: %w", HostName(i+1), err)
		}
	}
	return nil
}

// reported reads the next report of host i and returns the error in it, else otherwise.
func (h *namespaceHosts) reported(i int, otherwise error) error {
	var report hostReport
	if err := h.hosts[i].report.Decode(&report); err != nil {
		return fmt.Errorf("the host ended or hung while it started: %w", err)
	}
	if report.Error != "" {
		return fmt.Errorf("%s", report.Error)
	}
	return otherwise
}

func (h *namespaceHosts) terminate() { h.signal(syscall.SIGTERM) }
func (h *namespaceHosts) kill()      { h.signal(syscall.SIGKILL) }

// signal reaches the hosts' first processes: SIGTERM is passed on to the command, SIGKILL takes the whole pid namespace along.
func (h *namespaceHosts) signal(sig syscall.Signal) {
	for _, host := range h.hosts {
		if host.pid != 0 {
			_ = syscall.Kill(host.pid, sig) // it may have ended just now, which reap tells
		}
	}
}

func (h *namespaceHosts) result(i int, ws syscall.WaitStatus) (int, string) {
	h.hosts[i].pid = 0
	_ = h.hosts[i].pipe.SetReadDeadline(time.Time{}) // the host has ended, so the pipe has all it will ever have
	var report hostReport
	if err := h.hosts[i].report.Decode(&report); err == nil {
		return report.Code, report.Signal
	}
	return exitCode(ws)
}

func (h *namespaceHosts) outOfMemory(i int) bool { return h.hosts[i].cgroup.outOfMemory() }

// dial takes "algo-2:8080".
func (h *namespaceHosts) dial(ctx context.Context, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "algo-"))
	if err != nil || n < 1 || n > h.file.Spec.Hosts {
		return nil, fmt.Errorf("host %q is not one of %s to %s", name, HostName(1), HostName(h.file.Spec.Hosts))
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(hostAddress(n), port))
}

func (h *namespaceHosts) close() {
	h.network.close()
	for _, host := range h.hosts {
		host.cgroup.remove()
	}
}
