package pipelines

import (
	"strings"

	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
)

// arguments evaluates the arguments of a step and names its child.
func (r *run) arguments(def *definition.Step, row *step) (map[string]any, error) {
	prefix, err := r.namePrefix(def)
	if err != nil {
		return nil, err
	}
	row.ChildName = r.childName(def, row, prefix)
	value, err := definition.Evaluate(def.Arguments, stepScope{r, def, row.ChildName})
	args, _ := value.(map[string]any)
	return args, err
}

// namePrefix is the job's name in the arguments, where they have one: the SDK's custom prefix.
func (r *run) namePrefix(def *definition.Step) (string, error) {
	for _, member := range definition.Kinds[def.Type].Optional {
		if given, ok := def.Arguments[member]; ok {
			return definition.EvaluateText(given, r)
		}
	}
	return "", nil
}

// childName follows from the execution, the step and the attempt, so that a pass that begins again finds what it made.
func (r *run) childName(def *definition.Step, row *step, prefix string) string {
	sum := digest(r.exec.ID, row.Name, itoa(row.Attempt))[:10]
	tuning := def.Type == definition.Tuning // its name has at most 32 characters, because its training jobs' names begin with it
	switch {
	case prefix != "" && tuning:
		return tidy(prefix, 20) + "-" + sum
	case prefix != "":
		return tidy(prefix, 38) + "-" + r.exec.ID + "-" + sum
	case tuning:
		return r.exec.ID + "-" + tidy(row.Name, 8) + "-" + sum
	}
	return "pipelines-" + r.exec.ID + "-" + tidy(row.Name, 28) + "-" + sum // a job's name has at most 63 characters
}

// tidy makes of a text that may be a step's name the middle of a job's name: no underscores, and no hyphen at the end.
func tidy(s string, n int) string {
	return strings.TrimRight(short(strings.ReplaceAll(s, "_", "-"), n), "-")
}
