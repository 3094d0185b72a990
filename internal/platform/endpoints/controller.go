package endpoints

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
	"github.com/mobula-ml/mobula/internal/store"
)

// lookAgain is how long a parked endpoint waits at most before it looks at its hosts without having been told that one ended.
const lookAgain = time.Minute

func (s *Service) reconcile(ctx context.Context, l *durable.Lease) error {
	var e *endpoint
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		e, err = endpointRows.GetARN(tx, l.Key)
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	case e.Status == awsapi.EndpointStatusDeleting:
		return s.remove(ctx, l, e)
	case e.Next != nil:
		return s.bring(ctx, l, e)
	case e.Current == nil:
		return nil // it failed, and waits for nothing
	}
	return s.hold(ctx, l, e)
}

// bring brings the next deployment up, and switches to it.
func (s *Service) bring(ctx context.Context, l *durable.Lease, e *endpoint) error {
	for i := 0; e.Current != nil && i < len(e.Current.Variants); i++ { // after a restart, what serves meanwhile is found again first
		v := &e.Current.Variants[i]
		for _, one := range v.instances() {
			s.alive(ctx, e, v, one)
		}
	}
	var failed *serving.Failure
	for i := range e.Next.Variants {
		err := s.bringUp(ctx, e, &e.Next.Variants[i])
		if errors.As(err, &failed) {
			break
		}
		if err != nil {
			return err
		}
	}
	old := e.Current
	next := e.Next
	err := l.Update(ctx, func(tx *store.Tx) error {
		now, err := endpointRows.GetARN(tx, e.ARN)
		if err != nil {
			return err
		}
		if now.Status == awsapi.EndpointStatusDeleting {
			*e = *now
			return nil // the next pass removes it
		}
		now.Modified = s.World.Now()
		switch {
		case failed == nil:
			now.Current, now.Next, now.Config = next, nil, next.Config
			now.Status, now.Reason = awsapi.EndpointStatusInService, ""
		case old != nil: // the update failed, what served goes on serving
			now.Next, now.Config, now.Status, now.Reason = nil, old.Config, awsapi.EndpointStatusInService, failed.Reason
		default:
			now.Next, now.Status, now.Reason = nil, awsapi.EndpointStatusFailed, failed.Reason
		}
		*e = *now
		if err := endpointRows.Put(tx, e.Scope, e.Name, e); err != nil {
			return err
		}
		return emit(tx, e, e.Status)
	})
	if err != nil {
		return err
	}
	if e.Status == awsapi.EndpointStatusDeleting {
		return durable.Park(0)
	}
	gone := old
	if failed != nil {
		gone = next
	}
	s.retire(gone, e.Current)
	if e.Current == nil {
		return nil
	}
	return durable.Park(0) // a host that stays may have died meanwhile
}

// bringUp starts those hosts of a variant that do not serve already, the first of them alone: what is wrong with the model shows once.
func (s *Service) bringUp(ctx context.Context, e *endpoint, v *variant) error {
	serve := e.Current.ids()
	var fresh []*instance
	for _, one := range v.instances() {
		if !serve[one.ID] {
			one.LastStart = s.World.Now()
			fresh = append(fresh, one)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := s.ensure(ctx, e, v, fresh[0]); err != nil {
		return err
	}
	errs := make([]error, len(fresh))
	var wg sync.WaitGroup
	for i, one := range fresh[1:] {
		wg.Go(func() { errs[i] = s.ensure(ctx, e, v, one) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// drain is how long requests in flight have before the hosts of a deployment that no longer serves end: as long as one may take.
const drain = streamTimeout

// retire ends the hosts of a deployment that another does not have, after what is in flight has had time to end. The controller does not wait
// for that; what is left when the server stops is removed at its next start.
func (s *Service) retire(gone, stays *deployment) {
	kept := stays.ids()
	for id := range gone.ids() {
		if kept[id] {
			continue
		}
		hosts := s.take(id)
		s.wg.Go(func() {
			for _, h := range hosts {
				h.Drain(s.ctx, drain)
			}
			s.discard(context.WithoutCancel(s.ctx), id, hosts)
		})
	}
}

// discard ends the hosts of an instance that has no requests any more.
func (s *Service) discard(ctx context.Context, id string, hosts []*serving.Host) {
	for _, h := range hosts {
		h.Close()
	}
	s.Hosts.Remove(ctx, filepath.Join(s.Dir, id))
	s.Capacity.Drop(id)
}

// backoff is the wait before a host is replaced that died soon after its start.
func backoff(restarts int) time.Duration {
	return min(100*time.Millisecond<<min(restarts, 10), 30*time.Second)
}

// steady is how long a host must have run for its next death to count as the first.
const steady = 5 * time.Minute

// hold finds the hosts of an endpoint in service again, and replaces those that have died.
func (s *Service) hold(ctx context.Context, l *durable.Lease, e *endpoint) error {
	wait := lookAgain
	for i := range e.Current.Variants {
		v := &e.Current.Variants[i]
		for _, one := range v.instances() {
			if s.alive(ctx, e, v, one) {
				continue
			}
			if age := s.World.Now().Sub(one.LastStart); age > steady {
				one.Restarts = 0
			} else if left := backoff(one.Restarts) - age; left > 0 {
				wait = min(wait, left)
				continue
			}
			s.Log.Warn("replace a host of an endpoint", "endpoint", e.Name, "variant", v.Name, "restarts", one.Restarts)
			if err := s.replace(ctx, l, e, v, one); err != nil {
				var failed *serving.Failure
				if !errors.As(err, &failed) {
					return err
				}
				s.Log.Error("host of an endpoint cannot be replaced", "endpoint", e.Name, "variant", v.Name, "reason", failed.Reason)
				wait = min(wait, backoff(one.Restarts))
			}
		}
	}
	return durable.Park(wait)
}

// replace starts a new host for a variant under a new id, which is committed first.
func (s *Service) replace(ctx context.Context, l *durable.Lease, e *endpoint, v *variant, one *instance) error {
	old := one.ID
	one.ID, one.LastStart, one.Restarts = s.World.NewID(12), s.World.Now(), one.Restarts+1
	err := l.Update(ctx, func(tx *store.Tx) error {
		now, err := endpointRows.GetARN(tx, e.ARN)
		if err != nil {
			return err
		}
		if !now.Current.ids()[old] {
			return fmt.Errorf("endpoint %s changed while a host was replaced", e.Name)
		}
		for _, kept := range now.Current.variant(v.Name).instances() {
			if kept.ID == old {
				*kept = *one
			}
		}
		return endpointRows.Put(tx, now.Scope, now.Name, now)
	})
	if err != nil {
		return err
	}
	s.discard(ctx, old, s.take(old))
	return s.ensure(ctx, e, v, one)
}

// remove ends all hosts and removes the row.
func (s *Service) remove(ctx context.Context, l *durable.Lease, e *endpoint) error {
	var gone sync.WaitGroup
	for _, d := range []*deployment{e.Current, e.Next} {
		for id := range d.ids() {
			gone.Go(func() { s.discard(ctx, id, s.take(id)) })
		}
	}
	gone.Wait()
	if err := s.Keys.Revoke(ctx, e.ARN); err != nil {
		return err
	}
	return l.Update(ctx, func(tx *store.Tx) error {
		if err := endpointRows.Delete(tx, e.Scope, e.Name); err != nil {
			return err
		}
		return emit(tx, e, "Deleted")
	})
}
