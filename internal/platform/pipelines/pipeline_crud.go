package pipelines

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// maxDefinition is the service's quota for a definition read from S3, in bytes.
const maxDefinition = 1 << 20

// definitionText returns the text of the request's definition: inline, or read from S3. It is "" where the request has none.
func (s *Service) definitionText(ctx context.Context, inline *string, at *awsapi.PipelineDefinitionS3Location) (string, error) {
	switch {
	case inline != nil && at != nil:
		return "", awsapi.Validation("Only one of PipelineDefinition and PipelineDefinitionS3Location may be given.")
	case inline != nil:
		return *inline, nil
	case at == nil:
		return "", nil
	}
	body, _, err := s.Objects.Get(ctx, awsapi.Val(at.Bucket), awsapi.Val(at.ObjectKey))
	if err != nil {
		return "", awsapi.Validation("PipelineDefinitionS3Location s3://%s/%s cannot be read: %v", awsapi.Val(at.Bucket), awsapi.Val(at.ObjectKey), err)
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxDefinition+1))
	return string(text), err
}

// accept refuses a definition that cannot be executed.
func (s *Service) accept(text string) error {
	d, err := s.parse(text)
	if err != nil {
		return awsapi.Validation("%v", err)
	}
	for _, step := range d.Steps {
		if why := s.unserved(step.Type); why != "" {
			return awsapi.Validation("Unable to parse pipeline definition: step '%s' at %s.Type: steps of type %s cannot be executed: %s", step.Name, step.Path, step.Type, why)
		}
	}
	return nil
}

// CreatePipeline checks the definition and keeps the pipeline. A name that exists gives the ValidationException by which the SDK's upsert knows to update.
func (s *Service) CreatePipeline(ctx context.Context, in *awsapi.CreatePipelineRequest) (*awsapi.CreatePipelineResponse, error) {
	text, err := s.definitionText(ctx, in.PipelineDefinition, in.PipelineDefinitionS3Location)
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, awsapi.Validation("Either PipelineDefinition or PipelineDefinitionS3Location must be given.")
	}
	if err := s.accept(text); err != nil {
		return nil, err
	}
	scope, now := identity.From(ctx).Scope(), s.World.Now()
	p := &pipeline{Name: *in.PipelineName, ARN: scope.ARN("pipeline/" + strings.ToLower(*in.PipelineName)),
		DisplayName: awsapi.Val(in.PipelineDisplayName), Description: awsapi.Val(in.PipelineDescription),
		Definition: text, RoleARN: *in.RoleArn, Created: now, Modified: now}
	if in.ParallelismConfiguration != nil {
		p.MaxParallel = awsapi.Val(in.ParallelismConfiguration.MaxParallelExecutionSteps)
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		if known, seen, err := tx.Idempotent(scope, "CreatePipeline", awsapi.Val(in.ClientRequestToken), requestOf(in)); err != nil || seen {
			p.ARN = known
			return err
		}
		err := pipelineRows.Insert(tx, scope, p.Name, p.ARN, p)
		if errors.Is(err, store.ErrExists) {
			return awsapi.Validation("Pipeline names must be unique within an AWS account and region. Pipeline with name (%s) already exists.", p.Name)
		}
		if err != nil {
			return err
		}
		if err := tx.SetTags(p.ARN, in.Tags); err != nil {
			return err
		}
		if err := addVersion(tx, scope, p, in.PipelineVersionAliases); err != nil {
			return err
		}
		if err := pipelineRows.Put(tx, scope, p.Name, p); err != nil {
			return err
		}
		return tx.RememberToken(scope, "CreatePipeline", awsapi.Val(in.ClientRequestToken), requestOf(in), p.ARN)
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.CreatePipelineResponse{PipelineArn: &p.ARN}, nil
}

// UpdatePipeline changes the members that the request has. Executions that run keep the definition they started with.
func (s *Service) UpdatePipeline(ctx context.Context, in *awsapi.UpdatePipelineRequest) (*awsapi.UpdatePipelineResponse, error) {
	text, err := s.definitionText(ctx, in.PipelineDefinition, in.PipelineDefinitionS3Location)
	if err != nil {
		return nil, err
	}
	if text != "" {
		if err := s.accept(text); err != nil {
			return nil, err
		}
	}
	scope := identity.From(ctx).Scope()
	var p *pipeline
	err = s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if p, err = getPipeline(tx, scope, in.PipelineName); err != nil {
			return err
		}
		if p.Version == 0 { // made before there were versions: what it has is the first
			if err := addVersion(tx, scope, p, nil); err != nil {
				return err
			}
		}
		changed := text != "" && text != p.Definition
		if changed {
			p.Definition = text
		}
		for member, value := range map[*string]*string{&p.DisplayName: in.PipelineDisplayName, &p.Description: in.PipelineDescription, &p.RoleARN: in.RoleArn} {
			if value != nil {
				*member = *value
			}
		}
		if in.ParallelismConfiguration != nil {
			p.MaxParallel = awsapi.Val(in.ParallelismConfiguration.MaxParallelExecutionSteps)
		}
		p.Modified = s.World.Now()
		if changed {
			if err := addVersion(tx, scope, p, in.PipelineVersionAliases); err != nil {
				return err
			}
		} else if len(in.PipelineVersionAliases) > 0 {
			v, err := findVersion(tx, scope, p, nil, nil)
			if err != nil {
				return err
			}
			if err := alias(tx, scope, v, in.PipelineVersionAliases); err != nil {
				return err
			}
		}
		return pipelineRows.Put(tx, scope, p.Name, p)
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.UpdatePipelineResponse{PipelineArn: &p.ARN, PipelineVersionId: &p.Version}, nil
}

// DescribePipeline shows a pipeline and its definition.
func (s *Service) DescribePipeline(ctx context.Context, in *awsapi.DescribePipelineRequest) (*awsapi.DescribePipelineResponse, error) {
	var p *pipeline
	var v *version
	scope := identity.From(ctx).Scope()
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		if p, err = getPipeline(tx, scope, in.PipelineName); err == nil {
			v, err = findVersion(tx, scope, p, in.PipelineVersionId, in.PipelineVersionAlias)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &awsapi.DescribePipelineResponse{
		PipelineArn: &p.ARN, PipelineName: &p.Name, PipelineDisplayName: optional(p.DisplayName), PipelineDescription: optional(p.Description),
		PipelineVersionDisplayName: optional(v.DisplayName), PipelineVersionDescription: optional(v.Description), PipelineVersionAliases: v.Aliases,
		PipelineDefinition: &v.Definition, RoleArn: &p.RoleARN, PipelineStatus: new(awsapi.PipelineStatusActive),
		CreationTime: stamp(p.Created), LastModifiedTime: stamp(p.Modified), ParallelismConfiguration: parallelism(p.MaxParallel),
	}
	if p.LastRun != nil {
		out.LastRunTime = stamp(*p.LastRun)
	}
	return out, nil
}

// DeletePipeline removes a pipeline, its executions and their steps. It is refused while an execution runs.
func (s *Service) DeletePipeline(ctx context.Context, in *awsapi.DeletePipelineRequest) (*awsapi.DeletePipelineResponse, error) {
	scope := identity.From(ctx).Scope()
	var arn string
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		p, err := getPipeline(tx, scope, in.PipelineName)
		if err != nil {
			return err
		}
		arn = p.ARN
		for {
			page, err := executionRows.List(tx, scope, store.Query{Parent: p.Name, SortBy: store.ByCreated, Limit: 100})
			if err != nil || len(page.Items) == 0 {
				if err != nil {
					return err
				}
				break
			}
			for _, e := range page.Items {
				if !over(e.Status) {
					return awsapi.Conflict("Pipeline '%s' cannot be deleted: execution '%s' is %s. Stop it first.", p.Name, e.ARN, e.Status)
				}
				if err := deleteExecution(tx, &e); err != nil {
					return err
				}
			}
		}
		if err := forgetCache(tx, scope, p.Name); err != nil {
			return err
		}
		if err := forgetVersions(tx, scope, p.Name); err != nil {
			return err
		}
		return pipelineRows.Delete(tx, scope, p.Name)
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.DeletePipelineResponse{PipelineArn: &arn}, nil
}

func deleteExecution(tx *store.Tx, e *execution) error {
	steps, err := stepsOf(tx, e)
	if err != nil {
		return err
	}
	for _, row := range steps {
		if err := stepRows.Delete(tx, e.Scope, row.row()); err != nil {
			return err
		}
	}
	if err := forgetCallbacks(tx, e); err != nil {
		return err
	}
	return executionRows.Delete(tx, e.Scope, e.ID)
}

// ListPipelines lists pipelines by name prefix and time.
func (s *Service) ListPipelines(ctx context.Context, in *awsapi.ListPipelinesRequest) (*awsapi.ListPipelinesResponse, error) {
	q := store.Query{NamePrefix: awsapi.Val(in.PipelineNamePrefix), CreatedAfter: timeOf(in.CreatedAfter), CreatedBefore: timeOf(in.CreatedBefore),
		SortBy: store.ByCreated, Descending: awsapi.Val(in.SortOrder) != awsapi.SortOrderAscending, Limit: limit(in.MaxResults), Token: awsapi.Val(in.NextToken)}
	if awsapi.Val(in.SortBy) == awsapi.SortPipelinesByName {
		q.SortBy = store.ByName
	}
	out := &awsapi.ListPipelinesResponse{PipelineSummaries: []awsapi.PipelineSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := pipelineRows.List(tx, identity.From(ctx).Scope(), q)
		for _, p := range page.Items {
			sum := awsapi.PipelineSummary{PipelineArn: &p.ARN, PipelineName: &p.Name, PipelineDisplayName: optional(p.DisplayName),
				PipelineDescription: optional(p.Description), RoleArn: &p.RoleARN, CreationTime: stamp(p.Created), LastModifiedTime: stamp(p.Modified)}
			if p.LastRun != nil {
				sum.LastExecutionTime = stamp(*p.LastRun)
			}
			out.PipelineSummaries = append(out.PipelineSummaries, sum)
		}
		out.NextToken = optional(page.Next)
		return tokenError(err)
	})
}
