package transform

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/store"
)

// errStopped is what cuts a job short that was asked to stop.
var errStopped = capacity.ErrStopped

// A userError is a mistake in the data or the model: the job fails with its text.
type userError struct{ text string }

func (e *userError) Error() string { return e.text }

func clientError(format string, args ...any) error { return &userError{fmt.Sprintf(format, args...)} }

// startPatience is how long a model has to load and answer.
const startPatience = 10 * time.Minute

// A pass is one call of the controller. It brings the job to its end unless the server stops.
type pass struct {
	svc   *Service
	lease *durable.Lease
	job   *job
	plan  *plan

	payload int64         // bytes of one request, 0 for no limit
	slots   chan struct{} // one for each request that may be on its way

	mu      sync.Mutex
	host    *serving.Host
	revived int
}

func (s *Service) control(ctx context.Context, l *durable.Lease) error {
	p := &pass{svc: s, lease: l}
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		p.job, err = rows.GetARN(tx, l.Key)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || p.job.over() {
		return err
	}
	if p.plan, err = planOf(p.job.Request); err != nil {
		return p.end(ctx, awsapi.TransformJobStatusFailed, err.Error())
	}
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s.mu.Lock()
	s.stops[p.job.ARN] = stop
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.stops, p.job.ARN)
		s.mu.Unlock()
	}()
	// The row is read again: what was asked before the way to stop was there stands in it.
	err = p.change(ctx, func(*job) {})
	if err == nil && p.job.StopAsked {
		stop(errStopped)
	}
	if err == nil {
		err = p.inTurn(work)
	}
	var user *userError
	var failed *serving.Failure
	switch {
	case errors.Is(context.Cause(work), errStopped):
		return p.end(ctx, awsapi.TransformJobStatusStopped, "")
	case err == nil:
		return p.end(ctx, awsapi.TransformJobStatusCompleted, "")
	case errors.As(err, &user):
		return p.end(ctx, awsapi.TransformJobStatusFailed, "ClientError: "+user.text)
	case errors.As(err, &failed):
		return p.end(ctx, awsapi.TransformJobStatusFailed, "ClientError: The container of model "+*p.job.Request.ModelName+" cannot serve: "+failed.Reason)
	}
	return err
}

// inTurn runs the job when there is room for it.
func (p *pass) inTurn(ctx context.Context) error {
	release, err := p.room(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := p.change(ctx, func(j *job) {
		if j.Started == nil && !j.StopAsked {
			j.Started = new(p.svc.World.Now())
		}
	}); err != nil {
		return err
	}
	return p.run(ctx)
}

// room waits for the job's part of the machine. One whose hosts run already has it.
func (p *pass) room(ctx context.Context) (release func(), err error) {
	p.svc.mu.Lock()
	release = p.svc.found[p.job.ARN]
	delete(p.svc.found, p.job.ARN)
	p.svc.mu.Unlock()
	switch {
	case release != nil:
		return release, nil
	case p.job.Started != nil: // its controller failed since
		return p.svc.Capacity.Force(p.job.need()), nil
	}
	return p.svc.Capacity.Take(ctx, p.job.need(), nil, func() error { return nil })
}

// place is where the job's hosts are, and where their log goes.
func (p *pass) place() serving.Place {
	return serving.Place{Dir: filepath.Join(p.svc.Dir, p.job.ID), Name: p.job.Name, Owner: p.job.ARN, Scope: p.job.Scope,
		Log: filepath.Join(p.svc.LogDir, "TransformJobs", p.job.Name, fmt.Sprintf("%s-%d", runner.HostName(1), p.job.Created.UnixMilli()))}
}

// run starts the hosts and transforms all objects that have not been.
func (p *pass) run(ctx context.Context) error {
	inputs, err := p.inputs(ctx)
	if err != nil {
		return err
	}
	if p.host, err = p.svc.Hosts.Ensure(ctx, p.place(), p.job.Model, startPatience); err != nil {
		return err
	}
	defer func() { p.current().Close() }()
	p.settle(ctx)
	done, err := openProgress(filepath.Join(p.svc.Dir, p.job.ID+".done"))
	if err != nil {
		return err
	}
	defer done.close()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var wrong []string
	var broken error
	queue := make(chan input)
	for range cap(p.slots) { // so many objects at a time can be on their way
		wg.Go(func() {
			for in := range queue {
				err := p.object(ctx, in, done)
				var user *userError
				mu.Lock()
				if errors.As(err, &user) {
					wrong = append(wrong, fmt.Sprintf("%s: %s", in.key, user.text))
				} else if err != nil && broken == nil {
					broken = err
				}
				mu.Unlock()
			}
		})
	}
	for _, in := range inputs {
		mu.Lock()
		stop := broken != nil
		mu.Unlock()
		if stop || ctx.Err() != nil {
			break
		}
		if !done.has(in.key) {
			queue <- in
		}
	}
	close(queue)
	wg.Wait()
	if broken != nil || ctx.Err() != nil {
		return errors.Join(broken, context.Cause(ctx))
	}
	if len(wrong) > 0 {
		return clientError("%d of %d objects could not be transformed. %s", len(wrong), len(inputs), strings.Join(wrong, "; "))
	}
	return nil
}

// The settings where neither the request nor the model's /execution-parameters has one.
const (
	defaultConcurrent = 1
	defaultPayloadMB  = 6
	mostConcurrent    = 100
)

// settle finds the settings that the request leaves to the model.
func (p *pass) settle(ctx context.Context) {
	in, offered := p.job.Request, p.current().ExecutionParameters(ctx)
	concurrent, payload := int(awsapi.Val(in.MaxConcurrentTransforms)), int64(defaultPayloadMB)
	if concurrent == 0 {
		concurrent = max(offered.MaxConcurrentTransforms, defaultConcurrent)
	}
	if in.MaxPayloadInMB != nil {
		payload = int64(*in.MaxPayloadInMB)
	} else if offered.MaxPayloadInMB > 0 {
		payload = int64(offered.MaxPayloadInMB)
	}
	if in.BatchStrategy == nil && offered.BatchStrategy == "SINGLE_RECORD" {
		p.plan.single = true
	}
	p.payload, p.slots = payload<<20, make(chan struct{}, min(concurrent, mostConcurrent))
}

func (p *pass) current() *serving.Host {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.host
}

// mostRevived is how often the hosts of a job are started again that have died.
const mostRevived = 3

// revive starts the hosts again if they have died.
func (p *pass) revive(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.host.Alive() {
		return nil
	}
	if p.revived++; p.revived > mostRevived {
		return clientError("the model's container died %d times", p.revived)
	}
	p.svc.Log.Warn("start the hosts of a transform job again", "job", p.job.ARN, "times", p.revived)
	p.svc.Hosts.RemoveHosts(ctx, p.place().Dir, p.job.Model)
	host, err := p.svc.Hosts.Ensure(ctx, p.place(), p.job.Model, startPatience)
	if err == nil {
		p.host.Close()
		p.host = host
	}
	return err
}

// change commits a change of the row, which is read again.
func (p *pass) change(ctx context.Context, fn func(*job)) error {
	return p.lease.Update(ctx, func(tx *store.Tx) error {
		j, err := rows.GetARN(tx, p.job.ARN)
		if err != nil {
			return err
		}
		fn(j)
		*p.job = *j
		return rows.Put(tx, j.Scope, j.Name, j)
	})
}

// end commits the final status, tells the owner, and then clears away what only the running job needed.
func (p *pass) end(ctx context.Context, status, reason string) error {
	err := p.lease.Update(ctx, func(tx *store.Tx) error { return p.svc.finish(tx, p.job.ARN, status, reason) })
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := p.svc.Keys.Revoke(ctx, p.job.ARN); err != nil {
		p.svc.Log.Error("revoke keys", "job", p.job.ARN, "error", err)
	}
	p.svc.Hosts.Remove(ctx, p.place().Dir)
	return nil
}

func (s *Service) finish(tx *store.Tx, arn, status, reason string) error {
	j, err := rows.GetARN(tx, arn)
	if errors.Is(err, store.ErrNotFound) || err == nil && j.over() {
		return nil
	}
	if err != nil {
		return err
	}
	now := s.World.Now()
	j.Status, j.Reason, j.Ended, j.Modified = status, cut(reason), &now, now
	if err := rows.Put(tx, j.Scope, j.Name, j); err != nil {
		return err
	}
	if err := emit(tx, j); err != nil {
		return err
	}
	return j.Owner.Notify(s.Engine, tx)
}

// giveUp ends a job whose controller failed again and again.
func (s *Service) giveUp(_ context.Context, tx *store.Tx, arn, reason string) error {
	return s.finish(tx, arn, awsapi.TransformJobStatusFailed, "InternalServerError: "+reason)
}

// cut is the limit that the API sets to reasons.
func cut(s string) string {
	const limit = 1024
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}
