package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The names inside a job folder.
const (
	statusFileName = "status.json"
	lockFileName   = "lock"
	socketName     = "control.sock"
	logFolder      = "logs"
	supervisorLog  = "supervisor.log"
)

// mlPath is where SageMaker's contract puts a host's inputs, code and outputs.
const mlPath = "/opt/ml"

// jobOrder is what the supervisor is told, in full: it looks at nothing else of the server's.
type jobOrder struct {
	// Runner is Namespace or Plain.
	Runner string `json:"runner"`
	Spec   Spec   `json:"spec"`
	// Environment is what every host has before Spec.Env.
	Environment map[string]string `json:"environment"`
	// Executable is shown to hosts as "mobula".
	Executable string `json:"executable"`
	// Hidden folders of the machine look empty to hosts.
	Hidden []string `json:"hidden,omitempty"`
	// HomeFiles are settings of the user, by their path relative to the home folder, that hosts may read.
	HomeFiles map[string]string `json:"home_files,omitempty"`
	// Forked: descriptor 6 of the supervisor is what Spec.Fork returned.
	Forked bool `json:"forked,omitempty"`
	// Outside is how hosts reach what is not of the job.
	Outside Outside `json:"outside,omitzero"`
}

// withDefaults checks what the caller asked and fills in what was left out.
func (s Spec) withDefaults() (Spec, error) {
	var errs []error
	refuse := func(field string, value any, rule string) {
		errs = append(errs, fmt.Errorf("spec: %s %v: must %s", field, value, rule))
	}
	if !filepath.IsAbs(s.Dir) {
		refuse("Dir", s.Dir, "be an absolute path")
	}
	if s.Hosts < 1 || s.Hosts > MaxHosts {
		refuse("Hosts", s.Hosts, fmt.Sprintf("be 1 to %d", MaxHosts))
	}
	if len(s.Command) == 0 || s.Command[0] == "" {
		refuse("Command", s.Command, "name a program")
	}
	for _, arg := range s.Command {
		if strings.ContainsRune(arg, 0) {
			refuse("Command", fmt.Sprintf("%q", arg), "hold no zero byte")
		}
	}
	for name, value := range s.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			refuse("Env", fmt.Sprintf("%q", name), "have a name without '=' and no zero byte")
		}
	}
	if s.WorkDir != "" && !filepath.IsAbs(s.WorkDir) {
		refuse("WorkDir", s.WorkDir, "be an absolute path")
	}
	if s.Root != "" && !filepath.IsAbs(s.Root) {
		refuse("Root", s.Root, "be an absolute path")
	}
	for i, m := range s.Mounts {
		field := fmt.Sprintf("Mounts[%d]", i)
		if !filepath.IsAbs(m.Source) || !filepath.IsAbs(m.Target) || filepath.Clean(m.Target) == "/" {
			refuse(field, m.Source+" at "+m.Target, "have an absolute source, and an absolute target other than /")
		} else if _, err := os.Stat(m.Source); err != nil {
			refuse(field+".Source", m.Source, "exist and be readable ("+err.Error()+")")
		}
		if m.Host < 0 || m.Host > s.Hosts {
			refuse(field+".Host", m.Host, fmt.Sprintf("be 0 to %d", s.Hosts))
		}
	}
	for field, n := range map[string]int64{"VCPUs": int64(s.VCPUs), "MemoryBytes": s.MemoryBytes, "MaxRuntime": int64(s.MaxRuntime),
		"StopGrace": int64(s.StopGrace), "LogLimitBytes": s.LogLimitBytes} {
		if n < 0 {
			refuse(field, n, "not be negative")
		}
	}
	if s.StopGrace == 0 {
		s.StopGrace = defaultStopGrace
	}
	if s.LogLimitBytes == 0 {
		s.LogLimitBytes = defaultLogLimitBytes
	}
	s.Dir = filepath.Clean(s.Dir)
	return s, errors.Join(errs...)
}

// mountsOf lists the mounts of one host, counted from 1.
func (s Spec) mountsOf(host int) (mounts []Mount) {
	for _, m := range s.Mounts {
		if m.Host == 0 || m.Host == host {
			m.Target = filepath.Clean(m.Target)
			mounts = append(mounts, m)
		}
	}
	return mounts
}

// writeWhole replaces a file so that a reader, or a machine that comes back from a power failure, sees the old or the new one.
// durable waits for the disk.
func writeWhole(path string, data []byte, mode os.FileMode, durable bool) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && durable {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	if !durable {
		return nil
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
