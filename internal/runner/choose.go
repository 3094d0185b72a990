package runner

import "errors"

// Options are what the runners need to know of the server.
type Options struct {
	// Executable is the program that supervisors and hosts are started from; its main must call Main. Defaults to the running one.
	Executable string
	// PlatformAddr is the server's loopback address, host:port, for the plain runner, whose hosts share the machine's network.
	PlatformAddr string
	// UserNamespace makes the namespace runner use a user namespace although root could do without.
	UserNamespace bool
}

// Choice is what Probe found.
type Choice struct {
	// Runner is Namespace or Plain.
	Runner string
	// Reason says why in one sentence.
	Reason string
	// Advice says what to allow so that the better runner can be had. Empty when it is.
	Advice []string
}

// Probe finds the best runner of this machine by building the namespaces of a host once.
func Probe(opts Options) Choice {
	return Choice{Runner: Plain, Reason: "namespaces were not tried"}
}

// Choose gives the runner that mode names: "auto" takes what Probe finds; Namespace fails with the advice where it cannot be had.
func Choose(mode string, opts Options) (Runner, Choice, error) {
	return nil, Choice{}, errors.ErrUnsupported
}
