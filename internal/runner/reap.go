package runner

import (
	"errors"
	"syscall"
)

// exit is the end of host's process, counted from 0.
type exit struct {
	host   int
	status syscall.WaitStatus
}

// reap collects every child of the supervisor, also those that the kernel gave it when their parents ended, and tells of the hosts'.
// It ends when there are no children left.
func reap(hosts []HostStatus) <-chan exit {
	exits := make(chan exit, len(hosts))
	go func() {
		for {
			var ws syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &ws, 0, nil)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil {
				return
			}
			for i, h := range hosts {
				if h.PID == pid && (ws.Exited() || ws.Signaled()) {
					exits <- exit{i, ws}
					hosts[i].PID = 0 // the number may come again
				}
			}
		}
	}()
	return exits
}
