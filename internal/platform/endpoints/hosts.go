package endpoints

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/store"
)

func (s *Service) host(id string) *serving.Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hosts[id]
}

// take takes the hosts of an instance out of those that requests go to.
func (s *Service) take(id string) (all []*serving.Host) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.hosts[id]; h != nil {
		all = append(all, h)
		delete(s.hosts, id)
	}
	for key, m := range s.models {
		if m.instance == id {
			delete(s.models, key)
			if m.host != nil {
				all = append(all, m.host)
			}
		}
	}
	return all
}

// pick is the host of a variant that has the fewest requests, and another than the one that has just failed if there is one. It is nil while all
// are being replaced.
func (s *Service) pick(v *variant, failed *serving.Host) (best *serving.Host) {
	all := v.instances()
	first := s.next.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range all {
		h := s.hosts[all[(first+uint64(i))%uint64(len(all))].ID]
		if h != nil && (best == nil || best == failed || h != failed && h.InFlight() < best.InFlight()) {
			best = h
		}
	}
	return best
}

// place is where a variant's host is, and where its log goes: stream "<variant>/algo-<n>-<ms>" of group "/aws/sagemaker/Endpoints/<endpoint>".
func (s *Service) place(e *endpoint, v *variant, one *instance) serving.Place {
	n := 1 + slices.IndexFunc(v.instances(), func(i *instance) bool { return i.ID == one.ID })
	return serving.Place{Dir: filepath.Join(s.Dir, one.ID), Name: e.Name + "/" + v.Name, Owner: e.ARN, Scope: e.Scope,
		Log: filepath.Join(s.LogDir, "Endpoints", e.Name, v.Name, fmt.Sprintf("%s-%d", runner.HostName(n), one.LastStart.UnixMilli()))}
}

// alive says whether a variant's host runs. One that a server before this started is found again.
func (s *Service) alive(ctx context.Context, e *endpoint, v *variant, one *instance) bool {
	if v.Multi {
		return true // its hosts are started when they are asked
	}
	if h := s.host(one.ID); h != nil {
		return h.Alive()
	}
	h := s.Hosts.Attach(ctx, s.place(e, v, one), v.serves())
	if h != nil {
		s.adopt(e, one.ID, h)
	}
	return h != nil
}

// ensure starts a host of a variant, unless it runs, and waits until it answers.
func (s *Service) ensure(ctx context.Context, e *endpoint, v *variant, one *instance) error {
	s.Capacity.Hold(one.ID, v.memory()) // until it is discarded
	if v.Multi {
		return nil
	}
	h, err := s.Hosts.Ensure(ctx, s.place(e, v, one), v.serves(), v.HealthTimeout)
	var failed *serving.Failure
	if errors.As(err, &failed) {
		return &serving.Failure{Reason: cut(fmt.Sprintf("The container for production variant %s cannot serve: %s", v.Name, failed.Reason))}
	}
	if err != nil {
		return err
	}
	for _, old := range s.take(one.ID) {
		old.Close()
	}
	s.adopt(e, one.ID, h)
	return nil
}

// adopt keeps a host, and signals the endpoint's controller when it ends.
func (s *Service) adopt(e *endpoint, id string, h *serving.Host) {
	s.mu.Lock()
	s.hosts[id] = h
	s.mu.Unlock()
	arn := e.ARN
	s.wg.Go(func() {
		if err := h.Wait(s.ctx); err != nil {
			return // the server stops
		}
		s.mu.Lock()
		if s.hosts[id] == h { // no request is to try it
			delete(s.hosts, id)
			h.Close()
		}
		s.mu.Unlock()
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
