package endpoints

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/store"
)

func (s *Service) host(id string) *serving.Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hosts[id]
}

func (s *Service) take(id string) *serving.Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hosts[id]
	delete(s.hosts, id)
	return h
}

// place is where a variant's hosts are, and where their log goes: stream "<variant>/algo-1-<ms>" of group "/aws/sagemaker/Endpoints/<endpoint>".
func (s *Service) place(e *endpoint, v *variant) serving.Place {
	return serving.Place{Dir: filepath.Join(s.Dir, v.ID), Name: e.Name + "/" + v.Name, Owner: e.ARN, Scope: e.Scope,
		Log: filepath.Join(s.LogDir, "Endpoints", e.Name, v.Name, fmt.Sprintf("%s-%d", runner.HostName(1), v.LastStart.UnixMilli()))}
}

// alive says whether a variant's hosts run. Those that a server before this started are found again.
func (s *Service) alive(ctx context.Context, e *endpoint, v *variant) bool {
	if h := s.host(v.ID); h != nil {
		return h.Alive()
	}
	h := s.Hosts.Attach(ctx, s.place(e, v), v.serves())
	if h != nil {
		s.adopt(e, v, h)
	}
	return h != nil
}

// ensure starts the hosts of a variant, unless they run, and waits until they answer.
func (s *Service) ensure(ctx context.Context, e *endpoint, v *variant) error {
	h, err := s.Hosts.Ensure(ctx, s.place(e, v), v.serves(), v.HealthTimeout)
	var failed *serving.Failure
	if errors.As(err, &failed) {
		return &serving.Failure{Reason: cut(fmt.Sprintf("The container for production variant %s cannot serve: %s", v.Name, failed.Reason))}
	}
	if err != nil {
		return err
	}
	if old := s.take(v.ID); old != nil {
		old.Close()
	}
	s.adopt(e, v, h)
	return nil
}

// adopt keeps a host, and signals the endpoint's controller when it ends.
func (s *Service) adopt(e *endpoint, v *variant, h *serving.Host) {
	s.mu.Lock()
	s.hosts[v.ID] = h
	s.mu.Unlock()
	arn := e.ARN
	s.wg.Go(func() {
		if err := h.Wait(s.ctx); err != nil {
			return // the server stops
		}
		if err := s.DB.Update(context.WithoutCancel(s.ctx), func(tx *store.Tx) error { return s.Engine.Signal(tx, controller, arn) }); err != nil && !errors.Is(err, store.ErrClosed) {
			s.Log.Error("signal endpoint", "endpoint", arn, "error", err)
		}
	})
}

// cut is the limit that the API sets to reasons.
func cut(s string) string {
	const limit = 1024
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}
