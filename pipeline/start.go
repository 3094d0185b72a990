package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// StartOptions say how an execution is started.
type StartOptions struct {
	// Parameters have the values that differ from the defaults: strings, numbers or bools by the parameters' names.
	Parameters map[string]any
	// Token makes starting repeatable: a second start with the same token gives the same execution. Defaults to a new one for each call.
	Token                    string
	DisplayName, Description string
	MaxParallel              int // steps at the same time. Defaults to the service's own limit.
}

// Start starts an execution of a workflow that Upsert has applied, and returns the execution's ARN. Parameters that do not fit the workflow are
// refused before anything is sent.
func (c *Client) Start(ctx context.Context, w *Workflow, o StartOptions) (executionARN string, err error) {
	values, err := w.bind(o.Parameters)
	if err != nil {
		return "", fmt.Errorf("start pipeline %s: %w", w.Name, err)
	}
	in := &awsapi.StartPipelineExecutionRequest{PipelineName: &w.Name, ClientRequestToken: awsapi.Optional(o.Token),
		PipelineExecutionDisplayName: awsapi.Optional(o.DisplayName), PipelineExecutionDescription: awsapi.Optional(o.Description)}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		in.PipelineParameters = append(in.PipelineParameters, awsapi.Parameter{Name: new(name), Value: new(values[name])})
	}
	if o.MaxParallel > 0 {
		in.ParallelismConfiguration = &awsapi.ParallelismConfiguration{MaxParallelExecutionSteps: new(int32(o.MaxParallel))}
	}
	out, err := c.api.StartPipelineExecution(ctx, in)
	if err != nil {
		return "", fmt.Errorf("start pipeline %s: %w", w.Name, err)
	}
	return awsapi.Val(out.PipelineExecutionArn), nil
}

// Stop asks an execution to stop. It returns before the execution has.
func (c *Client) Stop(ctx context.Context, executionARN string) error {
	if _, err := c.api.StopPipelineExecution(ctx, &awsapi.StopPipelineExecutionRequest{PipelineExecutionArn: &executionARN}); err != nil {
		return fmt.Errorf("stop execution %s: %w", executionARN, err)
	}
	return nil
}

// Retry runs the failed steps of an execution again, and those that have not run.
func (c *Client) Retry(ctx context.Context, executionARN string) error {
	if _, err := c.api.RetryPipelineExecution(ctx, &awsapi.RetryPipelineExecutionRequest{PipelineExecutionArn: &executionARN}); err != nil {
		return fmt.Errorf("retry execution %s: %w", executionARN, err)
	}
	return nil
}

// Executions are the ARNs of the newest executions of a pipeline, the newest first, at most limit of them (1 to 100).
func (c *Client) Executions(ctx context.Context, pipeline string, limit int) ([]string, error) {
	out, err := c.api.ListPipelineExecutions(ctx, &awsapi.ListPipelineExecutionsRequest{PipelineName: &pipeline, MaxResults: new(int32(min(max(limit, 1), 100))),
		SortBy: new("CreationTime"), SortOrder: new("Descending")})
	if err != nil {
		return nil, fmt.Errorf("list the executions of pipeline %s: %w", pipeline, err)
	}
	var arns []string
	for _, e := range out.PipelineExecutionSummaries {
		arns = append(arns, awsapi.Val(e.PipelineExecutionArn))
	}
	return arns, nil
}
