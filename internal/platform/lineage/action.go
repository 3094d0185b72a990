package lineage

import (
	"context"
	"errors"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// CreateAction makes an action.
func (s *Service) CreateAction(ctx context.Context, in *awsapi.CreateActionRequest) (*awsapi.CreateActionResponse, error) {
	scope, now := identity.From(ctx).Scope(), s.World.Now()
	e := &entity{Name: *in.ActionName, ARN: scope.ARN("action/" + strings.ToLower(*in.ActionName)), Type: *in.ActionType, SourceURI: *in.Source.SourceUri,
		SourceType: awsapi.Val(in.Source.SourceType), SourceID: awsapi.Val(in.Source.SourceId), Description: awsapi.Val(in.Description),
		Status: awsapi.Val(in.Status), Properties: in.Properties, Metadata: in.MetadataProperties, Created: now, Modified: now}
	return &awsapi.CreateActionResponse{ActionArn: &e.ARN}, s.DB.Update(ctx, func(tx *store.Tx) error { return insert(tx, actionRows, scope, e, "Action", in.Tags) })
}

func insert(tx *store.Tx, rows *store.Collection[entity], scope store.Scope, e *entity, kind string, tags []awsapi.Tag) error {
	err := rows.Insert(tx, scope, e.Name, e.ARN, e)
	if errors.Is(err, store.ErrExists) {
		return awsapi.Validation("%s '%s' already exists.", kind, e.Name)
	}
	if err != nil {
		return err
	}
	return tx.SetTags(e.ARN, tags)
}

func (e *entity) actionSource() *awsapi.ActionSource {
	return &awsapi.ActionSource{SourceUri: &e.SourceURI, SourceType: awsapi.Optional(e.SourceType), SourceId: awsapi.Optional(e.SourceID)}
}

// DescribeAction shows an action.
func (s *Service) DescribeAction(ctx context.Context, in *awsapi.DescribeActionRequest) (*awsapi.DescribeActionResponse, error) {
	var e *entity
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		e, err = get(actionRows, tx, identity.From(ctx).Scope(), in.ActionName, "action")
		return err
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.DescribeActionResponse{ActionName: &e.Name, ActionArn: &e.ARN, Source: e.actionSource(), ActionType: &e.Type, Description: awsapi.Optional(e.Description),
		Status: awsapi.Optional(e.Status), Properties: e.Properties, MetadataProperties: e.Metadata, CreationTime: awsapi.Stamp(e.Created),
		LastModifiedTime: awsapi.Stamp(e.Modified), CreatedBy: &awsapi.UserContext{}, LastModifiedBy: &awsapi.UserContext{}, LineageGroupArn: new(groupARN(identity.From(ctx).Scope()))}, nil
}

// UpdateAction changes the status, the description and the properties of an action.
func (s *Service) UpdateAction(ctx context.Context, in *awsapi.UpdateActionRequest) (*awsapi.UpdateActionResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.UpdateActionResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := get(actionRows, tx, scope, in.ActionName, "action")
		if err != nil {
			return err
		}
		e.update(in.Description, in.Status, in.Properties, in.PropertiesToRemove, s.World.Now())
		out.ActionArn = &e.ARN
		return actionRows.Put(tx, scope, e.Name, e)
	})
}

// ListActions lists actions by source and type.
func (s *Service) ListActions(ctx context.Context, in *awsapi.ListActionsRequest) (*awsapi.ListActionsResponse, error) {
	q := query(in.CreatedAfter, in.CreatedBefore, awsapi.Val(in.SortBy) == awsapi.SortActionsByName, in.SortOrder, in.MaxResults, in.NextToken, in.SourceUri, in.ActionType)
	out := &awsapi.ListActionsResponse{ActionSummaries: []awsapi.ActionSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := actionRows.List(tx, identity.From(ctx).Scope(), q)
		for _, e := range page.Items {
			out.ActionSummaries = append(out.ActionSummaries, awsapi.ActionSummary{ActionArn: &e.ARN, ActionName: &e.Name, Source: e.actionSource(), ActionType: &e.Type,
				Status: awsapi.Optional(e.Status), CreationTime: awsapi.Stamp(e.Created), LastModifiedTime: awsapi.Stamp(e.Modified)})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// DeleteAction removes an action.
func (s *Service) DeleteAction(ctx context.Context, in *awsapi.DeleteActionRequest) (*awsapi.DeleteActionResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.DeleteActionResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := get(actionRows, tx, scope, in.ActionName, "action")
		if err != nil {
			return err
		}
		out.ActionArn = &e.ARN
		return removeEntity(tx, actionRows, scope, e.Name, e)
	})
}
