package pipeline

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// line tells an event in one line of text. Of progress, only every tenth part gets one.
func (r *Renderer) line(e Event, s *shown) {
	switch e.Kind {
	case ExecutionChanged:
		text := fmt.Sprintf("execution %s: %s", shortARN(e.Execution.ARN), e.Execution.Status)
		if e.Execution.Done() {
			text += " after " + seconds(e.Execution.Seconds)
		}
		fmt.Fprintln(r.out, text+reason(e.Execution.FailureReason))
	case StepChanged:
		fmt.Fprintf(r.out, "%s: %s%s%s\n", e.Step.Name, e.Step.Status, remarks(e.Step), reason(e.Step.FailureReason))
	case StepProgress:
		now, told := s.all(), s.told
		if now.Unit == told.Unit && now.Total == told.Total && now.tenths() == told.tenths() {
			return
		}
		if s.told = now; now == told {
			return
		}
		fmt.Fprintf(r.out, "%s: %s (%.0f %%)\n", e.Step.Name, printable(now.String()), 100*now.Fraction())
	case StepLog:
		fmt.Fprintln(r.out, logLine(e))
	}
}

// tenths is how many tenths of the work are done.
func (p Progress) tenths() int { return int(10 * p.Fraction()) }

// remarks are the time that a step has taken and where its result comes from.
func remarks(s *StepResult) string {
	var out []string
	if over(s.Status) {
		out = append(out, seconds(s.Seconds))
	}
	if s.Cached {
		out = append(out, "cached from "+shortARN(s.CachedFrom))
	}
	if s.Outcome != "" {
		out = append(out, s.Outcome)
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, ", ") + ")"
}

func reason(text string) string {
	if text == "" {
		return ""
	}
	return ": " + printable(strings.ReplaceAll(text, "\n", " "))
}

// WriteTable writes the steps of an execution as a table: name, status, seconds, where a result comes from or why there is none.
func (e *Execution) WriteTable(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STEP\tSTATUS\tSECONDS\t")
	for _, s := range e.Steps {
		note := strings.TrimPrefix(reason(s.FailureReason), ": ")
		switch {
		case s.Cached:
			note = "cached from " + shortARN(s.CachedFrom)
		case s.Outcome != "":
			note = s.Outcome
		}
		fmt.Fprintf(table, "%s\t%s\t%.1f\t%s\n", s.Name, s.Status, s.Seconds, note)
	}
	fmt.Fprintf(table, "%s\t%s\t%.1f\t%s\n", "execution "+shortARN(e.ARN), e.Status, e.Seconds, strings.TrimPrefix(reason(e.FailureReason), ": "))
	return table.Flush()
}
