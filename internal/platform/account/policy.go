package account

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// AWS's quotas of a role.
const (
	maxAttached    = 10    // managed policies
	maxInlineBytes = 10240 // of all of the role's own policies, without white space
)

var policyARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::aws:policy/(?:[!-~]+/)*[\w+=,.@-]+$`)

func quota(of string, most int) error {
	return &awsapi.Error{Code: "LimitExceeded", Status: 409, Message: fmt.Sprintf("Cannot exceed quota for %s: %d", of, most)}
}

// AttachRolePolicy notes that a role has a managed policy. Those of AWS are taken by their names, those of the account must be there.
func (s *Service) AttachRolePolicy(ctx context.Context, in *awsapi.AttachRolePolicyRequest) error {
	return s.changeIn(ctx, *in.RoleName, func(tx *store.Tx, r *role) error {
		if !policyARN.MatchString(*in.PolicyArn) {
			if ok, err := tx.Exists(*in.PolicyArn); err != nil {
				return err
			} else if !ok || !strings.Contains(*in.PolicyArn, ":policy/") {
				return noSuchEntity("Policy " + *in.PolicyArn + " does not exist or is not attachable.")
			}
		}
		at, found := slices.BinarySearch(r.Attached, *in.PolicyArn)
		if found {
			return nil
		}
		if len(r.Attached) == maxAttached {
			return quota("PoliciesPerRole", maxAttached)
		}
		r.Attached = slices.Insert(r.Attached, at, *in.PolicyArn)
		return nil
	})
}

// DetachRolePolicy takes a managed policy off a role.
func (s *Service) DetachRolePolicy(ctx context.Context, in *awsapi.DetachRolePolicyRequest) error {
	return s.change(ctx, *in.RoleName, func(r *role) error {
		at, found := slices.BinarySearch(r.Attached, *in.PolicyArn)
		if !found {
			return noSuchEntity("Policy " + *in.PolicyArn + " was not found.")
		}
		r.Attached = slices.Delete(r.Attached, at, at+1)
		return nil
	})
}

// ListAttachedRolePolicies lists the managed policies of a role.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, in *awsapi.ListAttachedRolePoliciesRequest) (*awsapi.ListAttachedRolePoliciesResponse, error) {
	out := &awsapi.ListAttachedRolePoliciesResponse{AttachedPolicies: []awsapi.AttachedPolicy{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		r, err := find(ctx, tx, *in.RoleName)
		if err != nil {
			return err
		}
		var arns []string
		for _, arn := range r.Attached {
			if _, path, _ := strings.Cut(arn, ":policy"); strings.HasPrefix(path, awsapi.Val(in.PathPrefix)) {
				arns = append(arns, arn)
			}
		}
		arns, out.Marker, out.IsTruncated = pageOf(arns, in.Marker, in.MaxItems)
		for _, arn := range arns {
			out.AttachedPolicies = append(out.AttachedPolicies, awsapi.AttachedPolicy{PolicyArn: &arn, PolicyName: new(arn[strings.LastIndexByte(arn, '/')+1:])})
		}
		return nil
	})
}

// PutRolePolicy gives a role a policy of its own, in the place of the one that had its name.
func (s *Service) PutRolePolicy(ctx context.Context, in *awsapi.PutRolePolicyRequest) error {
	if err := checkDocument(*in.PolicyDocument); err != nil {
		return err
	}
	return s.change(ctx, *in.RoleName, func(r *role) error {
		if r.Inline == nil {
			r.Inline = map[string]string{}
		}
		r.Inline[*in.PolicyName] = *in.PolicyDocument
		bytes := 0
		for _, document := range r.Inline {
			bytes += len(strings.Join(strings.Fields(document), ""))
		}
		if bytes > maxInlineBytes {
			return &awsapi.Error{Code: "LimitExceeded", Status: 409, Message: fmt.Sprintf("Maximum policy size of %d bytes exceeded for role %s", maxInlineBytes, r.Name)}
		}
		return nil
	})
}

func noInline(name string) error {
	return noSuchEntity("The role policy with name " + name + " cannot be found.")
}

// GetRolePolicy shows a policy of a role's own.
func (s *Service) GetRolePolicy(ctx context.Context, in *awsapi.GetRolePolicyRequest) (*awsapi.GetRolePolicyResponse, error) {
	out := &awsapi.GetRolePolicyResponse{RoleName: in.RoleName, PolicyName: in.PolicyName}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		r, err := find(ctx, tx, *in.RoleName)
		if err != nil {
			return err
		}
		document, found := r.Inline[*in.PolicyName]
		if !found {
			return noInline(*in.PolicyName)
		}
		out.PolicyDocument = encoded(document)
		return nil
	})
}

// DeleteRolePolicy removes a policy of a role's own.
func (s *Service) DeleteRolePolicy(ctx context.Context, in *awsapi.DeleteRolePolicyRequest) error {
	return s.change(ctx, *in.RoleName, func(r *role) error {
		if _, found := r.Inline[*in.PolicyName]; !found {
			return noInline(*in.PolicyName)
		}
		delete(r.Inline, *in.PolicyName)
		return nil
	})
}

// ListRolePolicies lists the names of a role's own policies.
func (s *Service) ListRolePolicies(ctx context.Context, in *awsapi.ListRolePoliciesRequest) (*awsapi.ListRolePoliciesResponse, error) {
	out := &awsapi.ListRolePoliciesResponse{}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		r, err := find(ctx, tx, *in.RoleName)
		if err == nil {
			out.PolicyNames, out.Marker, out.IsTruncated = pageOf(slices.Sorted(maps.Keys(r.Inline)), in.Marker, in.MaxItems)
		}
		return err
	})
}
