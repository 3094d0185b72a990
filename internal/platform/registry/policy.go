package registry

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// PutModelPackageGroupPolicy keeps the resource policy of a group. There is one account, so it gives nobody more than they have.
func (s *Service) PutModelPackageGroupPolicy(ctx context.Context, in *awsapi.PutModelPackageGroupPolicyInput) (*awsapi.PutModelPackageGroupPolicyOutput, error) {
	var policy struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(*in.ResourcePolicy), &policy); err != nil || len(policy.Statement) == 0 {
		return nil, awsapi.Validation("Invalid resource policy: it must be a JSON object with a Statement.")
	}
	out := &awsapi.PutModelPackageGroupPolicyOutput{}
	return out, s.changeGroup(ctx, in.ModelPackageGroupName, func(g *group) error {
		g.Policy, out.ModelPackageGroupArn = *in.ResourcePolicy, g.ModelPackageGroupArn
		return nil
	})
}

// GetModelPackageGroupPolicy shows the resource policy of a group.
func (s *Service) GetModelPackageGroupPolicy(ctx context.Context, in *awsapi.GetModelPackageGroupPolicyInput) (*awsapi.GetModelPackageGroupPolicyOutput, error) {
	out := &awsapi.GetModelPackageGroupPolicyOutput{}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		g, err := groupOfPolicy(tx, identity.From(ctx).Scope(), in.ModelPackageGroupName)
		if err != nil {
			return err
		}
		out.ResourcePolicy = &g.Policy
		return g.hasPolicy()
	})
}

// DeleteModelPackageGroupPolicy removes the resource policy of a group.
func (s *Service) DeleteModelPackageGroupPolicy(ctx context.Context, in *awsapi.DeleteModelPackageGroupPolicyInput) error {
	return s.changeGroup(ctx, in.ModelPackageGroupName, func(g *group) error {
		err := g.hasPolicy()
		g.Policy = ""
		return err
	})
}

func (g *group) hasPolicy() error {
	if g.Policy == "" {
		return awsapi.Validation("Cannot find resource policy for: %s", *g.ModelPackageGroupArn)
	}
	return nil
}

// groupOfPolicy finds a group. Where there is none, the operations on policies say it in words of their own, and tools know it by those.
func groupOfPolicy(tx *store.Tx, scope store.Scope, nameOrARN *string) (*group, error) {
	name := lastPart(awsapi.Val(nameOrARN), "model-package-group")
	g, err := groupRows.Get(tx, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, awsapi.Validation("Cannot find Model Package Group: %s", scope.ARN("model-package-group/"+strings.ToLower(name)))
	}
	return g, err
}

func (s *Service) changeGroup(ctx context.Context, name *string, change func(*group) error) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		g, err := groupOfPolicy(tx, scope, name)
		if err != nil {
			return err
		}
		if err := change(g); err != nil {
			return err
		}
		return groupRows.Put(tx, scope, *g.ModelPackageGroupName, g)
	})
}
