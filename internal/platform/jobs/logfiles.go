package jobs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mobula-ml/mobula/internal/runner"
)

// logPath is where the log of a host stays: by group, job and stream, as the logs room reads it.
func (s *Service) logPath(j *job, host int) string {
	group := "TrainingJobs"
	if j.Processing != nil {
		group = "ProcessingJobs"
	}
	return filepath.Join(s.LogDir, group, j.Name, fmt.Sprintf("%s-%d.log", runner.HostName(host), j.Created.UnixMilli()))
}

// shareLogs makes the files that the hosts will write to, each under a second name that outlives the job's folder.
func (p *pass) shareLogs(hosts int) error {
	for n := 1; n <= hosts; n++ {
		written := filepath.Join(p.dir, "logs", runner.HostName(n)+".log")
		kept := p.svc.logPath(p.job, n)
		for _, path := range []string{written, kept} {
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				return err
			}
		}
		f, err := os.OpenFile(written, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		f.Close()
		if err := os.Remove(kept); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Link(written, kept); err != nil {
			return err
		}
	}
	return nil
}
