package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// supervised is a runner whose jobs are supervisor processes. The kinds differ in what the supervisor makes of it.
type supervised struct {
	kind  string
	url   string
	notes []string
	// program starts supervisors; executable is its path for hosts that share the machine's files.
	program    string
	executable string
	hidden     []string
	outside    Outside
	// attributes are how the supervisor's process starts: its namespaces, where it has some.
	attributes func() *syscall.SysProcAttr
}

func (r *supervised) Name() string        { return r.kind }
func (r *supervised) Notes() []string     { return slices.Clone(r.notes) }
func (r *supervised) PlatformURL() string { return r.url }

func (r *supervised) Attach(_ context.Context, dir string) (Job, error) {
	if _, err := status(dir, ""); err != nil {
		return nil, fmt.Errorf("attach to job %s: %w", dir, err)
	}
	return &job{dir: dir}, nil
}

func (r *supervised) Start(ctx context.Context, spec Spec) (Job, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	spec, err := spec.withDefaults()
	if err != nil {
		return nil, err
	}
	if r.kind == Plain {
		if err := checkPlain(spec); err != nil {
			return nil, err
		}
	}
	if err := r.launch(spec); err != nil {
		return nil, fmt.Errorf("start job %s: %w", spec.Name, err)
	}
	return &job{dir: spec.Dir, ours: true}, nil
}

// launch takes the job's lock and hands it, with the control socket, to a new supervisor. From the lock to the supervisor's end
// somebody holds it, so that a second Start, here or in another server, finds it taken.
func (r *supervised) launch(spec Spec) error {
	if err := makeFolders(spec); err != nil {
		return err
	}
	lock, err := openLock(spec.Dir, true)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := takeLock(lock); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(spec.Dir, statusFileName)); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(ErrStarted, err)
	}
	socket := filepath.Join(spec.Dir, socketName)
	os.Remove(socket)
	listener, err := listenUnix(socket)
	if err != nil {
		return err
	}
	defer listener.Close()
	listenerFile, err := listener.File()
	if err != nil {
		return err
	}
	defer listenerFile.Close()
	return r.startSupervisor(spec, lock, listenerFile)
}

func (r *supervised) startSupervisor(spec Spec, lock, listener *os.File) error {
	log, err := os.Create(filepath.Join(spec.Dir, supervisorLog))
	if err != nil {
		return err
	}
	defer log.Close()
	orderRead, orderWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer orderRead.Close()
	defer orderWrite.Close()
	cmd := exec.Command(r.program, command, "supervise", spec.Dir)
	cmd.Dir = spec.Dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // everything else is in the order
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock, listener, orderRead} // 3, 4 and 5 of the supervisor
	var forked *os.File
	if r.kind == Namespace && spec.Fork != nil && spec.Hosts == 1 && spec.Root == "" {
		if forked = spec.Fork(); forked != nil {
			defer forked.Close()
			cmd.ExtraFiles = append(cmd.ExtraFiles, forked) // 6
		}
	}
	cmd.SysProcAttr = r.attributes()
	cmd.SysProcAttr.Setsid = true // the terminal's Ctrl-C is for the server, which decides what becomes of jobs
	if err := cmd.Start(); err != nil {
		return err
	}
	// The supervisor may outlive this process; while it does not, somebody must collect its exit. What it did is in its status.
	go func() { _ = cmd.Wait() }()
	// A supervisor that ends, or is left, before it has the whole order has started nothing.
	return json.NewEncoder(orderWrite).Encode(jobOrder{Runner: r.kind, Spec: spec, Environment: userEnvironment(os.Environ()),
		Executable: r.executable, Hidden: r.hidden, HomeFiles: homeFiles(), Forked: forked != nil, Outside: r.outside})
}

// takeLock gives up after the moment for which another process may look at the lock.
func takeLock(lock *os.File) error {
	for range 10 {
		err := flock(lock, syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return ErrStarted
}

// hostFolders are what each host's folder holds besides what the runner kinds add.
var hostFolders = []struct {
	name string
	mode os.FileMode
}{{"ml", 0o755}, {"home", 0o700}, {"tmp", 0o777 | os.ModeSticky}, {"root", 0o755}}

func makeFolders(spec Spec) error {
	if err := os.MkdirAll(filepath.Join(spec.Dir, logFolder), 0o755); err != nil {
		return err
	}
	for n := range spec.Hosts {
		for _, folder := range hostFolders {
			path := filepath.Join(HostDir(spec.Dir, n+1), folder.name)
			if err := os.MkdirAll(path, folder.mode.Perm()); err != nil {
				return err
			}
			if folder.mode&os.ModeSticky != 0 {
				if err := os.Chmod(path, folder.mode); err != nil { // the umask took some of it
					return err
				}
			}
		}
	}
	return nil
}

// hostEnvironment is what host n starts with: the user's settings, the host's facts, then what the job says.
func (file jobOrder) hostEnvironment(n int, own map[string]string) []string {
	env := maps.Clone(file.Environment)
	if env == nil {
		env = map[string]string{}
	}
	names := make([]string, file.Spec.Hosts)
	for i := range names {
		names[i] = HostName(i + 1)
	}
	hosts, _ := json.Marshal(names) // a list of strings always has a JSON form
	maps.Copy(env, map[string]string{
		"LANG": "C.UTF-8", "HOSTNAME": HostName(n), "SM_CURRENT_HOST": HostName(n), "SM_HOSTS": string(hosts),
	})
	maps.Copy(env, own)
	maps.Copy(env, file.Spec.Env)
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}
