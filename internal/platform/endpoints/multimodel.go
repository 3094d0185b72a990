package endpoints

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"path/filepath"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
	"github.com/mobula-ml/mobula/internal/store"
)

// mostLoaded is how many models an instance of a multi-model variant has loaded at a time. One more takes the place of the one that was asked
// longest ago.
const mostLoaded = 8

// targetFolder begins, after the instance's id and a dot, the names of the folders of the models' hosts.
const targetFolder = "model-"

// A target is one of the models of a multi-model variant: it has a host of its own, on the instance that its name leads to, from when it is asked
// first. After a restart of the server it is loaded again.
type target struct {
	instance, folder string
	used             time.Time
	ready            chan struct{} // closed when host or err is there
	host             *serving.Host
	err              error
}

// checkTarget says whether a request names a model exactly where the variant has several.
func checkTarget(e *endpoint, v *variant, model string) error {
	switch {
	case v.Multi && model == "":
		return awsapi.ValidationError("Endpoint %s is a multi-model endpoint: targetModel must name the archive below %s that is asked.", e.Name, v.DataURL)
	case !v.Multi && model != "":
		return awsapi.ValidationError("Endpoint %s is no multi-model endpoint; leave targetModel out.", e.Name)
	}
	return nil
}

// load finds the host of a model, or starts it. The start goes on where the caller no longer waits for it.
func (s *Service) load(ctx context.Context, e *endpoint, v *variant, model string) (*serving.Host, error) {
	all := v.instances()
	one := all[crc32.ChecksumIEEE([]byte(model))%uint32(len(all))]
	key := one.ID + "/" + model
	s.mu.Lock()
	m := s.models[key]
	s.mu.Unlock()
	if m == nil {
		container := v.Target(model)
		bucket, name, err := object.ParseURI(container.DataURL)
		if err == nil {
			_, err = s.Objects.Head(ctx, bucket, name)
		}
		if err != nil {
			return nil, awsapi.ValidationError("Failed to download model data(bucket: %s, key: %s). Please ensure that there is an object located at the URL: %v", bucket, name, err)
		}
		s.mu.Lock()
		if m = s.models[key]; m == nil {
			m = &target{instance: one.ID, folder: one.ID + "." + targetFolder + s.World.NewID(12), ready: make(chan struct{})}
			s.models[key] = m
			s.unloadOldest(one.ID)
			s.wg.Go(func() { s.start(e, v, one, key, m, container) })
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	m.used = s.World.Now()
	s.mu.Unlock()
	select {
	case <-m.ready:
		return m.host, m.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, &awsapi.Error{Code: "ModelNotReadyException", Status: http.StatusTooManyRequests, Message: fmt.Sprintf("Model %s is being loaded. Try again.", model)}
		}
		return nil, ctx.Err()
	}
}

// start starts the host of a model and waits for its end, or for that of the server.
func (s *Service) start(e *endpoint, v *variant, one *instance, key string, m *target, c serving.Container) {
	place := s.place(e, v, one)
	place.Dir, place.Log = filepath.Join(s.Dir, m.folder), fmt.Sprintf("%s-%s", place.Log, m.folder[len(m.instance)+1+len(targetFolder):])
	model := serving.Model{Container: c, Role: v.Role}
	h, err := s.Hosts.Ensure(s.ctx, place, model, v.HealthTimeout)
	if err == nil {
		err = s.named(e.ARN, m.instance)
	}
	s.mu.Lock()
	if err == nil && s.models[key] != m {
		err = serving.ErrNoHost // its instance went meanwhile
	}
	if m.host = h; err != nil {
		m.host, m.err = nil, err
	}
	s.mu.Unlock()
	close(m.ready)
	if err == nil && h.Wait(s.ctx) != nil {
		return // the server stops
	}
	s.mu.Lock()
	if s.models[key] == m {
		delete(s.models, key)
	}
	s.mu.Unlock()
	if h != nil {
		h.Close()
	}
	s.Hosts.RemoveHosts(context.WithoutCancel(s.ctx), place.Dir, model)
}

// named says whether an endpoint has an instance still.
func (s *Service) named(arn, id string) error {
	return s.DB.View(s.ctx, func(tx *store.Tx) error {
		e, err := endpointRows.GetARN(tx, arn)
		if err == nil && (e.Status == awsapi.EndpointStatusDeleting || !e.Current.ids()[id]) {
			err = store.ErrNotFound
		}
		if errors.Is(err, store.ErrNotFound) {
			return serving.ErrNoHost
		}
		return err
	})
}

// unloadOldest ends the host of the model that was asked longest ago, if an instance has too many. The caller holds the lock.
func (s *Service) unloadOldest(instance string) {
	n, oldest := 0, ""
	for key, m := range s.models {
		if m.instance != instance {
			continue
		}
		n++
		if m.host != nil && (oldest == "" || m.used.Before(s.models[oldest].used)) {
			oldest = key
		}
	}
	if n <= mostLoaded || oldest == "" {
		return
	}
	h, folder := s.models[oldest].host, s.models[oldest].folder
	delete(s.models, oldest)
	s.wg.Go(func() {
		h.Drain(s.ctx, drain)
		s.Hosts.Remove(context.WithoutCancel(s.ctx), filepath.Join(s.Dir, folder)) // its start sees that it has ended
	})
}
