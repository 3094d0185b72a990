package runner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The names of the runners, as Choose takes them and Status gives them.
const (
	Namespace = "namespace"
	Plain     = "plain"
)

// ServePort is the port at which a host serves under the namespace runner. Under the plain runner, where hosts share the machine's ports,
// each host has another one in MOBULA_SERVE_PORT, and Dial translates.
const ServePort = 8080

var (
	// ErrNotStarted: the folder holds no job that was ever handed to a supervisor, so starting it runs it for the first time.
	ErrNotStarted = errors.New("the job was never started")
	// ErrStarted: the job was handed to a supervisor before; Attach finds it.
	ErrStarted = errors.New("the job was started before")
	// ErrRunning: the job's supervisor or hosts still live.
	ErrRunning = errors.New("the job is still running")
)

// Spec is what to run.
type Spec struct {
	// Name says whose job this is in messages and control groups. It need not be unique.
	Name string
	// Dir is the job folder, absolute. The caller fills HostDir(Dir, n)/ml before Start; afterwards the folder is the runner's.
	Dir string
	// Hosts is how many hosts run Command, 1 to MaxHosts.
	Hosts int
	// Command is looked up in the host's PATH. "mobula" is always there and is the executable of the server.
	Command []string
	// Env comes on top of what every host has (PATH, HOME, SM_HOSTS, …) and wins over it.
	Env map[string]string
	// Path are folders that go before those of the host's PATH.
	Path []string
	// WorkDir is where Command starts. Defaults to /opt/ml/code where it exists, else /opt/ml.
	WorkDir string
	// Root is a folder whose content hosts have as their file system instead of the machine's, such as that of a container image. Each host may
	// change its own view of it, which goes with the job. Only the namespace runner can; PATH and HOME are then Env's.
	Root string
	// Mounts show files and folders of the machine inside hosts.
	Mounts []Mount
	// VCPUs is how many processors a host shows, and at most gets. Defaults to the machine's.
	VCPUs int
	// MemoryBytes is how much memory a host gets; more than the machine has is no limit. Defaults to no limit.
	MemoryBytes int64
	// MaxRuntime ends the job when it has run so long. Defaults to no limit.
	MaxRuntime time.Duration
	// StopGrace is the time between SIGTERM and SIGKILL. Defaults to 30 s.
	StopGrace time.Duration
	// LogLimitBytes cuts a host's log. Defaults to 256 MiB.
	LogLimitBytes int64
	// Fork, where set, may return a connection to a process that waits to become the command of the job's only host, which spares it the start
	// of an interpreter; what is said on it is at forkOrder. nil, or a process that fails before it is in the host, means a new process, as does the
	// plain runner. Start closes it.
	Fork func() *os.File `json:"-"`
	// PlatformSocket is the unix socket of the server, which hosts reach at the runner's PlatformURL. It may appear, vanish and
	// come back while the job runs.
	PlatformSocket string
}

// Limits of a Spec.
const (
	MaxHosts             = 100
	defaultStopGrace     = 30 * time.Second
	defaultLogLimitBytes = 256 << 20
)

// Mount shows a file or folder of the machine to hosts.
type Mount struct {
	// Source is absolute, on the machine; Target is absolute, in the host.
	Source, Target string
	ReadOnly       bool
	// Host is 1 to Spec.Hosts, or 0 for every host.
	Host int
}

// State is where a job is in its life: Starting → InProgress → (Stopping →) Completed, Failed or Stopped.
type State string

// The states. Stopping means that the end was asked for or is due and hosts are given their grace.
const (
	Starting   State = "Starting"
	InProgress State = "InProgress"
	Stopping   State = "Stopping"
	Completed  State = "Completed"
	Failed     State = "Failed"
	Stopped    State = "Stopped"
)

// Final tells whether the state is an end.
func (s State) Final() bool { return s == Completed || s == Failed || s == Stopped }

// Status is what is known of a job.
type Status struct {
	State State `json:"state"`
	// Reason says why it failed or was stopped, e.g. "algo-2: exit code 3".
	Reason string `json:"reason,omitempty"`
	Runner string `json:"runner"`
	// MaxRuntimeExceeded: it was stopped because it ran longer than Spec.MaxRuntime.
	MaxRuntimeExceeded bool         `json:"max_runtime_exceeded,omitempty"`
	Hosts              []HostStatus `json:"hosts,omitempty"`
	// Start is when the supervisor took the job; End is zero until the state is final.
	Start         time.Time `json:"start"`
	End           time.Time `json:"end,omitzero"`
	SupervisorPID int       `json:"supervisor_pid"`
	// Cgroups are the control groups to remove when the supervisor could not.
	Cgroups []string `json:"cgroups,omitempty"`
}

// HostStatus is what is known of one host.
type HostStatus struct {
	Name string `json:"name"`
	// PID is the host's first process as the machine numbers it.
	PID int `json:"pid,omitempty"`
	// ExitCode is nil until the host ended; 128 + the signal's number when a signal ended it.
	ExitCode *int `json:"exit_code,omitempty"`
	// Signal is e.g. "SIGKILL" when a signal ended the command.
	Signal string `json:"signal,omitempty"`
	// OutOfMemory: the kernel killed something of the host for want of memory.
	OutOfMemory bool `json:"out_of_memory,omitempty"`
	// ServePort is where the machine reaches the host's ServePort under the plain runner.
	ServePort int `json:"serve_port,omitempty"`
}

// Runner starts jobs and finds them again.
type Runner interface {
	// Name is Namespace or Plain.
	Name() string
	// Start hands the job to a supervisor and returns once that process exists; what goes wrong later is in the Status.
	// It fails with ErrStarted when the folder's job was started before. The job goes on when ctx ends.
	Start(ctx context.Context, spec Spec) (Job, error)
	// Attach finds a job by its folder. It fails with ErrNotStarted when no supervisor ever had it.
	Attach(ctx context.Context, dir string) (Job, error)
	// Notes says in sentences what this runner cannot give on this machine, and what to allow.
	Notes() []string
	// PlatformURL is how hosts reach the server.
	PlatformURL() string
}

// Job is one job folder that was started. It may be used from several goroutines.
type Job interface {
	// Status reads the present state.
	Status() (Status, error)
	// Wait returns the final state as soon as there is one, or the present one with ctx's error.
	Wait(ctx context.Context) (Status, error)
	// Stop asks for the end, SIGTERM first, and returns when the supervisor has heard it. Stopping a job that has ended is no error.
	Stop(ctx context.Context, reason string) error
	// Dial connects to a port of a host, e.g. "algo-1", 8080.
	Dial(ctx context.Context, host string, port int) (net.Conn, error)
	// LogPath is the file of what the host printed. It never grows far beyond Spec.LogLimitBytes, and may shrink back to it.
	LogPath(host string) string
	// Dir is the job folder.
	Dir() string
	// Remove deletes the job folder. It fails with ErrRunning before the end.
	Remove() error
}

// HostName is the name of host n, counted from 1.
func HostName(n int) string { return fmt.Sprintf("algo-%d", n) }

// HostDir is the folder of host n, counted from 1, in the job folder dir. Its "ml" is what the host sees as /opt/ml.
func HostDir(dir string, n int) string { return filepath.Join(dir, HostName(n)) }
