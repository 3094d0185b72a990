package pipelines

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// DescribePipelineExecution shows an execution.
func (s *Service) DescribePipelineExecution(ctx context.Context, in *awsapi.DescribePipelineExecutionRequest) (*awsapi.DescribePipelineExecutionResponse, error) {
	e, err := s.viewExecution(ctx, in.PipelineExecutionArn)
	if err != nil {
		return nil, err
	}
	return e.describe(), nil
}

// DescribePipelineDefinitionForExecution shows the definition that an execution runs, which later updates of the pipeline do not change.
func (s *Service) DescribePipelineDefinitionForExecution(ctx context.Context, in *awsapi.DescribePipelineDefinitionForExecutionRequest) (*awsapi.DescribePipelineDefinitionForExecutionResponse, error) {
	e, err := s.viewExecution(ctx, in.PipelineExecutionArn)
	if err != nil {
		return nil, err
	}
	return &awsapi.DescribePipelineDefinitionForExecutionResponse{PipelineDefinition: &e.Definition, CreationTime: stamp(e.Created)}, nil
}

// ListPipelineExecutions lists the executions of a pipeline.
func (s *Service) ListPipelineExecutions(ctx context.Context, in *awsapi.ListPipelineExecutionsRequest) (*awsapi.ListPipelineExecutionsResponse, error) {
	out := &awsapi.ListPipelineExecutionsResponse{PipelineExecutionSummaries: []awsapi.PipelineExecutionSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		scope := identity.From(ctx).Scope()
		p, err := getPipeline(tx, scope, in.PipelineName)
		if err != nil {
			return err
		}
		q := store.Query{Parent: p.Name, CreatedAfter: timeOf(in.CreatedAfter), CreatedBefore: timeOf(in.CreatedBefore), SortBy: store.ByCreated,
			Descending: awsapi.Val(in.SortOrder) != awsapi.SortOrderAscending, Limit: limit(in.MaxResults), Token: awsapi.Val(in.NextToken)}
		page, err := executionRows.List(tx, scope, q)
		for _, e := range page.Items {
			out.PipelineExecutionSummaries = append(out.PipelineExecutionSummaries, awsapi.PipelineExecutionSummary{
				PipelineExecutionArn: &e.ARN, StartTime: stamp(e.Created), PipelineExecutionStatus: &e.Status,
				PipelineExecutionDescription: optional(e.Description), PipelineExecutionDisplayName: optional(e.DisplayName),
				PipelineExecutionFailureReason: optional(e.FailureReason)})
		}
		out.NextToken = optional(page.Next)
		return tokenError(err)
	})
}

// ListPipelineExecutionSteps lists the steps of an execution that have started, the latest first unless told otherwise.
// An execution has at most 500 steps, so they are ordered here and a page is a cut of them.
func (s *Service) ListPipelineExecutionSteps(ctx context.Context, in *awsapi.ListPipelineExecutionStepsRequest) (*awsapi.ListPipelineExecutionStepsResponse, error) {
	var e *execution
	var steps []*step
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		if e, err = getExecution(tx, in.PipelineExecutionArn); err == nil {
			steps, err = stepsOf(tx, e)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if awsapi.Val(in.SortOrder) != awsapi.SortOrderAscending {
		slices.Reverse(steps)
	}
	from, to, next, err := cut(len(steps), limit(in.MaxResults), in.NextToken)
	if err != nil {
		return nil, err
	}
	d, err := s.parse(e.Definition)
	if err != nil {
		return nil, err
	}
	out := &awsapi.ListPipelineExecutionStepsResponse{PipelineExecutionSteps: []awsapi.PipelineExecutionStep{}, NextToken: next}
	for _, row := range steps[from:to] {
		out.PipelineExecutionSteps = append(out.PipelineExecutionSteps, row.describe(d))
	}
	return out, nil
}

// ListPipelineParametersForExecution lists the parameters that the execution was started with.
func (s *Service) ListPipelineParametersForExecution(ctx context.Context, in *awsapi.ListPipelineParametersForExecutionRequest) (*awsapi.ListPipelineParametersForExecutionResponse, error) {
	e, err := s.viewExecution(ctx, in.PipelineExecutionArn)
	if err != nil {
		return nil, err
	}
	from, to, next, err := cut(len(e.Parameters), limit(in.MaxResults), in.NextToken)
	if err != nil {
		return nil, err
	}
	return &awsapi.ListPipelineParametersForExecutionResponse{PipelineParameters: append([]awsapi.Parameter{}, e.Parameters[from:to]...), NextToken: next}, nil
}

// cut pages a list that is short and whose order does not change: the token is the place where the next page begins.
func cut(n, size int, token *string) (from, to int, next *string, err error) {
	if token != nil {
		text, decodeErr := base64.RawURLEncoding.DecodeString(*token)
		at, numberErr := strconv.Atoi(string(text))
		if decodeErr != nil || numberErr != nil || at < 0 || at > n {
			return 0, 0, nil, awsapi.Validation("NextToken is not one that this operation gave.")
		}
		from = at
	}
	if to = min(from+size, n); to < n {
		next = new(base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to))))
	}
	return from, to, next, nil
}

// stepsOf returns the rows of an execution's steps by the order of their start.
func stepsOf(tx *store.Tx, e *execution) ([]*step, error) {
	var out []*step
	q := store.Query{Parent: e.ID, SortBy: store.ByName, Limit: 100}
	for {
		page, err := stepRows.List(tx, e.Scope, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			out = append(out, &page.Items[i])
		}
		if q.Token = page.Next; q.Token == "" {
			break
		}
	}
	slices.SortFunc(out, func(a, b *step) int { return a.Order - b.Order })
	return out, nil
}
