package pipelines

import (
	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// SearchPipelines pages through the pipelines as Search shows them: without their definitions.
func (s *Service) SearchPipelines(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.NamePrefix = equal["PipelineName"]
	page, err := pipelineRows.List(tx, scope, q)
	for _, p := range page.Items {
		r := &awsapi.Pipeline{PipelineArn: &p.ARN, PipelineName: &p.Name, PipelineDisplayName: optional(p.DisplayName), PipelineDescription: optional(p.Description),
			RoleArn: &p.RoleARN, PipelineStatus: new(awsapi.PipelineStatusActive), CreationTime: stamp(p.Created), LastModifiedTime: stamp(p.Modified),
			ParallelismConfiguration: parallelism(p.MaxParallel)}
		if p.LastRun != nil {
			r.LastRunTime = stamp(*p.LastRun)
		}
		out.Items = append(out.Items, awsapi.SearchRecord{Pipeline: r})
	}
	out.Next = page.Next
	return out, err
}

// SearchExecutions pages through the executions of all pipelines as Search shows them, with their parameters.
func (s *Service) SearchExecutions(tx *store.Tx, scope store.Scope, equal map[string]string, q store.Query) (out store.Page[awsapi.SearchRecord], err error) {
	q.Status = equal["PipelineExecutionStatus"]
	page, err := executionRows.List(tx, scope, q)
	for i := range page.Items {
		r := awsapi.Same[awsapi.PipelineExecution](page.Items[i].describe())
		r.PipelineParameters = page.Items[i].Parameters
		out.Items = append(out.Items, awsapi.SearchRecord{PipelineExecution: r})
	}
	out.Next = page.Next
	return out, err
}
