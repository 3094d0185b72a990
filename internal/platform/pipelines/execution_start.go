package pipelines

import (
	"context"
	"fmt"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/internal/store"
)

// StartPipelineExecution keeps an execution of the pipeline's present definition and hands it to the controller.
func (s *Service) StartPipelineExecution(ctx context.Context, in *awsapi.StartPipelineExecutionRequest) (*awsapi.StartPipelineExecutionResponse, error) {
	scope, now := identity.From(ctx).Scope(), s.World.Now()
	if _, err := givenParameters(in.PipelineParameters); err != nil {
		return nil, err
	}
	id := strings.ToLower(s.World.NewID(12))
	token := awsapi.Val(in.ClientRequestToken)
	var arn string
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		known, seen, err := tx.Idempotent(scope, "StartPipelineExecution", token, requestOf(in))
		if err != nil || seen {
			arn = known
			return err
		}
		p, err := getPipeline(tx, scope, in.PipelineName)
		if err != nil {
			return err
		}
		v, err := findVersion(tx, scope, p, in.PipelineVersionId, in.PipelineVersionAlias)
		if err != nil {
			return err
		}
		e, reused, err := s.newExecution(tx, p, v, in, id)
		if err != nil {
			return err
		}
		e.Scope, e.Created, e.Modified = scope, now, now
		arn = e.ARN
		if err := emitExecution(tx, e, 0); err != nil {
			return err
		}
		if err := executionRows.Insert(tx, scope, e.ID, e.ARN, e); err != nil {
			return err
		}
		for _, row := range reused {
			if err := stepRows.Insert(tx, scope, row.row(), e.ARN+"/step/"+row.Name, row); err != nil {
				return err
			}
		}
		p.LastRun = &now
		if err := pipelineRows.Put(tx, scope, p.Name, p); err != nil {
			return err
		}
		if err := v.ranAs(tx, scope, e.ARN); err != nil {
			return err
		}
		if err := tx.RememberToken(scope, "StartPipelineExecution", token, requestOf(in), e.ARN); err != nil {
			return err
		}
		return s.Engine.Enqueue(tx, controller, e.ARN)
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.StartPipelineExecutionResponse{PipelineExecutionArn: &arn}, nil
}

// newExecution selects the steps, binds the parameters and names the experiment; all must be right before anything is kept. With the
// execution come the rows of steps whose results it reuses.
func (s *Service) newExecution(tx *store.Tx, p *pipeline, v *version, in *awsapi.StartPipelineExecutionRequest, id string) (*execution, []*step, error) {
	e := &execution{ID: id, ARN: p.ARN + "/execution/" + id, Pipeline: p.Name, PipelineARN: p.ARN,
		DisplayName: awsapi.Val(in.PipelineExecutionDisplayName), Description: awsapi.Val(in.PipelineExecutionDescription),
		RoleARN: p.RoleARN, Definition: v.Definition, Version: v.ID, Parameters: in.PipelineParameters, MaxParallel: p.MaxParallel,
		Status: awsapi.PipelineExecutionStatusExecuting}
	if in.RoleArn != nil {
		e.RoleARN = *in.RoleArn
	}
	if in.ParallelismConfiguration != nil {
		e.MaxParallel = awsapi.Val(in.ParallelismConfiguration.MaxParallelExecutionSteps)
	}
	d, err := s.parse(e.Definition)
	if err != nil {
		return nil, nil, awsapi.Validation("%v", err)
	}
	reused, err := s.selection(tx, e, d, in.SelectiveExecutionConfig)
	if err != nil {
		return nil, nil, err
	}
	given, err := givenParameters(e.Parameters)
	if err != nil {
		return nil, nil, err
	}
	values, err := d.Bind(given)
	if err != nil {
		return nil, nil, awsapi.Validation("Invalid pipeline parameters: %v", err)
	}
	if d.Experiment != nil {
		names := &run{exec: e, values: values}
		if e.ExperimentName, err = definition.EvaluateText(d.Experiment.ExperimentName, names); err == nil {
			e.TrialName, err = definition.EvaluateText(d.Experiment.TrialName, names)
		}
		if err != nil {
			return nil, nil, awsapi.Validation("PipelineExperimentConfig: %v", err)
		}
	}
	return e, reused, nil
}

func givenParameters(list []awsapi.Parameter) (map[string]string, error) {
	given := map[string]string{}
	for _, p := range list {
		if _, twice := given[awsapi.Val(p.Name)]; twice {
			return nil, awsapi.Validation("Invalid pipeline parameters: parameter '%s' is given twice", awsapi.Val(p.Name))
		}
		given[awsapi.Val(p.Name)] = awsapi.Val(p.Value)
	}
	return given, nil
}

// RetryPipelineExecution runs the steps of an execution again that failed or were stopped, and goes on from there.
func (s *Service) RetryPipelineExecution(ctx context.Context, in *awsapi.RetryPipelineExecutionRequest) (*awsapi.RetryPipelineExecutionResponse, error) {
	err := s.change(ctx, in.PipelineExecutionArn, "RetryPipelineExecution", awsapi.Val(in.ClientRequestToken), func(tx *store.Tx, e *execution) error {
		if e.Status != awsapi.PipelineExecutionStatusFailed && e.Status != awsapi.PipelineExecutionStatusStopped {
			return awsapi.Conflict("Pipeline execution '%s' is %s; only one that is Failed or Stopped can be retried.", e.ARN, e.Status)
		}
		if in.ParallelismConfiguration != nil {
			e.MaxParallel = awsapi.Val(in.ParallelismConfiguration.MaxParallelExecutionSteps)
		}
		steps, err := stepsOf(tx, e)
		if err != nil {
			return err
		}
		now := s.World.Now()
		for _, row := range steps {
			if row.Status != awsapi.StepStatusFailed && row.Status != awsapi.StepStatusStopped {
				continue
			}
			row.again(now)
			if err := stepRows.Put(tx, e.Scope, row.row(), row); err != nil {
				return err
			}
		}
		e.Status, e.FailureReason = awsapi.PipelineExecutionStatusExecuting, ""
		return s.Engine.Enqueue(tx, controller, e.ARN)
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.RetryPipelineExecutionResponse{PipelineExecutionArn: in.PipelineExecutionArn}, nil
}

// StopPipelineExecution asks the controller to stop what runs and to start nothing more.
func (s *Service) StopPipelineExecution(ctx context.Context, in *awsapi.StopPipelineExecutionRequest) (*awsapi.StopPipelineExecutionResponse, error) {
	err := s.change(ctx, in.PipelineExecutionArn, "StopPipelineExecution", awsapi.Val(in.ClientRequestToken), func(tx *store.Tx, e *execution) error {
		if e.Status != awsapi.PipelineExecutionStatusExecuting {
			return awsapi.Conflict("Pipeline execution '%s' is %s; only one that is Executing can be stopped.", e.ARN, e.Status)
		}
		e.Status = awsapi.PipelineExecutionStatusStopping
		return s.Engine.Signal(tx, controller, e.ARN)
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.StopPipelineExecutionResponse{PipelineExecutionArn: in.PipelineExecutionArn}, nil
}

// UpdatePipelineExecution changes how an execution is shown and how many of its steps may run at a time.
func (s *Service) UpdatePipelineExecution(ctx context.Context, in *awsapi.UpdatePipelineExecutionRequest) (*awsapi.UpdatePipelineExecutionResponse, error) {
	err := s.change(ctx, in.PipelineExecutionArn, "", "", func(tx *store.Tx, e *execution) error {
		if in.PipelineExecutionDescription != nil {
			e.Description = *in.PipelineExecutionDescription
		}
		if in.PipelineExecutionDisplayName != nil {
			e.DisplayName = *in.PipelineExecutionDisplayName
		}
		if in.ParallelismConfiguration != nil {
			e.MaxParallel = awsapi.Val(in.ParallelismConfiguration.MaxParallelExecutionSteps)
		}
		return s.Engine.Signal(tx, controller, e.ARN)
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.UpdatePipelineExecutionResponse{PipelineExecutionArn: in.PipelineExecutionArn}, nil
}

// change loads an execution, lets fn change it, and keeps it with an event; a request token that was seen changes nothing.
func (s *Service) change(ctx context.Context, arn *string, operation, token string, fn func(*store.Tx, *execution) error) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := getExecution(tx, arn)
		if err != nil {
			return err
		}
		request := fmt.Appendf(nil, "%s", e.ARN)
		if token != "" {
			if _, seen, err := tx.Idempotent(e.Scope, operation, token, request); err != nil || seen {
				return err
			}
			if err := tx.RememberToken(e.Scope, operation, token, request, e.ARN); err != nil {
				return err
			}
		}
		before := e.Status
		if err := fn(tx, e); err != nil {
			return err
		}
		e.Modified = s.World.Now()
		if e.Status != before {
			if err := emitExecution(tx, e, 0); err != nil {
				return err
			}
		}
		return executionRows.Put(tx, e.Scope, e.ID, e)
	})
}
