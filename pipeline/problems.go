package pipeline

import (
	"fmt"
	"strings"
)

// A Problem is one thing that is wrong with a workflow.
type Problem struct {
	Step    string // the step's name, or "" where it is no step's
	Path    string // what of the step, such as Conditions[0].LeftValue, or "" where it is the step itself
	Message string
}

func (p Problem) String() string {
	var parts []string
	if p.Step != "" {
		parts = append(parts, "step '"+p.Step+"'")
	}
	if p.Path != "" {
		parts = append(parts, p.Path)
	}
	return strings.Join(append(parts, p.Message), ": ")
}

// Problems is the error of Build: everything that is wrong, in the order of the definition.
type Problems []Problem

func (ps Problems) Error() string {
	if len(ps) == 1 {
		return "pipeline: " + ps[0].String()
	}
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = "\n  " + p.String()
	}
	return fmt.Sprintf("pipeline: %d problems:%s", len(ps), strings.Join(lines, ""))
}
