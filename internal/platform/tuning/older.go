package tuning

import (
	"encoding/json"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/tune"
)

// UnmarshalJSON reads a row, also one of the form that knew a single definition.
func (j *job) UnmarshalJSON(b []byte) error {
	type row job
	old := struct {
		*row
		Definition *awsapi.HyperParameterTrainingJobDefinition
		Space      tune.Space
	}{row: (*row)(j)}
	if err := json.Unmarshal(b, &old); err != nil {
		return err
	}
	if len(j.Definitions) == 0 && old.Definition != nil {
		j.Definitions = []definition{{Request: *old.Definition, Objective: *j.Config.HyperParameterTuningJobObjective, Space: old.Space}}
	}
	return nil
}
