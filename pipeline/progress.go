package pipeline

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Progress is how far a long piece of work has come.
type Progress struct {
	Done, Total int64
	Unit        string // what is counted, such as records
}

// Fraction is Done of Total, between 0 and 1.
func (p Progress) Fraction() float64 {
	if p.Total <= 0 {
		return 0
	}
	return min(1, max(0, float64(p.Done)/float64(p.Total)))
}

func (p Progress) String() string { return fmt.Sprintf("%d/%d %s", p.Done, p.Total, p.Unit) }

// progressEvery is how often a job's log gets a line of progress at most: a client draws at most a few a second.
const progressEvery = 100 * time.Millisecond

// progress is what the log was last told.
type progress struct {
	at   time.Time
	last Progress
}

// Progress tells the log, and whoever follows it, how far the step has come. Call it as often as you like: few calls write a line. The first
// of a unit and the one that reaches total always do.
func (j *Job) Progress(done, total int, unit string) {
	p := Progress{Done: int64(done), Total: int64(total), Unit: unit}
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.world.Now()
	first, end := p.Unit != j.progress.last.Unit || p.Total != j.progress.last.Total, done >= total
	if p == j.progress.last || !first && !end && now.Sub(j.progress.at) < progressEvery {
		return
	}
	j.progress.at, j.progress.last = now, p
	fmt.Fprintf(j.out, "progress: %s\n", p)
}

var progressLine = regexp.MustCompile(`^progress: (\d{1,18})/(\d{1,18}) (\S.*)$`)

// parseProgress reads a line of a job's log.
func parseProgress(line string) (Progress, bool) {
	m := progressLine.FindStringSubmatch(line)
	if m == nil {
		return Progress{}, false
	}
	done, _ := strconv.ParseInt(m[1], 10, 64)
	total, _ := strconv.ParseInt(m[2], 10, 64)
	return Progress{Done: done, Total: total, Unit: m[3]}, true
}
