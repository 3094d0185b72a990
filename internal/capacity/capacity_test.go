package capacity_test

import (
	"context"
	"errors"
	"testing"

	"github.com/mobula-ml/mobula/internal/capacity"
)

// A job asks for a part of a machine in the background.
type job struct {
	waits   chan struct{} // closed when it has to wait
	release chan func()
	err     chan error
	stop    chan struct{}
}

func ask(ctx context.Context, m *capacity.Machine, n capacity.Need) *job {
	j := &job{make(chan struct{}), make(chan func(), 1), make(chan error, 1), make(chan struct{})}
	go func() {
		release, err := m.Take(ctx, n, j.stop, func() error { close(j.waits); return nil })
		if err != nil {
			j.err <- err
			return
		}
		j.release <- release
	}()
	return j
}

func (j *job) waiting() *job         { <-j.waits; return j }
func (j *job) running() (end func()) { return <-j.release }

func TestJobsTakeTurns(t *testing.T) {
	t.Parallel()
	m := capacity.New(4, 16)
	first := ask(t.Context(), m, capacity.Need{CPUs: 2, Memory: 4}).running()
	second := ask(t.Context(), m, capacity.Need{CPUs: 2, Memory: 4}).running()
	large := ask(t.Context(), m, capacity.Need{CPUs: 64, Memory: 4}).waiting()
	small := ask(t.Context(), m, capacity.Need{CPUs: 1, Memory: 1}).waiting() // nobody overtakes
	ask(t.Context(), m, capacity.Need{}).running()()                          // its maker may be first, which would wait for it
	first()
	first() // giving back twice is giving back once
	select {
	case <-large.release:
		t.Fatal("a job larger than the machine runs beside another")
	default:
	}
	second()
	end := large.running() // it is alone now
	end()
	small.running()()
}

func TestWhoNoLongerWaitsLeavesTheQueue(t *testing.T) {
	t.Parallel()
	m := capacity.New(2, 16)
	end := m.Force(capacity.Need{CPUs: 2})
	ctx, cancel := context.WithCancel(t.Context())
	gone, stopped, stays := ask(ctx, m, capacity.Need{CPUs: 2}).waiting(), ask(t.Context(), m, capacity.Need{CPUs: 2}).waiting(), ask(t.Context(), m, capacity.Need{CPUs: 2}).waiting()
	cancel()
	close(stopped.stop)
	if err := <-gone.err; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-stopped.err; !errors.Is(err, capacity.ErrStopped) {
		t.Error(err)
	}
	end()
	stays.running()()
}

// What is held leaves jobs less room to run beside one another, and never less than one job needs, or than half of the machine.
func TestWhatIsHeldDoesNotStopJobs(t *testing.T) {
	t.Parallel()
	m := capacity.New(8, 16)
	m.Hold("endpoint", 5)
	m.Hold("endpoint", 5) // is one
	first := ask(t.Context(), m, capacity.Need{CPUs: 1, Memory: 16}).running()
	second := ask(t.Context(), m, capacity.Need{CPUs: 1, Memory: 6}).waiting()
	first()
	end := second.running()
	third := ask(t.Context(), m, capacity.Need{CPUs: 1, Memory: 6}).waiting()
	m.Drop("endpoint")
	third.running()()
	end()

	m.Hold("endpoint", 1000)
	end = ask(t.Context(), m, capacity.Need{CPUs: 1, Memory: 4}).running()
	ask(t.Context(), m, capacity.Need{CPUs: 1, Memory: 4}).running()()
	end()
}

func TestInstanceOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]capacity.Instance{"ml.m5.large": {2, 8 << 30}, "ml.c5.4xlarge": {16, 32 << 30}, "ml.t3.medium": {2, 4 << 30}, "local": {}} {
		if got, err := capacity.InstanceOf(name); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := capacity.InstanceOf("m5.large"); err == nil {
		t.Error("a name without ml. was read")
	}
}
