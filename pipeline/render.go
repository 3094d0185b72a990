package pipeline

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// RenderOptions say how an execution is shown.
type RenderOptions struct {
	Live  bool             // redraw one table in place, which takes a terminal; else a line for each event
	Color bool             // colours, which take a terminal
	Width int              // columns of the terminal. Defaults to 80.
	Rows  int              // of the terminal: the first steps are left out where there are more. Defaults to 24.
	Now   func() time.Time // Defaults to time.Now. Running steps show how long they have been.
}

// A Renderer shows what Follow tells: give its Event method to FollowOptions.Events, and call Close in the end.
type Renderer struct {
	out     io.Writer
	options RenderOptions
	rows    []string // names of steps in the order in which they began
	steps   map[string]*shown
	current *Execution
	drawn   int // lines of the table on the terminal
	drawnAt time.Time
}

// shown is what the renderer knows of a step beside its result.
type shown struct {
	result   *StepResult
	progress map[string]Progress // of each host
	told     Progress            // in the last line about it
}

// NewRenderer makes a renderer.
func NewRenderer(out io.Writer, o RenderOptions) *Renderer {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Width <= 0 {
		o.Width = 80
	}
	if o.Rows <= 0 {
		o.Rows = 24
	}
	return &Renderer{out: out, options: o, steps: map[string]*shown{}}
}

// Terminal makes a renderer for a file: live and in colour where it is a terminal, lines otherwise. NO_COLOR switches the colours off.
func Terminal(f *os.File) *Renderer {
	live := term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
	o := RenderOptions{Live: live, Color: live && os.Getenv("NO_COLOR") == ""}
	if width, rows, err := term.GetSize(int(f.Fd())); err == nil {
		o.Width, o.Rows = width, rows
	}
	return NewRenderer(f, o)
}

// Event shows an event.
func (r *Renderer) Event(e Event) {
	r.current = e.Execution
	var s *shown
	if e.Step != nil {
		s = r.step(e.Step)
	}
	if e.Kind == StepProgress {
		s.progress[e.Host] = e.Progress
	}
	switch {
	case !r.options.Live:
		r.line(e, s)
	case e.Kind == StepLog:
		r.erase()
		fmt.Fprintln(r.out, r.cut(logLine(e)))
		r.draw()
	case e.Kind == StepChanged || e.Kind == ExecutionChanged || r.options.Now().Sub(r.drawnAt) >= redrawEvery:
		r.erase()
		r.draw()
	}
}

// redrawEvery is how often the table is drawn at most where no status has changed.
const redrawEvery = 100 * time.Millisecond

func (r *Renderer) step(result *StepResult) *shown {
	s := r.steps[result.Name]
	if s == nil {
		s = &shown{}
		r.steps[result.Name] = s
		r.rows = append(r.rows, result.Name)
	}
	if s.result == nil || s.result.Resource != result.Resource {
		s.progress = map[string]Progress{} // another try of the step begins from nothing
	}
	s.result = result
	return s
}

// Close ends a live table, which stays on the terminal as it was last.
func (r *Renderer) Close() {
	if r.options.Live && r.current != nil {
		r.erase()
		r.draw()
	}
	r.drawn = 0
}

// all is the progress of the hosts together. Hosts that count something else than the first of them are left out.
func (s *shown) all() (sum Progress) {
	first := ""
	for host := range s.progress {
		if first == "" || host < first {
			first = host
		}
	}
	sum.Unit = s.progress[first].Unit
	for _, p := range s.progress {
		if p.Unit == sum.Unit {
			sum.Done, sum.Total = sum.Done+p.Done, sum.Total+p.Total
		}
	}
	return sum
}

func logLine(e Event) string { return e.Step.Name + " " + e.Host + " | " + printable(e.Line) }

// printable takes out what would move the cursor or change colours.
func printable(s string) string {
	s = strings.ReplaceAll(s, "\t", "    ")
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == utf8.RuneError {
			return -1
		}
		return c
	}, s)
}

// cut makes a line fit the terminal, so that it takes one row.
func (r *Renderer) cut(line string) string {
	if utf8.RuneCountInString(line) <= r.options.Width {
		return line
	}
	return string([]rune(line)[:max(0, r.options.Width-1)]) + "…"
}

func seconds(s float64) string { return fmt.Sprintf("%.1f s", s) }

// shortARN is the last part of an ARN, which names an execution among those of a pipeline.
func shortARN(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
