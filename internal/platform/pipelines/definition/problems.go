package definition

import (
	"fmt"
	"strings"
)

// A Problem is one thing that is wrong with a definition.
type Problem struct {
	Step    string // the step's name, or "" where the problem is outside the steps
	Path    string // JSON path from the root of the definition, such as "Steps[2].DependsOn[0]"
	Message string
}

func (p Problem) String() string {
	if p.Step == "" {
		return fmt.Sprintf("at %s: %s", p.Path, p.Message)
	}
	return fmt.Sprintf("step '%s' at %s: %s", p.Step, p.Path, p.Message)
}

// Problems is what Parse returns when a definition cannot be executed.
type Problems []Problem

// maxShown bounds how many problems one message lists; AWS bounds a FailureReason and a message alike.
const maxShown = 10

func (ps Problems) Error() string {
	var lines []string
	for i, p := range ps {
		if i == maxShown {
			lines = append(lines, fmt.Sprintf("and %d more", len(ps)-maxShown))
			break
		}
		lines = append(lines, p.String())
	}
	return "Unable to parse pipeline definition: " + strings.Join(lines, "; ")
}
