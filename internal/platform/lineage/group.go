package lineage

import (
	"context"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// defaultGroup is the lineage group of an account. SageMaker gives each account one in a region, and there is no operation that makes another.
const defaultGroup = "sagemaker-default-lineage-group"

func groupARN(scope store.Scope) string { return scope.ARN("lineage-group/" + defaultGroup) }

// groupOf returns when the group that a name or an ARN tells came into being, with the first entity in it, and when one of them changed last.
func groupOf(tx *store.Tx, scope store.Scope, nameOrARN string) (created, modified time.Time, err error) {
	if nameOrARN != defaultGroup && nameOrARN != groupARN(scope) {
		return created, modified, missing("LineageGroup", lastPart(nameOrARN, "lineage-group"))
	}
	for _, rows := range []*store.Collection[entity]{artifactRows, actionRows, contextRows} {
		first, err := rows.List(tx, scope, store.Query{SortBy: store.ByCreated, Limit: 1})
		if err != nil {
			return created, modified, err
		}
		last, err := rows.List(tx, scope, store.Query{SortBy: store.ByModified, Descending: true, Limit: 1})
		if err != nil {
			return created, modified, err
		}
		for _, e := range first.Items {
			if created.IsZero() || e.Created.Before(created) {
				created = e.Created
			}
		}
		for _, e := range last.Items {
			if e.Modified.After(modified) {
				modified = e.Modified
			}
		}
	}
	if created.IsZero() {
		return created, modified, missing("LineageGroup", defaultGroup)
	}
	return created, modified, nil
}

// DescribeLineageGroup shows the account's lineage group.
func (s *Service) DescribeLineageGroup(ctx context.Context, in *awsapi.DescribeLineageGroupRequest) (*awsapi.DescribeLineageGroupResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.DescribeLineageGroupResponse{}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		created, modified, err := groupOf(tx, scope, *in.LineageGroupName)
		out.LineageGroupName, out.LineageGroupArn, out.DisplayName = new(defaultGroup), new(groupARN(scope)), new(defaultGroup)
		out.CreationTime, out.LastModifiedTime = awsapi.Stamp(created), awsapi.Stamp(modified)
		out.CreatedBy, out.LastModifiedBy = &awsapi.UserContext{}, &awsapi.UserContext{}
		return err
	})
}

// ListLineageGroups lists the account's lineage group, where it has entities and was made between the given times.
func (s *Service) ListLineageGroups(ctx context.Context, in *awsapi.ListLineageGroupsRequest) (*awsapi.ListLineageGroupsResponse, error) {
	if in.NextToken != nil {
		return nil, store.ErrBadToken // one group never fills a page
	}
	scope := identity.From(ctx).Scope()
	out := &awsapi.ListLineageGroupsResponse{LineageGroupSummaries: []awsapi.LineageGroupSummary{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		created, modified, err := groupOf(tx, scope, defaultGroup)
		if awsapi.IsNotFound(err) {
			return nil
		}
		after, before := awsapi.Moment(in.CreatedAfter), awsapi.Moment(in.CreatedBefore)
		if err != nil || after != nil && created.Before(*after) || before != nil && created.After(*before) {
			return err
		}
		out.LineageGroupSummaries = append(out.LineageGroupSummaries, awsapi.LineageGroupSummary{LineageGroupName: new(defaultGroup), LineageGroupArn: new(groupARN(scope)),
			DisplayName: new(defaultGroup), CreationTime: awsapi.Stamp(created), LastModifiedTime: awsapi.Stamp(modified)})
		return nil
	})
}

// GetLineageGroupPolicy shows who else may read the account's lineage. Sharing with another account would give the group a policy; here there is one
// account, so it never has one.
func (s *Service) GetLineageGroupPolicy(ctx context.Context, in *awsapi.GetLineageGroupPolicyRequest) (*awsapi.GetLineageGroupPolicyResponse, error) {
	scope := identity.From(ctx).Scope()
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		_, _, err := groupOf(tx, scope, *in.LineageGroupName)
		return err
	})
	return &awsapi.GetLineageGroupPolicyResponse{LineageGroupArn: new(groupARN(scope))}, err
}
