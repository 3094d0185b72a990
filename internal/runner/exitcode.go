package runner

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// exitCode gives what a shell would: the code, or 128 + the signal's number and the signal's name.
func exitCode(ws syscall.WaitStatus) (code int, signal string) {
	if ws.Signaled() {
		return 128 + int(ws.Signal()), unix.SignalName(ws.Signal())
	}
	return ws.ExitStatus(), ""
}
