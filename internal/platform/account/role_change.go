package account

import (
	"context"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// maxRoleTags is AWS's quota of tags of a role.
const maxRoleTags = 50

// UpdateRole changes the description of a role, and how long its sessions may last.
func (s *Service) UpdateRole(ctx context.Context, in *awsapi.UpdateRoleRequest) (*awsapi.UpdateRoleResponse, error) {
	return &awsapi.UpdateRoleResponse{}, s.change(ctx, *in.RoleName, func(r *role) error {
		if in.Description != nil {
			r.Description = *in.Description
		}
		if in.MaxSessionDuration != nil {
			r.MaxSession = *in.MaxSessionDuration
		}
		return nil
	})
}

// UpdateRoleDescription changes the description of a role.
func (s *Service) UpdateRoleDescription(ctx context.Context, in *awsapi.UpdateRoleDescriptionRequest) (*awsapi.UpdateRoleDescriptionResponse, error) {
	out := &awsapi.UpdateRoleDescriptionResponse{}
	return out, s.change(ctx, *in.RoleName, func(r *role) error {
		r.Description = *in.Description
		out.Role = r.show()
		return nil
	})
}

// TagRole adds tags to a role.
func (s *Service) TagRole(ctx context.Context, in *awsapi.TagRoleRequest) error {
	return s.change(ctx, *in.RoleName, func(r *role) error {
		for _, t := range in.Tags {
			r.untag([]string{*t.Key})
			r.Tags = append(r.Tags, t)
		}
		if len(r.Tags) > maxRoleTags {
			return quota("TagsPerRole", maxRoleTags)
		}
		return nil
	})
}

// UntagRole removes tags from a role.
func (s *Service) UntagRole(ctx context.Context, in *awsapi.UntagRoleRequest) error {
	return s.change(ctx, *in.RoleName, func(r *role) error {
		r.untag(in.TagKeys)
		return nil
	})
}

// untag removes tags by their keys, which IAM tells apart without regard to case.
func (r *role) untag(keys []string) {
	r.Tags = slices.DeleteFunc(r.Tags, func(t awsapi.IAMTag) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return strings.EqualFold(key, awsapi.Val(t.Key)) })
	})
}

// ListRoleTags shows the tags of a role, which are one page.
func (s *Service) ListRoleTags(ctx context.Context, in *awsapi.ListRoleTagsRequest) (*awsapi.ListRoleTagsResponse, error) {
	out := &awsapi.ListRoleTagsResponse{Tags: []awsapi.IAMTag{}, IsTruncated: new(false)}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		r, err := find(ctx, tx, *in.RoleName)
		if err == nil && len(r.Tags) > 0 {
			out.Tags = r.Tags
		}
		return err
	})
}

// ListInstanceProfilesForRole lists the instance profiles of a role. There are no instances here that could have one, so the list is empty; tools
// ask for it before they delete a role.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, in *awsapi.ListInstanceProfilesForRoleRequest) (*awsapi.ListInstanceProfilesForRoleResponse, error) {
	return &awsapi.ListInstanceProfilesForRoleResponse{InstanceProfiles: []awsapi.InstanceProfile{}, IsTruncated: new(false)}, s.DB.View(ctx, func(tx *store.Tx) error {
		_, err := find(ctx, tx, *in.RoleName)
		return err
	})
}
