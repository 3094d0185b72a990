package ray

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// local is the embedded engine. One lock holds all of its state; functions run outside of it.
type local struct {
	o      Options
	exec   executor
	ctx    context.Context // of everything that runs; ends with the engine
	stop   context.CancelFunc
	unhook func() bool    // from the context of Init
	wg     sync.WaitGroup // what runs

	mu      sync.Mutex
	store   store
	sched   scheduler
	tasks   map[string]*task  // waiting or running
	actors  map[string]*actor // living
	names   map[string]*actor // living, by type and name
	buried  tombstones
	last    uint64 // identifier given
	closed  bool
	running map[*task]bool // in a function; the value says nothing
}

func newLocal(ctx context.Context, o Options) (*local, error) {
	total := amounts{slot: int64(o.MaxWorkers) * whole}
	for name, n := range o.Resources {
		u, err := unitsOf(name, n)
		if err != nil {
			return nil, err
		}
		if name == cpu {
			return nil, errors.New("resource CPU is given by NumCPUs, not by Resources")
		}
		total[name] = u
	}
	var err error
	if total[cpu], err = unitsOf(cpu, o.NumCPUs); err != nil {
		return nil, err
	}
	l := &local{
		o: o, sched: newScheduler(total), store: store{objects: map[string]*object{}, limit: o.ObjectStoreMemory},
		tasks: map[string]*task{}, actors: map[string]*actor{}, names: map[string]*actor{}, running: map[*task]bool{},
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	if o.Isolation == Processes {
		l.exec = newProcesses(l)
	} else {
		l.exec = goroutines{l}
	}
	l.unhook = context.AfterFunc(ctx, func() {
		if err := l.shutdown(); err != nil {
			o.Logger.Warn("ray: the engine ended with its context", "error", err)
		}
	})
	return l, nil
}

// newID returns an identifier that starts with kind. Called with the lock.
func (l *local) newID(kind byte) string {
	l.last++
	return string(strconv.AppendUint([]byte{kind}, l.last, 36))
}

func (l *local) resources(context.Context) (total, free amounts, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sched.total, maps.Clone(l.sched.free), nil
}

func (l *local) shutdown() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		l.unhook()
		l.stop()
		for _, a := range l.actors {
			l.endActor(a, ErrShutdown)
		}
		for _, t := range l.tasks {
			l.abort(t, ErrShutdown)
		}
		l.store.clear()
	}
	l.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		l.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		l.exec.stop()
		return nil
	case <-time.After(l.o.ShutdownGrace):
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for t := range l.running {
		names = append(names, t.call.what())
	}
	slices.Sort(names)
	return fmt.Errorf("ray.Shutdown: still running although their context has ended: %s", strings.Join(slices.Compact(names), ", "))
}
