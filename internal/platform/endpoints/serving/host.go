package serving

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mobula-ml/mobula/internal/runner"
)

// A Host is one that serves a model, as this process knows it. next is that of the model's next container.
type Host struct {
	job      runner.Job
	client   *http.Client
	folder   *os.File // the host's /opt/ml, by which its socket is reached whatever the length of its path
	inFlight atomic.Int64
	once     sync.Once
	next     *Host
}

// Close lets go of a host, which goes on.
func (h *Host) Close() {
	h.once.Do(func() {
		h.client.CloseIdleConnections()
		if h.folder != nil {
			h.folder.Close()
		}
		if h.next != nil {
			h.next.Close()
		}
	})
}

// InFlight is how many requests the host works on.
func (h *Host) InFlight() int64 { return h.inFlight.Load() }

// Drain waits until no request is in flight, for at most d or until ctx ends.
func (h *Host) Drain(ctx context.Context, d time.Duration) {
	for end := time.Now().Add(d); h.inFlight.Load() > 0 && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(5 * time.Millisecond)
	}
}

// Alive says whether all the containers' hosts run.
func (h *Host) Alive() bool {
	status, err := h.job.Status()
	return err == nil && !status.State.Final() && (h.next == nil || h.next.Alive())
}

// Wait returns when the first of the containers' hosts has ended, or with ctx's error.
func (h *Host) Wait(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts []*Host
	for p := h; p != nil; p = p.next {
		parts = append(parts, p)
	}
	ended := make(chan error, len(parts))
	for _, p := range parts {
		go func() { _, err := p.job.Wait(ctx); ended <- err }()
	}
	return <-ended
}

// ErrNoHost is given while a host is being replaced.
var ErrNoHost = errors.New("the model has no host at the moment")

// open opens the way to a host. The Python server takes one request on each connection, and says so.
func (h *Hosts) open(job runner.Job) *Host {
	host := &Host{job: job}
	folder, err := os.Open(filepath.Join(runner.HostDir(job.Dir(), 1), "ml"))
	if err == nil && h.Runner.Name() == runner.Namespace {
		host.folder = folder
	} else if err == nil {
		folder.Close()
	}
	host.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if host.folder != nil { // the worker's own socket saves a way through the host's network
				if c, err := (&net.Dialer{}).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", host.folder.Fd(), socketName)); err == nil {
					return c, nil
				}
			}
			c, err := job.Dial(ctx, runner.HostName(1), runner.ServePort)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrNoHost, err)
			}
			return c, nil
		}}}
	return host
}

// await waits until the host answers that it is well: it has loaded its model and checked it.
func (h *Hosts) await(ctx context.Context, host *Host, patience time.Duration) error {
	ended := make(chan runner.Status, 1)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	go func() {
		if status, err := host.job.Wait(ctx); err == nil {
			ended <- status
		}
	}()
	for wait := 2 * time.Millisecond; ; wait = min(wait*3/2, 100*time.Millisecond) {
		if host.well(ctx) {
			return nil
		}
		select {
		case status := <-ended:
			return &Failure{host.why(status)}
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return &Failure{fmt.Sprintf("it did not pass the ping health check within %s. Please check its log.", patience)}
			}
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (h *Host) well(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://host/ping", nil)
	if err != nil {
		return false
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	return err == nil && resp.StatusCode == http.StatusOK
}

// why is the reason of a host that ended before it served: what it left in output/failure, else the end of its log.
func (h *Host) why(status runner.Status) string {
	text := readSome(filepath.Join(runner.HostDir(h.job.Dir(), 1), "ml", "output", "failure"))
	if text == "" {
		text = readSome(h.job.LogPath(runner.HostName(1)))
	}
	if text == "" {
		text = status.Reason
	}
	return "it did not start: " + text
}

// readSome reads the end of a file that a host wrote, if it is a file.
func readSome(path string) string {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const limit = 850
	f.Seek(max(0, info.Size()-limit), io.SeekStart)
	b, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(b), "�"))
}
