package jobs

import (
	"errors"
	"regexp"
	"time"

	"github.com/dlclark/regexp2"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// A definition is a metric that a training job's request defines.
type definition struct {
	name  string
	plain *regexp.Regexp
	fancy *regexp2.Regexp // of a pattern that looks ahead or behind, as Python's may
}

// patternPatience is how long a fancy pattern may look at one line.
const patternPatience = 100 * time.Millisecond

func newDefinition(m awsapi.MetricDefinition) (definition, error) {
	d := definition{name: awsapi.Val(m.Name)}
	groups := 0
	var err error
	if d.plain, err = regexp.Compile(awsapi.Val(m.Regex)); err == nil {
		groups = d.plain.NumSubexp()
	} else if d.fancy, err = regexp2.Compile(awsapi.Val(m.Regex), regexp2.RE2); err == nil {
		d.fancy.MatchTimeout = patternPatience
		groups = len(d.fancy.GetGroupNumbers()) - 1
	}
	if err == nil && groups < 1 {
		err = errors.New("it has no group")
	}
	if err != nil {
		return d, awsapi.Validation("metric definition '%s': Regex '%s' must be a regular expression with one group, which is the value: %v.", d.name, awsapi.Val(m.Regex), err)
	}
	return d, nil
}

// find is the value in a line.
func (d definition) find(line string) (value string, found bool) {
	if d.plain != nil {
		if match := d.plain.FindStringSubmatch(line); match != nil {
			return match[1], true
		}
		return "", false
	}
	match, err := d.fancy.FindStringMatch(line)
	if err != nil || match == nil {
		return "", false
	}
	return match.GroupByNumber(1).String(), true
}

// definitions are the metrics that a training job's request defines.
func (j *job) definitions() (all []definition) {
	for _, m := range j.Training.AlgorithmSpecification.MetricDefinitions {
		if d, err := newDefinition(m); err == nil { // checked when the job was made
			all = append(all, d)
		}
	}
	return all
}
