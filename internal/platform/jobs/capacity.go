package jobs

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// capacity shares out the machine: jobs wait, in the order in which they came, for the processors and the memory that their hosts show.
// A job that is larger than the machine runs alone rather than never.
type capacity struct {
	mu           sync.Mutex
	cpus, memory int64 // of the machine
	used         need
	running      int
	queue        []*waiter
}

type need struct{ cpus, memory int64 }

type waiter struct {
	need  need
	ready chan struct{}
}

func newCapacity(cpus int, memory int64) *capacity {
	if cpus == 0 {
		cpus = runtime.NumCPU()
	}
	if memory == 0 {
		memory = machineMemory()
	}
	return &capacity{cpus: int64(cpus), memory: memory}
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

// fits says whether a job can run beside those that do. The caller holds the lock.
func (c *capacity) fits(n need) bool {
	return c.running == 0 || c.used.cpus+n.cpus <= c.cpus && c.used.memory+n.memory <= c.memory
}

// take waits until there is room, or until ctx ends or stop is closed. waiting is called when the job has to wait.
func (c *capacity) take(ctx context.Context, n need, stop <-chan struct{}, waiting func() error) (release func(), err error) {
	c.mu.Lock()
	if len(c.queue) == 0 && c.fits(n) {
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
			err = errStopped
		}
	}
	c.leave(w)
	return nil, err
}

// force takes room for a job that runs already.
func (c *capacity) force(n need) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(n)
	return sync.OnceFunc(func() { c.release(n) })
}

func (c *capacity) add(n need) {
	c.used.cpus, c.used.memory, c.running = c.used.cpus+n.cpus, c.used.memory+n.memory, c.running+1
}

func (c *capacity) release(n need) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used.cpus, c.used.memory, c.running = c.used.cpus-n.cpus, c.used.memory-n.memory, c.running-1
	c.admit()
}

// admit lets in from the head of the queue; nobody overtakes, so that nobody starves.
func (c *capacity) admit() {
	for len(c.queue) > 0 && c.fits(c.queue[0].need) {
		c.add(c.queue[0].need)
		close(c.queue[0].ready)
		c.queue = c.queue[1:]
	}
}

// leave takes a waiter out of the queue; one that was let in meanwhile gives its room back.
func (c *capacity) leave(w *waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, q := range c.queue {
		if q == w {
			c.queue = append(c.queue[:i:i], c.queue[i+1:]...)
			c.admit()
			return
		}
	}
	c.used.cpus, c.used.memory, c.running = c.used.cpus-w.need.cpus, c.used.memory-w.need.memory, c.running-1
	c.admit()
}
