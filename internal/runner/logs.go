package runner

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// logSet is the hosts' log files. User code writes to them itself, so that no line is lost when something dies in between;
// the supervisor only cuts what outgrows the limit.
type logSet struct {
	files []*os.File
	limit int64
}

func openLogs(spec Spec) (*logSet, error) {
	set := &logSet{limit: spec.LogLimitBytes}
	for i := range spec.Hosts {
		f, err := os.OpenFile(logPath(spec.Dir, i), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return set, err
		}
		set.files = append(set.files, f)
	}
	return set, nil
}

// note appends a line of the runner's own, where the host has a log.
func (l *logSet) note(i int, text string) {
	if i < len(l.files) {
		fmt.Fprintf(l.files[i], "mobula: %s\n", text)
	}
}

// cut brings every log that outgrew the limit back to it and says so in the log.
func (l *logSet) cut() error {
	note := fmt.Sprintf("\nmobula: the log is cut here, at its limit of %d bytes\n", l.limit)
	var errs []error
	for _, f := range l.files {
		info, err := f.Stat()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if info.Size() <= l.limit+int64(len(note)) {
			continue
		}
		if err = f.Truncate(l.limit); err == nil {
			_, err = f.WriteString(note)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// cutter looks at the sizes from time to time.
type cutter struct {
	quit chan struct{}
	done sync.WaitGroup
}

func (l *logSet) cutEvery(interval time.Duration) *cutter {
	c := &cutter{quit: make(chan struct{})}
	c.done.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for over := false; !over; {
			select {
			case <-ticker.C:
			case <-c.quit:
				over = true
			}
			if err := l.cut(); err != nil {
				slog.Error("cut logs", "error", err)
			}
		}
	})
	return c
}

// stop returns after a last look.
func (c *cutter) stop() {
	close(c.quit)
	c.done.Wait()
}
