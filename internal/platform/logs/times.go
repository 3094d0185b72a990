package logs

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
)

// A mark is what was seen of a file when it was read: how long it was, when it had last changed, and when that was. Lines up to there were
// written until then, later ones from then on. So a line that has been shown keeps its time while the file grows, and clients that go on from
// the time of the last line they had neither miss one nor get one twice.
type mark struct{ offset, until, from int64 } // bytes; milliseconds since 1970

// times are the marks of one stream. They lie beside its file too, for the next server.
type times struct {
	mu    sync.Mutex
	path  string
	marks []mark // the first is the beginning of the stream
}

// maxMarks bounds the marks of a stream. Beyond it, the times of lines may move while the file grows.
const maxMarks = 100_000

// maxTimes is how many streams' marks are kept in memory.
const maxTimes = 1000

const timesSuffix = ".times"

// timesOf returns the marks of a stream, as they were left.
func (s *Service) timesOf(st *stream) *times {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.times[st.path]; known != nil {
		return known
	}
	if s.times == nil || len(s.times) >= maxTimes {
		s.times = map[string]*times{}
	}
	t := &times{path: strings.TrimSuffix(st.path, suffix) + timesSuffix, marks: []mark{{0, st.first, st.first}}}
	t.load()
	s.times[st.path] = t
	return t
}

func (t *times) load() {
	f, err := os.Open(t.path)
	if err != nil {
		return // nobody has read the stream yet
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var m mark
		if n, err := fmt.Sscan(lines.Text(), &m.offset, &m.until, &m.from); n != 3 || err != nil || m.offset <= t.last().offset {
			return // a line that was cut short is the last
		}
		t.marks = append(t.marks, m)
	}
}

func (t *times) last() mark { return t.marks[len(t.marks)-1] }

// observe notes how long the file is now and returns the marks up to there.
func (t *times) observe(size, modified, now int64) []mark {
	t.mu.Lock()
	defer t.mu.Unlock()
	if size < t.last().offset { // the file was cut; what is left was there before
		t.marks = slices.DeleteFunc(t.marks, func(m mark) bool { return m.offset > size })
		os.Remove(t.path)
	}
	last := &t.marks[len(t.marks)-1]
	switch {
	case size > last.offset && len(t.marks) < maxMarks:
		until := max(last.from, min(modified, now))
		t.marks = append(t.marks, mark{size, until, max(until, now)})
		t.keep(t.last())
	case len(t.marks) > 1: // nothing has come since
		last.from = max(last.from, now)
	}
	return slices.Clone(t.marks)
}

// keep writes a mark beside the log. Where that fails, the next server gives the lines other times, and nothing is lost.
func (t *times) keep(m mark) {
	f, err := os.OpenFile(t.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%d %d %d\n", m.offset, m.until, m.from)
}

// at is the time of the line that begins at an offset: its share of the time between two marks.
func (st *stream) at(offset int64) int64 {
	i := sort.Search(len(st.marks), func(i int) bool { return st.marks[i].offset > offset })
	if i == len(st.marks) {
		return st.marks[i-1].from
	}
	before, m := st.marks[i-1], st.marks[i]
	return before.from + int64(float64(m.until-before.from)*float64(offset-before.offset)/float64(m.offset-before.offset))
}

// seek returns an offset before which every line is older than a time. The line there may be, too.
func (st *stream) seek(ms int64) int64 {
	i := sort.Search(len(st.marks), func(i int) bool { return st.marks[i].until >= ms })
	switch {
	case i == 0:
		return 0
	case i == len(st.marks):
		return st.marks[i-1].offset
	}
	low, high := st.marks[i-1].offset, st.marks[i].offset
	return low + int64(sort.Search(int(high-low), func(n int) bool { return st.at(low+int64(n)) >= ms }))
}
