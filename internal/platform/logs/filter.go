package logs

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// maxScan is how many bytes one call looks at before it answers with what it has and a token.
const maxScan = 16 << 20

// A place is where a line lies in the order of a search: by time, then by stream.
type place struct {
	At     int64
	Stream string
	Offset int64
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.At, q.At), cmp.Compare(p.Stream, q.Stream), cmp.Compare(p.Offset, q.Offset))
}

// FilterLogEvents searches the streams of a group for lines that fit a pattern, in the order of their times over all streams.
func (s *Service) FilterLogEvents(_ context.Context, in *awsapi.FilterLogEventsRequest) (*awsapi.FilterLogEventsResponse, error) {
	dir, err := s.folder(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	if in.LogStreamNames != nil && in.LogStreamNamePrefix != nil {
		return nil, &awsapi.Error{Code: "InvalidParameterException", Status: 400, Message: "Only one of logStreamNames and logStreamNamePrefix may be given."}
	}
	names := in.LogStreamNames
	if names == nil {
		if names, err = streamNames(dir, awsapi.Val(in.LogStreamNamePrefix)); err != nil {
			return nil, err
		}
	}
	fits, err := parsePattern(awsapi.Val(in.FilterPattern))
	if err != nil {
		return nil, err
	}
	m := &merge{start: place{At: awsapi.Val(in.StartTime), Offset: -1}}
	if in.NextToken != nil {
		b, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		if err != nil || json.Unmarshal(b, &m.start) != nil {
			return nil, badToken()
		}
	}
	if err := s.gather(m, dir, names, in.EndTime); err != nil {
		return nil, err
	}
	defer m.close()
	return m.answer(in, fits)
}

// gather prepares the streams that may have lines of the time asked for.
func (s *Service) gather(m *merge, dir string, names []string, end *int64) error {
	now := time.Now()
	for _, name := range names {
		st, err := open(dir, name)
		if err != nil || st.last < m.start.At || end != nil && st.first > *end {
			continue
		}
		if st, err = s.observe(dir, name, now); err != nil {
			continue // deleted since
		}
		m.cursors = append(m.cursors, &cursor{st: st, at: place{At: max(st.first, m.start.At), Stream: name, Offset: -1}})
	}
	heap.Init(m)
	return nil
}

func (m *merge) answer(in *awsapi.FilterLogEventsRequest, fits *pattern) (*awsapi.FilterLogEventsResponse, error) {
	limit := maxEvents
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	out := &awsapi.FilterLogEventsResponse{Events: []awsapi.FilteredLogEvent{}, SearchedLogStreams: []awsapi.SearchedLogStream{}}
	last := m.start
	scanned, shown := 0, 0
	for {
		l, at, ok, err := m.next()
		if err != nil {
			return nil, err
		}
		if !ok || in.EndTime != nil && at.At > *in.EndTime {
			return out, nil
		}
		if len(out.Events) == limit || scanned > maxScan || shown > maxBytes {
			b, err := json.Marshal(last)
			out.NextToken = new(base64.RawURLEncoding.EncodeToString(b))
			return out, err
		}
		last = at
		scanned += len(l.text) + 1
		if !fits.matches(l.text) {
			continue
		}
		shown += len(l.text)
		out.Events = append(out.Events, awsapi.FilteredLogEvent{EventId: new(fmt.Sprintf("%s/%d", at.Stream, at.Offset)), LogStreamName: &at.Stream, Message: &l.text,
			Timestamp: &at.At, IngestionTime: &at.At})
	}
}

// A cursor is a stream in a merge. It is opened when its turn comes.
type cursor struct {
	st   *stream
	r    *reader
	line line
	at   place // of the line; before the stream is open, the earliest that its first line may have
}

// A merge gives the lines of several streams by time, those after a place.
type merge struct {
	start   place
	cursors []*cursor
}

// merge is a heap of its cursors.

func (m *merge) Len() int           { return len(m.cursors) }
func (m *merge) Less(i, j int) bool { return m.cursors[i].at.compare(m.cursors[j].at) < 0 }
func (m *merge) Swap(i, j int)      { m.cursors[i], m.cursors[j] = m.cursors[j], m.cursors[i] }
func (m *merge) Push(x any)         { m.cursors = append(m.cursors, x.(*cursor)) }
func (m *merge) Pop() any {
	last := m.cursors[len(m.cursors)-1]
	m.cursors = m.cursors[:len(m.cursors)-1]
	return last
}

func (m *merge) next() (line, place, bool, error) {
	for len(m.cursors) > 0 {
		c := m.cursors[0]
		ready, l, at := c.r != nil, c.line, c.at
		if !ready {
			var err error
			if c.r, err = c.st.since(m.start.At); err != nil {
				return line{}, place{}, false, err
			}
		}
		more, err := c.advance(m.start)
		if err != nil {
			return line{}, place{}, false, err
		}
		if more {
			heap.Fix(m, 0)
		} else {
			c.r.f.Close()
			heap.Pop(m)
		}
		if ready {
			return l, at, true, nil
		}
	}
	return line{}, place{}, false, nil
}

// advance goes to the next line after a place.
func (c *cursor) advance(start place) (bool, error) {
	for {
		l, ok, err := c.r.next()
		if err != nil || !ok {
			return false, err
		}
		c.line, c.at = l, place{c.st.at(l.offset), c.st.name, l.offset}
		if c.at.compare(start) > 0 {
			return true, nil
		}
	}
}

func (m *merge) close() {
	for _, c := range m.cursors {
		if c.r != nil {
			c.r.f.Close()
		}
	}
}
