package pipelines

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// Explain says of a step of an execution which execution its result was taken from, or why none was. The execution is named by its ARN or its
// id; without a step's name there is a line for each step that has started.
func (s *Service) Explain(ctx context.Context, executionName, stepName string) (string, error) {
	var steps []*step
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		e, err := executionNamed(tx, identity.From(ctx).Scope(), executionName)
		if err == nil {
			steps, err = stepsOf(tx, e)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	var lines []string
	for _, row := range steps {
		switch stepName {
		case row.Name:
			return row.explain(), nil
		case "":
			lines = append(lines, row.Name+": "+row.explain())
		}
	}
	if stepName != "" {
		return "", awsapi.NotFound("Step '%s' of execution '%s' has not started.", stepName, executionName)
	}
	return strings.Join(lines, "\n"), nil
}

// executionNamed finds an execution by ARN or id.
func executionNamed(tx *store.Tx, scope store.Scope, name string) (*execution, error) {
	if strings.HasPrefix(name, "arn:") {
		return getExecution(tx, &name)
	}
	e, err := executionRows.Get(tx, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, awsapi.NotFound("There is no pipeline execution with the id '%s'.", name)
	}
	return e, err
}

func (s *step) explain() string {
	switch {
	case s.Reused != "":
		return "not selected: the result is that of " + s.Reused
	case s.CacheHit != "" && s.Child != "":
		return fmt.Sprintf("cache hit: the result is that of %s, made by %s", s.CacheHit, s.Child)
	case s.CacheHit != "":
		return "cache hit: the result is that of " + s.CacheHit
	case s.CacheMiss != "":
		return "cache miss: " + s.CacheMiss
	}
	return "the step has no cache"
}
