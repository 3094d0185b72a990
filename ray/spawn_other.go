//go:build !linux

package ray

import (
	"errors"
	"io"
	"os/exec"
	"runtime"
)

func spawn(io.Writer) (*process, error) {
	return nil, errors.New("isolation \"processes\" needs Linux, this is " + runtime.GOOS)
}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func closeOnExec(int) {}
