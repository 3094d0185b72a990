package ray

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"
)

// processes is the executor of worker processes: a task takes an idle one or starts one, an actor has its own.
type processes struct {
	local  *local
	output io.Writer   // nil: that of this process
	starts chan func() // for the thread that starts all workers
	wg     sync.WaitGroup

	mu      sync.Mutex
	idle    []*process
	all     map[*process]bool
	stopped bool
}

func newProcesses(l *local) *processes {
	p := &processes{local: l, starts: make(chan func()), all: map[*process]bool{}}
	if l.o.Output != nil {
		p.output = &shared{to: l.o.Output}
	}
	go func() {
		runtime.LockOSThread() // a worker is killed when the thread that started it ends
		for start := range p.starts {
			start()
		}
	}()
	return p
}

func (p *processes) take() (*process, error) {
	p.mu.Lock()
	for len(p.idle) > 0 {
		w := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		select {
		case <-w.gone:
		default:
			p.mu.Unlock()
			return w, nil
		}
	}
	stopped := p.stopped
	p.mu.Unlock()
	if stopped {
		return nil, ErrShutdown
	}
	type started struct {
		w   *process
		err error
	}
	answer := make(chan started, 1)
	p.starts <- func() {
		w, err := spawn(p.output)
		answer <- started{w, err}
	}
	s := <-answer
	if s.err != nil {
		return nil, fmt.Errorf("a worker process could not be started: %w", s.err)
	}
	w := s.w
	w.local = p.local
	w.results = make(chan frame, 1)
	w.collected = make(chan struct{}, 1)
	w.gone = make(chan struct{})
	w.refs = map[string]int{}
	w.waits = map[uint64]context.CancelFunc{}
	p.mu.Lock()
	p.all[w] = true
	p.mu.Unlock()
	p.wg.Go(func() {
		w.attend()
		p.mu.Lock()
		delete(p.all, w)
		p.mu.Unlock()
	})
	return w, nil
}

// giveBack keeps an idle process for the next task, up to one for each CPU and a few more.
func (p *processes) giveBack(w *process) {
	p.mu.Lock()
	keep := !p.stopped && len(p.idle) < int(p.local.o.NumCPUs)+2
	if keep {
		p.idle = append(p.idle, w)
	}
	p.mu.Unlock()
	if !keep {
		_ = w.line.conn.Close() // it ends when it sees that
	}
}

func (p *processes) run(ctx context.Context, t *task) outcome {
	w, err := p.take()
	if err != nil {
		return outcome{err: err}
	}
	p.local.at(t, w.String())
	out := w.do(ctx, frame{Kind: frameRun, Task: t.id, Call: &t.call}, true)
	if !out.died {
		p.giveBack(w)
	}
	return out
}

func (p *processes) construct(ctx context.Context, a *actor) (instance, outcome) {
	w, err := p.take()
	if err != nil {
		return nil, outcome{err: err}
	}
	out := w.do(ctx, frame{Kind: frameConstruct, Task: a.id, Call: &a.call}, true)
	context.AfterFunc(ctx, w.kill)
	return &processActor{local: p.local, w: w}, out
}

func (p *processes) collect() {
	collect()
	p.mu.Lock()
	all := slices.Collect(maps.Keys(p.all))
	p.mu.Unlock()
	late := time.After(time.Second) // one that stands still keeps what it has
	for _, w := range all {
		_ = w.line.send(frame{Kind: frameCollect})
	}
	for _, w := range all {
		select {
		case <-w.collected:
		case <-w.gone:
		case <-late:
			return
		}
	}
}

func (p *processes) stop() {
	p.mu.Lock()
	again := p.stopped
	p.stopped = true
	for w := range p.all {
		_ = w.line.conn.Close()
	}
	p.mu.Unlock()
	if again {
		p.wg.Wait()
		return
	}
	late := time.AfterFunc(cancelGrace, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for w := range p.all {
			w.kill()
		}
	})
	p.wg.Wait()
	late.Stop()
	close(p.starts)
}

// A shared writer takes what several workers write, a piece at a time.
type shared struct {
	mu sync.Mutex
	to io.Writer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to.Write(b)
}

type processActor struct {
	local *local
	w     *process
}

func (a *processActor) call(t *task) outcome {
	a.local.at(t, a.w.String())
	out := a.w.do(t.ctx, frame{Kind: frameMethod, Task: t.id, Call: &t.call}, false)
	if out.died && errors.Is(out.err, ErrWorkerDied) {
		<-a.w.gone
	}
	return out
}

func (a *processActor) died() <-chan struct{} { return a.w.gone }
func (a *processActor) why() error            { return a.w.death }
func (a *processActor) close()                { a.w.kill() }
