package lineage

import (
	"context"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// CreateContext makes a context.
func (s *Service) CreateContext(ctx context.Context, in *awsapi.CreateContextRequest) (*awsapi.CreateContextResponse, error) {
	scope, now := identity.From(ctx).Scope(), s.World.Now()
	e := &entity{Name: *in.ContextName, ARN: scope.ARN("context/" + strings.ToLower(*in.ContextName)), Type: *in.ContextType, SourceURI: *in.Source.SourceUri,
		SourceType: awsapi.Val(in.Source.SourceType), SourceID: awsapi.Val(in.Source.SourceId), Description: awsapi.Val(in.Description),
		Properties: in.Properties, Created: now, Modified: now}
	return &awsapi.CreateContextResponse{ContextArn: &e.ARN}, s.DB.Update(ctx, func(tx *store.Tx) error { return insert(tx, contextRows, scope, e, "Context", in.Tags) })
}

func (e *entity) contextSource() *awsapi.ContextSource {
	return &awsapi.ContextSource{SourceUri: &e.SourceURI, SourceType: awsapi.Optional(e.SourceType), SourceId: awsapi.Optional(e.SourceID)}
}

// DescribeContext shows a context.
func (s *Service) DescribeContext(ctx context.Context, in *awsapi.DescribeContextRequest) (*awsapi.DescribeContextResponse, error) {
	var e *entity
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		e, err = get(contextRows, tx, identity.From(ctx).Scope(), in.ContextName, "context")
		return err
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.DescribeContextResponse{ContextName: &e.Name, ContextArn: &e.ARN, Source: e.contextSource(), ContextType: &e.Type, Description: awsapi.Optional(e.Description),
		Properties: e.Properties, CreationTime: awsapi.Stamp(e.Created),
		LastModifiedTime: awsapi.Stamp(e.Modified), CreatedBy: &awsapi.UserContext{}, LastModifiedBy: &awsapi.UserContext{}, LineageGroupArn: new(groupARN(identity.From(ctx).Scope()))}, nil
}

// UpdateContext changes the description and the properties of a context.
func (s *Service) UpdateContext(ctx context.Context, in *awsapi.UpdateContextRequest) (*awsapi.UpdateContextResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.UpdateContextResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := get(contextRows, tx, scope, in.ContextName, "context")
		if err != nil {
			return err
		}
		e.update(in.Description, nil, in.Properties, in.PropertiesToRemove, s.World.Now())
		out.ContextArn = &e.ARN
		return contextRows.Put(tx, scope, e.Name, e)
	})
}

// ListContexts lists contexts by source and type.
func (s *Service) ListContexts(ctx context.Context, in *awsapi.ListContextsRequest) (*awsapi.ListContextsResponse, error) {
	q := query(in.CreatedAfter, in.CreatedBefore, awsapi.Val(in.SortBy) == awsapi.SortContextsByName, in.SortOrder, in.MaxResults, in.NextToken, in.SourceUri, in.ContextType)
	out := &awsapi.ListContextsResponse{ContextSummaries: []awsapi.ContextSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := contextRows.List(tx, identity.From(ctx).Scope(), q)
		for _, e := range page.Items {
			out.ContextSummaries = append(out.ContextSummaries, awsapi.ContextSummary{ContextArn: &e.ARN, ContextName: &e.Name, Source: e.contextSource(), ContextType: &e.Type,
				CreationTime: awsapi.Stamp(e.Created), LastModifiedTime: awsapi.Stamp(e.Modified)})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// DeleteContext removes a context.
func (s *Service) DeleteContext(ctx context.Context, in *awsapi.DeleteContextRequest) (*awsapi.DeleteContextResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.DeleteContextResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := get(contextRows, tx, scope, in.ContextName, "context")
		if err != nil {
			return err
		}
		out.ContextArn = &e.ARN
		return removeEntity(tx, contextRows, scope, e.Name, e)
	})
}
