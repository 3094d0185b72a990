package ray

import (
	"container/list"
	"fmt"
	"maps"
)

// A scheduler gives resources to requests in the order they came; one that does not fit yet does not hold up others that do, as in Ray.
// It is used with the engine's lock.
type scheduler struct {
	total, free amounts
	shapes      map[string]*list.List // of *request that need the same, oldest first
	last        uint64
}

// A request waits for resources. start is called with the lock once they are taken.
type request struct {
	need  amounts
	start func()

	number uint64
	key    string
	place  *list.Element // nil once it no longer waits
}

func newScheduler(total amounts) scheduler {
	return scheduler{total: total, free: maps.Clone(total), shapes: map[string]*list.List{}}
}

// feasible says what is wrong with a request that could never be granted.
func (s *scheduler) feasible(need amounts) error {
	for name, u := range need {
		if u > s.total[name] {
			return fmt.Errorf("%w: it needs {%v}, the engine has {%v} in all", ErrInfeasible, need, s.total)
		}
	}
	return nil
}

func (s *scheduler) add(r *request) {
	if r.key == "" {
		r.key = r.need.key()
	}
	shape := s.shapes[r.key]
	if shape == nil {
		shape = list.New()
		s.shapes[r.key] = shape
	}
	s.last++
	r.number = s.last
	r.place = shape.PushBack(r)
	s.dispatch()
}

// remove takes back a request that still waits.
func (s *scheduler) remove(r *request) {
	if r.place == nil {
		return
	}
	shape := s.shapes[r.key]
	shape.Remove(r.place)
	r.place = nil
	if shape.Len() == 0 {
		delete(s.shapes, r.key)
	}
}

func (s *scheduler) dispatch() {
	for {
		var next *request
		for _, shape := range s.shapes {
			if r := shape.Front().Value.(*request); (next == nil || r.number < next.number) && s.fits(r.need) {
				next = r
			}
		}
		if next == nil {
			return
		}
		s.remove(next)
		s.change(next.need, -1)
		next.start()
	}
}

func (s *scheduler) fits(need amounts) bool {
	for name, u := range need {
		if u > 0 && u > s.free[name] {
			return false
		}
	}
	return true
}

func (s *scheduler) change(need amounts, sign int64) {
	for name, u := range need {
		s.free[name] += sign * u
	}
}

func (s *scheduler) giveBack(need amounts) {
	s.change(need, 1)
	s.dispatch()
}

// lend gives a task's CPUs, and its place among the workers, to others while it waits for a result: what it waits for may need them.
func (l *local) lend(task string) {
	t := l.tasks[task]
	if t == nil || t.actor != nil { // an actor holds its resources for its life
		return
	}
	if t.waits++; t.waits == 1 && l.running[t] {
		l.sched.giveBack(t.lends())
	}
}

// takeBack takes them again without waiting, so that for a moment more may be in use than there is: an actor that was given them meanwhile
// may never give them back.
func (l *local) takeBack(task string) {
	t := l.tasks[task]
	if t == nil || t.actor != nil {
		return
	}
	if t.waits--; t.waits == 0 && l.running[t] {
		l.sched.change(t.lends(), -1)
	}
}

func (t *task) lends() amounts {
	return amounts{cpu: t.request.need[cpu], slot: t.request.need[slot]}
}
