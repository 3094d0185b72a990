package capacity

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// A Machine is what there is to share out.
type Machine struct {
	mu      sync.Mutex
	whole   Need
	used    Need // by jobs
	running int  // jobs
	queue   []*waiter
	held    map[string]int64 // bytes of what does not wait, by its name
}

// A Need is a part of a machine. Memory is in bytes.
type Need struct{ CPUs, Memory int64 }

type waiter struct {
	need  Need
	ready chan struct{}
}

// New returns a machine of that many processors and bytes of memory. Each defaults to what this one has.
func New(cpus int, memory int64) *Machine {
	if cpus == 0 {
		cpus = runtime.NumCPU()
	}
	if memory == 0 {
		memory = machineMemory()
	}
	return &Machine{whole: Need{int64(cpus), memory}, held: map[string]int64{}}
}

// machineMemory is the machine's memory in bytes, or a generous guess where it does not tell.
func machineMemory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err == nil {
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
				if kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err == nil {
					return kib << 10
				}
			}
		}
	}
	return 16 << 30
}

// ErrStopped is given to who was told to wait no longer.
var ErrStopped = errors.New("the job was asked to stop")

// fits says whether a job can run beside those that do. The caller holds the lock.
func (c *Machine) fits(n Need) bool {
	return c.running == 0 || c.used.CPUs+n.CPUs <= c.whole.CPUs && c.used.Memory+c.heldMemory()+n.Memory <= c.whole.Memory
}

// heldMemory is what is held of the memory that jobs could have: half of the machine's at most.
func (c *Machine) heldMemory() (sum int64) {
	for _, bytes := range c.held {
		sum += bytes
	}
	return min(sum, c.whole.Memory/2)
}

// Hold counts memory for what does not wait, under its name, until Drop. It may be held again under that name, which counts once.
func (c *Machine) Hold(name string, memory int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[name] = memory
}

// Drop gives back what is held under a name, if anything is.
func (c *Machine) Drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, name)
	c.admit()
}

// Take waits until there is room, or until ctx ends or stop is closed. waiting is called when the job has to wait. One that needs nothing never
// waits: who made it runs, and those in the queue may wait for that.
func (c *Machine) Take(ctx context.Context, n Need, stop <-chan struct{}, waiting func() error) (release func(), err error) {
	c.mu.Lock()
	if n == (Need{}) || len(c.queue) == 0 && c.fits(n) {
		c.add(n)
		c.mu.Unlock()
		return sync.OnceFunc(func() { c.release(n) }), nil
	}
	w := &waiter{need: n, ready: make(chan struct{})}
	c.queue = append(c.queue, w)
	c.mu.Unlock()
	if err = waiting(); err == nil {
		select {
		case <-w.ready:
			return sync.OnceFunc(func() { c.release(n) }), nil
		case <-ctx.Done():
			err = ctx.Err()
		case <-stop:
			err = ErrStopped
		}
	}
	c.leave(w)
	return nil, err
}

// Force takes room for a job that runs already.
func (c *Machine) Force(n Need) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(n)
	return sync.OnceFunc(func() { c.release(n) })
}

func (c *Machine) add(n Need) {
	c.used.CPUs, c.used.Memory, c.running = c.used.CPUs+n.CPUs, c.used.Memory+n.Memory, c.running+1
}

func (c *Machine) release(n Need) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used.CPUs, c.used.Memory, c.running = c.used.CPUs-n.CPUs, c.used.Memory-n.Memory, c.running-1
	c.admit()
}

// admit lets in from the head of the queue; nobody overtakes, so that nobody starves.
func (c *Machine) admit() {
	for len(c.queue) > 0 && c.fits(c.queue[0].need) {
		c.add(c.queue[0].need)
		close(c.queue[0].ready)
		c.queue = c.queue[1:]
	}
}

// leave takes a waiter out of the queue; one that was let in meanwhile gives its room back.
func (c *Machine) leave(w *waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, q := range c.queue {
		if q == w {
			c.queue = append(c.queue[:i:i], c.queue[i+1:]...)
			c.admit()
			return
		}
	}
	c.used.CPUs, c.used.Memory, c.running = c.used.CPUs-w.need.CPUs, c.used.Memory-w.need.Memory, c.running-1
	c.admit()
}
