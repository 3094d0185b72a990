package pipelines

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/internal/store"
)

// A run is one pass of the controller over one execution. It is the Scope in which the execution's expressions are evaluated.
type run struct {
	svc    *Service
	ctx    context.Context // carries the execution's identity
	lease  *durable.Lease
	exec   *execution
	def    *definition.Definition
	values map[string]any
	steps  map[string]*step
}

// load reads the execution and its steps.
func (s *Service) load(ctx context.Context, l *durable.Lease) (*run, error) {
	r := &run{svc: s, lease: l, steps: map[string]*step{}}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		var err error
		if r.exec, err = findExecution(tx, l.Key); err != nil {
			return err
		}
		rows, err := stepsOf(tx, r.exec)
		for _, row := range rows {
			r.steps[row.Name] = row
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	r.ctx = store.WithCause(r.exec.as(ctx), r.exec.Event) // of what the steps make
	if r.def, err = s.parse(r.exec.Definition); err != nil {
		return nil, err
	}
	given, err := givenParameters(r.exec.Parameters)
	if err != nil {
		return nil, err
	}
	r.values, err = r.def.Bind(given)
	return r, err
}

// Parameter implements definition.Scope.
func (r *run) Parameter(name string) (any, error) {
	v, ok := r.values[name]
	if !ok {
		return nil, fmt.Errorf("parameter '%s' has no value", name)
	}
	return v, nil
}

// Execution implements definition.Scope. Every pass sees the same values: the execution's start stands for the current time.
func (r *run) Execution(name string) (any, error) {
	switch name {
	case "PipelineName":
		return r.exec.Pipeline, nil
	case "PipelineArn":
		return r.exec.PipelineARN, nil
	case "PipelineExecutionId":
		return r.exec.ID, nil
	case "PipelineExecutionArn":
		return r.exec.ARN, nil
	case "StartDateTime", "CurrentDateTime":
		return r.exec.Created.UTC().Format(time.RFC3339), nil
	}
	return nil, fmt.Errorf("Execution.%s is known only in the arguments of a step that makes such a job", name)
}

// A stepScope is the run as the expressions of one step see it: the job that the step makes has a name there.
type stepScope struct {
	*run
	def *definition.Step
	job string
}

// Execution implements definition.Scope.
func (s stepScope) Execution(name string) (any, error) {
	if name == s.def.Type+"JobName" && s.job != "" {
		return s.job, nil
	}
	return s.run.Execution(name)
}

// Properties implements definition.Scope.
func (r *run) Properties(name string) (any, error) {
	row := r.steps[name]
	if row == nil || row.Status != awsapi.StepStatusSucceeded {
		return nil, fmt.Errorf("step '%s' has not succeeded, so it has no properties", name)
	}
	var tree any
	d := json.NewDecoder(strings.NewReader(string(row.Properties)))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("step '%s' has no properties: %w", name, err)
	}
	return tree, nil
}

// maxPropertyFile bounds what is read of a property file, in bytes.
const maxPropertyFile = 10 << 20

// PropertyFile implements definition.Scope.
func (r *run) PropertyFile(stepName, name string) ([]byte, error) {
	file, ok := r.def.Step(stepName).PropertyFile(name)
	if !ok {
		return nil, fmt.Errorf("step '%s' declares no property file named '%s'", stepName, name)
	}
	tree, err := r.Properties(stepName)
	if err != nil {
		return nil, err
	}
	uri, err := definition.Walk(tree, []definition.Element{{Name: "ProcessingOutputConfig"}, {Name: "Outputs"},
		{Name: file.OutputName, Key: true}, {Name: "S3Output"}, {Name: "S3Uri"}})
	if err != nil {
		return nil, fmt.Errorf("property file '%s' of step '%s': %w", name, stepName, err)
	}
	data, err := r.Object(strings.TrimSuffix(fmt.Sprint(uri), "/") + "/" + file.FilePath)
	if err != nil {
		return nil, fmt.Errorf("property file '%s' of step '%s' %w", name, stepName, err)
	}
	return data, nil
}

// Object implements definition.Scope.
func (r *run) Object(uri string) ([]byte, error) {
	bucket, key, err := object.ParseURI(uri)
	if err != nil {
		return nil, err
	}
	body, _, err := r.svc.Objects.Get(r.ctx, bucket, key)
	if err != nil {
		return nil, fmt.Errorf("cannot be read at %s: %w", uri, err)
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxPropertyFile+1))
	if err == nil && len(data) > maxPropertyFile {
		return nil, fmt.Errorf("at %s has more than %d bytes", uri, maxPropertyFile)
	}
	return data, err
}

// commit keeps what the pass has changed about a step, with its event, while the lease holds.
func (r *run) commit(row *step, also ...func(*store.Tx) error) error {
	return r.lease.Update(r.ctx, func(tx *store.Tx) error {
		if err := emitStep(tx, r.exec, row, 0); err != nil {
			return err
		}
		for _, fn := range also {
			if err := fn(tx); err != nil {
				return err
			}
		}
		return stepRows.Put(tx, r.exec.Scope, row.row(), row)
	})
}
