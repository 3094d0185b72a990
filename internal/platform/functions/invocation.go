package functions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/store"
)

// invocation is the row of an invocation.
type invocation struct {
	Name, ARN string
	Scope     store.Scope
	Function  function // as it was when the invocation began
	Event     json.RawMessage
	Owner     durable.Owner
	Created   time.Time
	Cancelled bool
	Done      bool
	Failure   string          // Unhandled where the function failed
	Payload   json.RawMessage // what it returned, or what describes the failure
	Log       string          // the end of what it printed
}

var invocationRows = store.NewCollection("function-invocation", func(i *invocation) store.Index {
	return store.Index{Status: map[bool]string{true: "Done"}[i.Done], Parent: i.Function.Name, Created: i.Created,
		Keys: map[string]string{"code": map[bool]string{false: i.Function.Code.Zip}[i.Done]}}
})

// keepResults is how long the result of an invocation is kept for who began it.
const keepResults = 7 * 24 * time.Hour

// Begin keeps an invocation and hands it to the controller. Where there is one of that name, it is the one.
func (s *Service) Begin(ctx context.Context, functionARN, name string, event []byte) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		f, err := find(tx, scope, &functionARN, nil)
		if err != nil {
			return err
		}
		if err := s.forget(tx, scope); err != nil {
			return err
		}
		i := &invocation{Name: name, ARN: f.ARN + ":invocation:" + name, Scope: scope, Function: *f, Event: event, Owner: durable.OwnerFrom(ctx), Created: s.World.Now()}
		err = invocationRows.Insert(tx, scope, name, i.ARN, i)
		if errors.Is(err, store.ErrExists) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.Engine.Enqueue(tx, controller, i.ARN)
	})
}

// forget drops some results that are old, whenever there is a new invocation.
func (s *Service) forget(tx *store.Tx, scope store.Scope) error {
	before := s.World.Now().Add(-keepResults)
	page, err := invocationRows.List(tx, scope, store.Query{Status: "Done", CreatedBefore: &before, SortBy: store.ByCreated, Limit: 10})
	for i := 0; err == nil && i < len(page.Items); i++ {
		err = invocationRows.Delete(tx, scope, page.Items[i].Name)
	}
	return err
}

func (s *Service) invocation(ctx context.Context, name string) (i *invocation, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		i, err = invocationRows.Get(tx, identity.From(ctx).Scope(), name)
		return err
	})
	return i, err
}

// Result says what an invocation has come to.
func (s *Service) Result(ctx context.Context, name string) (done bool, failure string, payload []byte, err error) {
	i, err := s.invocation(ctx, name)
	if err != nil {
		return false, "", nil, err
	}
	return i.Done, i.Failure, i.Payload, nil
}

// Cancel ends an invocation.
func (s *Service) Cancel(ctx context.Context, name string) error {
	scope, arn := identity.From(ctx).Scope(), ""
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		i, err := invocationRows.Get(tx, scope, name)
		if errors.Is(err, store.ErrNotFound) || err == nil && i.Done {
			return nil
		}
		if err != nil {
			return err
		}
		i.Cancelled, arn = true, i.ARN
		if err := invocationRows.Put(tx, scope, name, i); err != nil {
			return err
		}
		return s.Engine.Signal(tx, controller, i.ARN)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.cancels[arn]; cancel != nil {
		cancel()
	}
	return nil
}

// reconcile runs an invocation to its end, or goes on where a server before this left it.
func (s *Service) reconcile(ctx context.Context, l *durable.Lease) error {
	var i *invocation
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		i, err = invocationRows.GetARN(tx, l.Key)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && i.Done {
		return nil
	}
	if err != nil {
		return err
	}
	s.Capacity.Hold(i.ARN, int64(i.Function.MemorySize)<<20) // somebody waits for its answer: it is counted, and does not queue
	defer s.Capacity.Drop(i.ARN)
	dir := filepath.Join(s.Dir, "runs", i.Name)
	host, err := s.Runner.Attach(ctx, dir)
	if errors.Is(err, runner.ErrNotStarted) {
		if i.Cancelled {
			return s.end(ctx, l, i, dir, s.failure(i, "Runtime.Cancelled", "The invocation was cancelled."))
		}
		host, err = s.start(ctx, i, dir)
	} else if err == nil {
		err = l.Waits(ctx)
	}
	var refused *awsapi.Error
	if errors.As(err, &refused) {
		return s.end(ctx, l, i, dir, s.failure(i, "Runtime.InvalidRuntime", refused.Message))
	}
	if err != nil {
		return err
	}
	stopped := s.stopping(ctx, i, host)
	status, err := host.Wait(ctx)
	stopped()
	if err != nil {
		return err
	}
	return s.end(ctx, l, i, dir, s.read(i, dir, status))
}

// stopping lets Cancel reach the host while it runs here.
func (s *Service) stopping(ctx context.Context, i *invocation, host runner.Job) (forget func()) {
	stop := func() {
		if err := host.Stop(context.WithoutCancel(ctx), "Cancelled"); err != nil {
			s.Log.Error("stop a function", "invocation", i.ARN, "error", err)
		}
	}
	s.mu.Lock()
	s.cancels[i.ARN] = stop
	s.mu.Unlock()
	if now, err := s.invocation(identity.With(ctx, identity.Principal{Account: i.Scope.Account, Region: i.Scope.Region}), i.Name); err == nil && now.Cancelled {
		stop() // it was cancelled before there was something to stop
	}
	return func() {
		s.mu.Lock()
		delete(s.cancels, i.ARN)
		s.mu.Unlock()
	}
}

// read takes the result out of the host's folder.
func (s *Service) read(i *invocation, dir string, status runner.Status) *invocation {
	var result struct {
		Payload *string
		Failure json.RawMessage
	}
	b, err := os.ReadFile(filepath.Join(runner.HostDir(dir, 1), "ml", "result.json"))
	if err == nil {
		err = json.Unmarshal(b, &result)
	}
	switch {
	case err == nil && result.Failure != nil:
		i.Failure, i.Payload = unhandled, result.Failure
	case err == nil && result.Payload != nil:
		i.Payload = json.RawMessage(*result.Payload)
		if len(i.Payload) > maxPayload {
			return s.failure(i, "Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxPayload))
		}
	case status.MaxRuntimeExceeded:
		message := fmt.Sprintf("Task timed out after %d.00 seconds", i.Function.Timeout)
		if err := note(dir, s.World.Now().UTC().Format("2006-01-02T15:04:05.000Z")+" "+i.Name+" "+message+"\n"); err != nil {
			s.Log.Warn("write the end of a function's log", "invocation", i.ARN, "error", err)
		}
		return s.failure(i, "Sandbox.Timedout", message)
	case i.Cancelled || status.State == runner.Stopped:
		return s.failure(i, "Runtime.Cancelled", "The invocation was cancelled.")
	default:
		return s.failure(i, "Runtime.ExitError", "Runtime exited without providing a reason: "+status.Reason)
	}
	return i
}

// unhandled is what Lambda calls every failure of a function's own.
const unhandled = "Unhandled"

// failure makes of an invocation one that failed.
func (s *Service) failure(i *invocation, kind, message string) *invocation {
	b, err := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	if err != nil {
		panic("text can be encoded: " + err.Error())
	}
	i.Failure, i.Payload = unhandled, b
	return i
}

// end commits the result and tells the owner, and then clears the host away.
func (s *Service) end(ctx context.Context, l *durable.Lease, i *invocation, dir string, with *invocation) error {
	log := tail(written(dir))
	err := l.Update(ctx, func(tx *store.Tx) error {
		i.Done, i.Failure, i.Payload, i.Log = true, with.Failure, with.Payload, log
		if err := invocationRows.Put(tx, i.Scope, i.Name, i); err != nil {
			return err
		}
		tx.AfterCommit(func() { s.announce(i.Name) })
		return i.Owner.Notify(s.Engine, tx)
	})
	if err != nil {
		return err
	}
	if err := s.Keys.Revoke(context.WithoutCancel(ctx), i.ARN); err != nil {
		s.Log.Error("revoke keys", "invocation", i.ARN, "error", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		s.Log.Warn("remove the folder of an invocation", "folder", dir, "error", err)
	}
	return nil
}

// giveUp ends an invocation whose controller failed again and again.
func (s *Service) giveUp(tx *store.Tx, arn, reason string) error {
	i, err := invocationRows.GetARN(tx, arn)
	if errors.Is(err, store.ErrNotFound) || err == nil && i.Done {
		return nil
	}
	if err != nil {
		return err
	}
	s.failure(i, "Runtime.InternalFailure", reason).Done = true
	if err := invocationRows.Put(tx, i.Scope, i.Name, i); err != nil {
		return err
	}
	tx.AfterCommit(func() { s.announce(i.Name) })
	return i.Owner.Notify(s.Engine, tx)
}
