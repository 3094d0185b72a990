package endpoints

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/xgboost"
)

// A host is one that serves a variant, as this process knows it.
type host struct {
	job      runner.Job
	client   *http.Client
	folder   *os.File // the host's /opt/ml, by which its socket is reached whatever the length of its path
	inFlight atomic.Int64
	once     sync.Once
}

func (h *host) close() {
	h.once.Do(func() {
		h.client.CloseIdleConnections()
		if h.folder != nil {
			h.folder.Close()
		}
	})
}

// drain waits until no request is in flight, for at most d.
func (h *host) drain(d time.Duration) {
	for end := time.Now().Add(d); h.inFlight.Load() > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *Service) host(id string) *host {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hosts[id]
}

func (s *Service) take(id string) *host {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[id]
	delete(s.hosts, id)
	return h
}

// alive says whether a variant's host runs. One that a server before this started is found again.
func (s *Service) alive(ctx context.Context, e *endpoint, v *variant) bool {
	if h := s.host(v.ID); h != nil {
		status, err := h.job.Status()
		return err == nil && !status.State.Final()
	}
	job, err := s.Runner.Attach(ctx, filepath.Join(s.Dir, v.ID))
	if err != nil {
		return false
	}
	status, err := job.Status()
	if err != nil || status.State.Final() {
		return false
	}
	s.watch(e.ARN, s.adopt(v, job))
	return true
}

// adopt opens the way to a host and watches for its end.
func (s *Service) adopt(v *variant, job runner.Job) *host {
	h := &host{job: job}
	ml := filepath.Join(runner.HostDir(job.Dir(), 1), "ml")
	folder, err := os.Open(ml)
	if err == nil && s.Runner.Name() == runner.Namespace {
		h.folder = folder
	} else if err == nil {
		folder.Close()
	}
	h.client = newClient(&http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if h.folder != nil { // the worker's own socket saves a way through the host's network
			if c, err := (&net.Dialer{}).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", h.folder.Fd(), socketName)); err == nil {
				return c, nil
			}
		}
		c, err := job.Dial(ctx, runner.HostName(1), runner.ServePort)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoHost, err)
		}
		return c, nil
	}})
	s.mu.Lock()
	s.hosts[v.ID] = h
	s.mu.Unlock()
	return h
}

// watch signals the endpoint's controller when a host ends.
func (s *Service) watch(arn string, h *host) {
	s.wg.Go(func() {
		if _, err := h.job.Wait(s.ctx); err != nil {
			return // the server stops
		}
		if err := s.DB.Update(context.WithoutCancel(s.ctx), func(tx *store.Tx) error { return s.Engine.Signal(tx, controller, arn) }); err != nil && !errors.Is(err, store.ErrClosed) {
			s.Log.Error("signal endpoint", "endpoint", arn, "error", err)
		}
	})
}

// The names in a host.
const (
	libraryFolder = "/opt/mobula/xgboost"

	socketName = "serve.sock"
	ml         = "/opt/ml"
)

// ensure starts the host of a variant, unless it runs, and waits until it answers.
func (s *Service) ensure(ctx context.Context, e *endpoint, v *variant) error {
	dir := filepath.Join(s.Dir, v.ID)
	job, err := s.Runner.Attach(ctx, dir)
	if errors.Is(err, runner.ErrNotStarted) {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := s.unpack(ctx, v.DataURL, filepath.Join(runner.HostDir(dir, 1), "ml", "model")); err != nil {
			return err
		}
		job, err = s.start(ctx, e, v, dir)
	}
	if err != nil {
		return err
	}
	if old := s.take(v.ID); old != nil {
		old.close()
	}
	h := s.adopt(v, job)
	if err := s.await(ctx, h, v); err != nil {
		s.take(v.ID)
		h.close()
		return err
	}
	s.watch(e.ARN, h)
	return nil
}

func (s *Service) start(ctx context.Context, e *endpoint, v *variant, dir string) (runner.Job, error) {
	command, err := commandOf(v.Image)
	if err != nil {
		return nil, &failure{err.Error()}
	}
	if err := s.shareLog(e, v, dir); err != nil {
		return nil, err
	}
	environment := map[string]string{}
	maps.Copy(environment, v.Environment)
	if s.Runner.Name() == runner.Namespace {
		environment[builtin.ServeSocketVariable] = ml + "/" + socketName
	}
	spec := runner.Spec{Name: e.Name + "/" + v.Name, Dir: dir, Hosts: 1, Command: command, Env: environment, PlatformSocket: s.Socket, StopGrace: 5 * time.Second}
	if s.Library != "" {
		environment[xgboost.PathVariable] = spec.Show(s.Runner, xgboost.LibraryFolder(s.Library), s.Library, libraryFolder)
	}
	return s.Runner.Start(ctx, spec)
}

// shareLog gives the host's log a second name that outlives its folder: stream "<variant>/algo-1-<ms>" of group "/aws/sagemaker/Endpoints/<endpoint>".
func (s *Service) shareLog(e *endpoint, v *variant, dir string) error {
	written := filepath.Join(dir, "logs", runner.HostName(1)+".log")
	kept := filepath.Join(s.LogDir, "Endpoints", e.Name, v.Name, fmt.Sprintf("%s-%d.log", runner.HostName(1), v.LastStart.UnixMilli()))
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
	return os.Link(written, kept)
}

// await waits until the host answers that it is well: it has loaded its model and checked it.
func (s *Service) await(ctx context.Context, h *host, v *variant) error {
	ended := make(chan runner.Status, 1)
	ctx, cancel := context.WithTimeout(ctx, v.HealthTimeout)
	defer cancel()
	go func() {
		if status, err := h.job.Wait(ctx); err == nil {
			ended <- status
		}
	}()
	for wait := 2 * time.Millisecond; ; wait = min(wait*3/2, 100*time.Millisecond) {
		if s.well(ctx, h) {
			return nil
		}
		select {
		case status := <-ended:
			return &failure{s.why(h, v, status)}
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return &failure{fmt.Sprintf("The container for production variant %s did not pass the ping health check within %s. Please check its log.", v.Name, v.HealthTimeout)}
			}
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (s *Service) well(ctx context.Context, h *host) bool {
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
func (s *Service) why(h *host, v *variant, status runner.Status) string {
	text := readSome(filepath.Join(runner.HostDir(h.job.Dir(), 1), "ml", "output", "failure"))
	if text == "" {
		text = readSome(h.job.LogPath(runner.HostName(1)))
	}
	if text == "" {
		text = status.Reason
	}
	return fmt.Sprintf("The container for production variant %s did not start: %s", v.Name, text)
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
	const limit = 900
	f.Seek(max(0, info.Size()-limit), io.SeekStart)
	b, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(b), "�"))
}
