package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// inForeground says whether the terminal sends what is typed on it, such as Ctrl-C, to this program and the commands that it started.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false // there is no terminal
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
