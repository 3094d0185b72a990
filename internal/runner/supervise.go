package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/mobula-ml/mobula/internal/world"
)

// peerGrace is the time between SIGTERM and SIGKILL for the other hosts after algo-1 ended or one failed.
const peerGrace = 5 * time.Second

// Once algo-1 has ended well, the others go on with what they do. Those that wait for it, as the workers of a Ray cluster do, never end by
// themselves: hosts are stopped in which, at most of looks in a row, nothing runs or waits for a processor or a disk, and which all together
// used less than idleUse of processor time meanwhile (what a script that starts one short program after the other does between the looks).
const (
	lookEvery = 100 * time.Millisecond
	looks     = 20
	idleLooks = 15
	idleUse   = 500 * time.Millisecond
)

// hostSet is what one kind of runner makes of a job's hosts. All but dial are called from the supervisor's main thread.
type hostSet interface {
	// prepare makes the hosts, up to the point where only the command is missing. logs has a file for each host.
	prepare(logs []*os.File) ([]hostProcess, error)
	// release lets user code start, and returns when it runs everywhere, with the hosts' processes.
	release() (pids []int, err error)
	// terminate sends SIGTERM to the commands; kill ends every process of every host, and is repeated until they are gone.
	terminate()
	kill()
	dial(ctx context.Context, address string) (net.Conn, error)
	// result reads how the command of host i, counted from 0, ended: its exit code and the name of the signal, if one ended it.
	result(i int, ws syscall.WaitStatus) (code int, signal string)
	// outOfMemory tells whether the kernel killed something of host i for want of memory.
	outOfMemory(i int) bool
	// close gives back what the kernel does not take by itself. prepare may have failed.
	close()
}

// hostProcess is the supervisor's child that stands for a host.
type hostProcess struct {
	pid       int
	servePort int
	cgroups   []string
}

// supervisor drives one job from Starting to its end.
type supervisor struct {
	file  jobOrder
	hosts hostSet
	world world.World

	status Status // of the main goroutine alone; others read the file

	stops chan string
	ready chan struct{} // closed when user code runs
	done  chan struct{} // closed when the final status is written
}

// supervise is the supervisor process: descriptor 3 is the job's lock, held, 4 the control socket, listening, and 5 brings what to run.
// That holds the job's keys, which are therefore on no disk.
func supervise() error {
	// Hosts die with the thread that started them (PDEATHSIG), which must therefore be one that lives as long as the process.
	runtime.LockOSThread()
	syscall.CloseOnExec(3)
	syscall.CloseOnExec(4)
	syscall.CloseOnExec(5)
	listener, err := net.FileListener(os.NewFile(4, "control"))
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer listener.Close()
	var file jobOrder
	if err := json.NewDecoder(os.NewFile(5, "job")).Decode(&file); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	s := &supervisor{file: file, world: world.Real(), stops: make(chan string, 8), ready: make(chan struct{}), done: make(chan struct{})}
	if s.hosts, err = newHostSet(file, os.NewFile(3, "lock")); err != nil {
		return err
	}
	s.status = Status{State: Starting, Runner: file.Runner, Start: s.world.Now(), SupervisorPID: os.Getpid()}
	for n := range file.Spec.Hosts {
		s.status.Hosts = append(s.status.Hosts, HostStatus{Name: HostName(n + 1)})
	}
	ctl := &control{stop: s.requestStop, done: s.done, dial: s.dial}
	go ctl.serve(listener.(*net.UnixListener)) // ends with the listener, or the process
	err = s.run()
	close(s.done)
	ctl.answerWaiting()
	return err
}

// requestStop never blocks: once the queue holds a stop, another changes nothing.
func (s *supervisor) requestStop(reason string) {
	select {
	case s.stops <- reason:
	default:
	}
}

// dial waits for the hosts to be there.
func (s *supervisor) dial(ctx context.Context, address string) (net.Conn, error) {
	select {
	case <-s.ready:
		return s.hosts.dial(ctx, address)
	case <-s.done:
		return nil, errors.New("the job has ended")
	case <-ctx.Done():
		return nil, fmt.Errorf("the job's hosts are not up: %w", ctx.Err())
	}
}

// run is the life of the job; its error is for the supervisor's log, the status has been written.
func (s *supervisor) run() error {
	defer s.hosts.close()
	// The job counts as started from here on. The disk is waited for while the hosts are made.
	synced := make(chan error, 1)
	go func(starting Status) { synced <- writeStatus(s.file.Spec.Dir, starting, true) }(s.status)
	logs, err := openLogs(s.file.Spec)
	if err == nil {
		err = s.startHosts(logs, synced)
	} else {
		<-synced
	}
	if err != nil {
		s.hosts.kill()
		logs.note(0, err.Error())
		return errors.Join(err, s.finish(Failed, err.Error()))
	}
	cutting := logs.cutEvery(time.Second)
	state, reason := s.watch()
	cutting.stop()
	return s.finish(state, reason)
}

func (s *supervisor) startHosts(logs *logSet, synced <-chan error) error {
	processes, err := s.hosts.prepare(logs.files)
	if syncErr := <-synced; err == nil {
		err = syncErr
	}
	if err != nil {
		return err
	}
	for i, p := range processes {
		s.status.Hosts[i].PID, s.status.Hosts[i].ServePort = p.pid, p.servePort
		s.status.Cgroups = append(s.status.Cgroups, p.cgroups...)
	}
	// Written before user code runs, so that whoever finds this supervisor dead knows what to clear away.
	s.status.State = InProgress
	if err := writeStatus(s.file.Spec.Dir, s.status, false); err != nil {
		return err
	}
	pids, err := s.hosts.release()
	if err != nil {
		return err
	}
	close(s.ready)
	known := true
	for i, pid := range pids {
		known = known && s.status.Hosts[i].PID == pid
		s.status.Hosts[i].PID = pid
	}
	if known {
		return nil
	}
	return writeStatus(s.file.Spec.Dir, s.status, false)
}

// ending is why and how the job comes to its end.
type ending struct {
	state  State
	reason string
	kill   <-chan time.Time // when patience ends
}

// watch waits for the hosts' ends, a stop or the time limit, whichever decides.
func (s *supervisor) watch() (State, string) {
	exits := reap(slices.Clone(s.status.Hosts))
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	var limit <-chan time.Time
	if s.file.Spec.MaxRuntime > 0 {
		limit = time.After(s.file.Spec.MaxRuntime)
	}
	var end ending
	begin := func(state State, reason string, grace time.Duration) {
		if end.state != "" {
			return // the first cause stands
		}
		end = ending{state, reason, time.After(grace)}
		s.status.State, s.status.Reason = Stopping, reason
		s.save()
		s.hosts.terminate()
	}
	grace := s.file.Spec.StopGrace
	var again <-chan time.Time // kill until all are gone
	var look <-chan time.Time  // whether the other hosts do something yet, once algo-1 has ended
	var looked, idle int
	var used time.Duration // when the looks began
	for running := len(s.status.Hosts); running > 0; {
		select {
		case e := <-exits:
			running--
			s.recordExit(e)
			if reason := s.failure(e.host); reason != "" {
				begin(Failed, reason, min(grace, peerGrace))
			} else if e.host == 0 {
				look = time.After(lookEvery)
				_, used = activity(s.unfinished())
			}
		case <-look:
			look = time.After(lookEvery)
			runs, now := activity(s.unfinished())
			if looked++; !runs {
				idle++
			}
			if looked == looks {
				if idle >= idleLooks && now-used < idleUse {
					begin(Completed, "", min(grace, peerGrace))
					look = nil
				}
				looked, idle, used = 0, 0, now
			}
		case reason := <-s.stops:
			begin(Stopped, reason, grace)
		case sig := <-signals:
			begin(Stopped, "the supervisor received "+sig.String(), grace)
		case <-limit:
			s.status.MaxRuntimeExceeded = true
			begin(Stopped, fmt.Sprintf("it ran longer than its limit of %s", s.file.Spec.MaxRuntime), grace)
		case <-end.kill:
			s.hosts.kill()
			again = time.After(50 * time.Millisecond)
		case <-again:
			s.hosts.kill()
			again = time.After(50 * time.Millisecond)
		}
	}
	s.hosts.kill() // what a host's command left behind
	if end.state == "" {
		end.state = Completed
	}
	return end.state, end.reason
}

// unfinished are the first processes of the hosts that have not ended.
func (s *supervisor) unfinished() (pids []int) {
	for _, h := range s.status.Hosts {
		if h.ExitCode == nil && h.PID != 0 {
			pids = append(pids, h.PID)
		}
	}
	return pids
}

func (s *supervisor) save() {
	if err := writeStatus(s.file.Spec.Dir, s.status, false); err != nil {
		slog.Error("write status", "error", err) // the final write reports what remains wrong
	}
}

func (s *supervisor) recordExit(e exit) {
	h := &s.status.Hosts[e.host]
	code, sig := s.hosts.result(e.host, e.status)
	h.ExitCode, h.Signal = &code, sig
	h.OutOfMemory = code != 0 && s.hosts.outOfMemory(e.host)
}

// failure says why host i failed, or nothing.
func (s *supervisor) failure(i int) string {
	h := s.status.Hosts[i]
	if *h.ExitCode == 0 {
		return ""
	}
	reason := fmt.Sprintf("%s: exit code %d", h.Name, *h.ExitCode)
	if h.Signal != "" {
		reason = fmt.Sprintf("%s: killed by %s", h.Name, h.Signal)
	}
	if h.OutOfMemory {
		reason += fmt.Sprintf(" (out of memory, the host has %d bytes)", s.file.Spec.MemoryBytes)
	}
	return reason
}

func (s *supervisor) finish(state State, reason string) error {
	s.status.State, s.status.Reason, s.status.End = state, reason, s.world.Now()
	s.hosts.close()
	s.status.Cgroups = nil
	return writeStatus(s.file.Spec.Dir, s.status, true)
}

// logPath is where host i, counted from 0, prints.
func logPath(dir string, i int) string { return filepath.Join(dir, logFolder, HostName(i+1)+".log") }

func newHostSet(file jobOrder, lock *os.File) (hostSet, error) {
	switch file.Runner {
	case Namespace:
		return newNamespaceHosts(file, lock)
	case Plain:
		return newPlainHosts(file)
	}
	return nil, fmt.Errorf("runner %q is not %s or %s", file.Runner, Namespace, Plain)
}
