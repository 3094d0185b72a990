package pipeline

import (
	"context"
	"time"
)

// FollowOptions say what of an execution is told while it runs.
type FollowOptions struct {
	// Events is called for each event, from one goroutine, in order.
	Events func(Event)
	// Logs asks for the lines of the jobs' logs too.
	Logs bool
}

// EventKind says what an Event tells.
type EventKind int

// Kinds of events.
const (
	ExecutionChanged EventKind = iota // Execution has a new status
	StepChanged                       // Step has a new status
	StepProgress                      // Step has come further: Progress
	StepLog                           // Step's job has written Line, on Host
	Looked                            // the execution was looked at once more: the last event of each look, for who draws a clock
)

// An Event is something that happened in an execution.
type Event struct {
	Kind      EventKind
	Execution *Execution // as it is now; not to be changed
	Step      *StepResult
	Progress  Progress
	Host      string // algo-1, or the job's name before it where a step has many
	Line      string
}

// How often an execution is looked at: often after a change, ever more seldom while nothing happens. Logs are looked at less often.
const (
	shortestPoll = 25 * time.Millisecond
	longestPoll  = 250 * time.Millisecond
	logsEvery    = 100 * time.Millisecond
)

// Follow tells what happens in an execution until it is over, and returns what came of it. An execution that fails is no error: its Status
// says so. A service that cannot be reached is tried again for the client's Patience. When ctx ends Follow returns, and the execution goes on.
func (c *Client) Follow(ctx context.Context, executionARN string, o FollowOptions) (*Execution, error) {
	f := &follower{client: c, options: o, statuses: map[string]string{}, tails: map[string]*tail{}}
	poll := shortestPoll
	for {
		e, err := describe(ctx, c.patient, executionARN)
		if err != nil {
			return nil, err
		}
		changed, err := f.changes(ctx, e)
		if err != nil {
			return nil, err
		}
		if e.Done() {
			f.tell(Event{Kind: ExecutionChanged, Execution: e})
			return e, nil
		}
		f.tell(Event{Kind: Looked, Execution: e})
		if poll = min(poll*5/4, longestPoll); changed {
			poll = shortestPoll
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(poll):
		}
	}
}

// A follower knows what has been told.
type follower struct {
	client   *Client
	options  FollowOptions
	statuses map[string]string // of steps by name; "" is the execution's
	tails    map[string]*tail  // of steps whose jobs are looked into
	looked   time.Time         // when the jobs were looked into last
}

func (f *follower) tell(e Event) {
	if f.options.Events != nil {
		f.options.Events(e)
	}
}

// changes tells what is new since the last look: of the execution, unless it is over, and of its steps in their order. Changed says whether a
// status is another one.
func (f *follower) changes(ctx context.Context, e *Execution) (changed bool, err error) {
	if status, known := f.statuses[""]; (!known || status != e.Status) && !e.Done() {
		f.statuses[""], changed = e.Status, true
		f.tell(Event{Kind: ExecutionChanged, Execution: e})
	}
	due := time.Since(f.looked) >= logsEvery
	if due {
		f.looked = time.Now()
	}
	for i := range e.Steps {
		s := &e.Steps[i]
		news := f.statuses[s.Name] != s.Status
		f.statuses[s.Name], changed = s.Status, changed || news
		if news && !over(s.Status) {
			f.tell(Event{Kind: StepChanged, Execution: e, Step: s})
		}
		if f.options.Events != nil && (news && over(s.Status) || due && !over(s.Status)) {
			if err := f.lookIntoJobs(ctx, e, s); err != nil {
				return changed, err
			}
		}
		if news && over(s.Status) { // after the last lines of its log
			f.tell(Event{Kind: StepChanged, Execution: e, Step: s})
		}
	}
	return changed, nil
}

func (f *follower) lookIntoJobs(ctx context.Context, e *Execution, s *StepResult) error {
	t := f.tails[s.Name]
	if t == nil || t.resource != s.Resource { // another try of a step has another job
		t = newTail(f.client.patient, s, f.options.Logs)
		f.tails[s.Name] = t
	}
	t.last = over(s.Status)
	return t.look(ctx, func(news Event) {
		news.Execution, news.Step = e, s
		f.tell(news)
	})
}
