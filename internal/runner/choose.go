package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Options are what the runners need to know of the server.
type Options struct {
	// Executable is the program that supervisors and hosts are started from; its main must call Main. Defaults to the running one.
	Executable string
	// PlatformAddr is the server's loopback address, host:port, for the plain runner, whose hosts share the machine's network.
	PlatformAddr string
	// Hidden folders of the machine look empty to hosts under the namespace runner: the server's data, with its keys. A job sees of
	// them what its Mounts name.
	Hidden []string
	// Outside is how hosts reach servers that are not of the job.
	Outside Outside
	// UserNamespace makes the namespace runner use a user namespace although root could do without.
	UserNamespace bool
}

// Outside is what programs in hosts need so that connections to the outside, and to the addresses of AWS that are built into them, go by the
// server. The server's socket or address must take CONNECT.
type Outside struct {
	// CABundle is the file of the certificates to trust. Defaults to the machine's own.
	CABundle string `json:"ca_bundle,omitempty"`
	// CAVariables are the environment variables in which programs look for such a file.
	CAVariables []string `json:"ca_variables,omitempty"`
	// CAFiles are where the machine itself keeps such a file. Under the namespace runner programs find CABundle there.
	CAFiles []string `json:"ca_files,omitempty"`
	// Proxy is the server's address as a proxy, for the plain runner, whose hosts share the machine's network.
	Proxy string `json:"proxy,omitempty"`
}

// trust sets the variables to where a host sees the bundle.
func (o Outside) trust(env map[string]string, bundle string) {
	for _, name := range o.CAVariables {
		env[name] = bundle
	}
}

// Choice is what Probe found.
type Choice struct {
	// Runner is Namespace or Plain.
	Runner string
	// Reason says why in one sentence.
	Reason string
	// UserNamespace: the namespace runner needs one to be root in.
	UserNamespace bool
	// Advice says what to allow so that the better runner can be had. Empty when it is.
	Advice []string
}

// Auto is the mode in which Choose takes what Probe finds.
const Auto = "auto"

const probeTimeout = 10 * time.Second

// Probe finds the best runner of this machine by making the namespaces of a host once.
func Probe(ctx context.Context, opts Options) Choice {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	modes := []bool{true}
	if os.Geteuid() == 0 && !opts.UserNamespace {
		modes = []bool{false, true}
	}
	var failures []string
	for _, userNamespace := range modes {
		err := probeNamespaces(ctx, opts.program(), userNamespace)
		if err == nil && userNamespace {
			return Choice{Runner: Namespace, Reason: "this machine lets the user make namespaces", UserNamespace: true}
		}
		if err == nil {
			return Choice{Runner: Namespace, Reason: "root may make namespaces on this machine"}
		}
		failures = append(failures, err.Error())
	}
	return Choice{Runner: Plain, Reason: "this machine does not let jobs have namespaces: " + strings.Join(failures, "; "), Advice: namespaceAdvice()}
}

// Choose gives the runner that mode names: Auto takes what Probe finds; Namespace fails with the advice where it cannot be had;
// Plain is always there. The Choice says which and why.
func Choose(ctx context.Context, mode string, opts Options) (Runner, Choice, error) {
	var choice Choice
	switch mode {
	case Plain:
		choice = Choice{Runner: Plain, Reason: "it was asked for"}
	case Auto, Namespace:
		choice = Probe(ctx, opts)
	default:
		return nil, choice, fmt.Errorf("runner %q: must be %s, %s or %s", mode, Auto, Namespace, Plain)
	}
	if mode == Namespace && choice.Runner != Namespace {
		return nil, choice, errors.New(strings.Join(append([]string{choice.Reason}, choice.Advice...), ". Try: "))
	}
	r := &supervised{kind: choice.Runner, program: opts.program(), executable: opts.executable(), hidden: opts.Hidden, outside: opts.Outside}
	if choice.Runner == Namespace {
		r.url, r.attributes = namespaceURL, namespaceAttributes(choice.UserNamespace)
		if !cgroupsUsable() {
			r.notes = []string{"This user may not make control groups: memory and processor limits of an instance type are not applied."}
		}
		return r, choice, nil
	}
	r.url, r.attributes, r.notes = "http://"+opts.PlatformAddr, plainSupervisor, append(choice.Advice, plainNotes...)
	return r, choice, nil
}

// program is what supervisors are started from: this very program, also when another was installed in its place meanwhile.
func (o Options) program() string {
	if o.Executable == "" && runtime.GOOS == "linux" {
		return "/proc/self/exe"
	}
	return o.executable()
}

// executable is the program's path.
func (o Options) executable() string {
	if o.Executable != "" {
		return o.Executable
	}
	path, err := os.Executable()
	if err != nil {
		return "/proc/self/exe"
	}
	return path
}
