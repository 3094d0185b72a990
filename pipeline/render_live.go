package pipeline

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const barWidth = 20

// erase takes the table off the terminal.
func (r *Renderer) erase() {
	if r.drawn > 0 {
		fmt.Fprintf(r.out, "\x1b[%dA\r\x1b[J", r.drawn)
	}
	r.drawn = 0
}

// draw puts the table below what the terminal shows.
func (r *Renderer) draw() {
	if r.current == nil {
		return
	}
	now := r.options.Now()
	elapsed := r.current.Seconds
	if !r.current.Done() && !r.current.Started.IsZero() {
		elapsed = max(0, now.Sub(r.current.Started).Seconds())
	}
	rows := r.rows[max(0, len(r.rows)-max(1, r.options.Rows-2)):] // what has scrolled off a terminal cannot be redrawn
	widest := 0
	for _, name := range rows {
		widest = max(widest, utf8.RuneCountInString(name))
	}
	var b strings.Builder
	text := r.cut(fmt.Sprintf("execution %s  %s  %s%s", shortARN(r.current.ARN), r.current.Status, seconds(elapsed), reason(r.current.FailureReason)))
	fmt.Fprintln(&b, r.paint(r.current.Status, text))
	for _, name := range rows {
		s := r.steps[name]
		took := s.result.Seconds
		if !over(s.result.Status) && !s.result.Started.IsZero() {
			took = max(0, now.Sub(s.result.Started).Seconds())
		}
		text := r.cut(fmt.Sprintf("%s %-*s  %9s  %s", mark(s.result.Status), widest, name, seconds(took), s.note()))
		fmt.Fprintln(&b, r.paint(s.result.Status, text))
	}
	fmt.Fprint(r.out, b.String())
	r.drawn, r.drawnAt = len(rows)+1, now
}

// note is what stands behind a step: its progress while it runs, then where its result comes from or why there is none.
func (s *shown) note() string {
	switch all := s.all(); {
	case s.result.Cached:
		return "cached from " + shortARN(s.result.CachedFrom)
	case s.result.FailureReason != "":
		return strings.TrimPrefix(reason(s.result.FailureReason), ": ")
	case s.result.Outcome != "":
		return s.result.Outcome
	case over(s.result.Status) && all.Total > 0:
		return printable(fmt.Sprintf("%d %s", all.Done, all.Unit))
	case all.Total > 0:
		return bar(all) + " " + printable(all.String())
	}
	return s.result.Status
}

func bar(p Progress) string {
	full := int(p.Fraction() * barWidth)
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}

func mark(status string) string {
	switch status {
	case Succeeded:
		return "✓"
	case Failed:
		return "✗"
	case Stopped:
		return "■"
	}
	return "●"
}

// paint colours a line by the status that it tells.
func (r *Renderer) paint(status, text string) string {
	code := map[string]string{Succeeded: "32", Failed: "31", Stopped: "33", Stopping: "33", Executing: "36", Starting: "36"}[status]
	if !r.options.Color || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
