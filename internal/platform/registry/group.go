package registry

import (
	"context"
	"errors"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// CreateModelPackageGroup makes a group for the versions of a model.
func (s *Service) CreateModelPackageGroup(ctx context.Context, in *awsapi.CreateModelPackageGroupInput) (*awsapi.CreateModelPackageGroupOutput, error) {
	scope := identity.From(ctx).Scope()
	name := *in.ModelPackageGroupName
	g := &group{DescribeModelPackageGroupOutput: awsapi.DescribeModelPackageGroupOutput{
		ModelPackageGroupName: &name, ModelPackageGroupArn: new(scope.ARN("model-package-group/" + strings.ToLower(name))),
		ModelPackageGroupDescription: in.ModelPackageGroupDescription, CreationTime: awsapi.Stamp(s.World.Now()), CreatedBy: &awsapi.UserContext{},
		ModelPackageGroupStatus: new(awsapi.ModelPackageGroupStatusCompleted), ManagedConfiguration: in.ManagedConfiguration}}
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		err := groupRows.Insert(tx, scope, name, *g.ModelPackageGroupArn, g)
		if errors.Is(err, store.ErrExists) {
			return awsapi.Validation("Model Package Group already exists: %s", *g.ModelPackageGroupArn)
		}
		if err != nil {
			return err
		}
		if err := tx.SetTags(*g.ModelPackageGroupArn, in.Tags); err != nil {
			return err
		}
		return tx.Emit(store.Event{Type: "ModelPackageGroup.Created", Resource: *g.ModelPackageGroupArn, Data: awsapi.Encode(g.DescribeModelPackageGroupOutput)})
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.CreateModelPackageGroupOutput{ModelPackageGroupArn: g.ModelPackageGroupArn}, nil
}

// DescribeModelPackageGroup shows a group.
func (s *Service) DescribeModelPackageGroup(ctx context.Context, in *awsapi.DescribeModelPackageGroupInput) (*awsapi.DescribeModelPackageGroupOutput, error) {
	var g *group
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		g, err = getGroup(tx, identity.From(ctx).Scope(), in.ModelPackageGroupName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &g.DescribeModelPackageGroupOutput, nil
}

// ListModelPackageGroups lists groups.
func (s *Service) ListModelPackageGroups(ctx context.Context, in *awsapi.ListModelPackageGroupsInput) (*awsapi.ListModelPackageGroupsOutput, error) {
	q := store.Query{NameContains: awsapi.Val(in.NameContains), CreatedAfter: awsapi.Moment(in.CreationTimeAfter), CreatedBefore: awsapi.Moment(in.CreationTimeBefore),
		SortBy: store.ByCreated, Descending: awsapi.Val(in.SortOrder) != awsapi.SortOrderAscending, Limit: awsapi.PageSize(in.MaxResults), Token: awsapi.Val(in.NextToken)}
	if awsapi.Val(in.SortBy) == awsapi.ModelPackageGroupSortByName {
		q.SortBy = store.ByName
	}
	out := &awsapi.ListModelPackageGroupsOutput{ModelPackageGroupSummaryList: []awsapi.ModelPackageGroupSummary{}}
	if awsapi.Val(in.CrossAccountFilterOption) == awsapi.CrossAccountFilterOptionCrossAccount { // there is one account
		return out, nil
	}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := groupRows.List(tx, identity.From(ctx).Scope(), q)
		for _, g := range page.Items {
			out.ModelPackageGroupSummaryList = append(out.ModelPackageGroupSummaryList, awsapi.ModelPackageGroupSummary{ModelPackageGroupName: g.ModelPackageGroupName,
				ModelPackageGroupArn: g.ModelPackageGroupArn, ModelPackageGroupDescription: g.ModelPackageGroupDescription, CreationTime: g.CreationTime,
				ModelPackageGroupStatus: g.ModelPackageGroupStatus, ManagedConfiguration: g.ManagedConfiguration})
		}
		out.NextToken = awsapi.Optional(page.Next)
		return err
	})
}

// DeleteModelPackageGroup removes a group that has no packages.
func (s *Service) DeleteModelPackageGroup(ctx context.Context, in *awsapi.DeleteModelPackageGroupInput) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		g, err := getGroup(tx, scope, in.ModelPackageGroupName)
		if err != nil {
			return err
		}
		n, err := packageRows.Count(tx, scope, store.Query{Parent: *g.ModelPackageGroupName})
		if err != nil {
			return err
		}
		if n > 0 {
			return awsapi.Conflict("Cannot delete ModelPackageGroup %s: it has %d model packages. Delete them first.", *g.ModelPackageGroupArn, n)
		}
		if err := groupRows.Delete(tx, scope, *g.ModelPackageGroupName); err != nil {
			return err
		}
		return tx.Emit(store.Event{Type: "ModelPackageGroup.Deleted", Resource: *g.ModelPackageGroupArn, Data: awsapi.Encode(g.DescribeModelPackageGroupOutput)})
	})
}
