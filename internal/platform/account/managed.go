package account

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// AWS's quotas of managed policies.
const (
	maxPolicies    = 1500
	maxPolicyBytes = 6144 // of a document, without white space
)

// onlyVersion is the version that a policy is made with. There is no operation here that makes another.
const onlyVersion = "v1"

// policy is the row of a managed policy of the account's own. What it says has no effect, as with those of roles.
type policy struct {
	Name, Path, ID, ARN   string
	Document, Description string
	Tags                  []awsapi.IAMTag
	Created               time.Time
}

var policyRows = store.NewCollection("iam-policy", func(p *policy) store.Index { return store.Index{Created: p.Created} })

func findPolicy(tx *store.Tx, arn string) (*policy, error) {
	p, err := policyRows.GetARN(tx, arn)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noSuchEntity("Policy " + arn + " was not found.")
	}
	return p, err
}

// attached says to how many roles each managed policy is attached.
func attached(ctx context.Context, tx *store.Tx) (map[string]int32, error) {
	page, err := roleRows.List(tx, anywhere(ctx), store.Query{Limit: 2 * maxRoles})
	n := map[string]int32{}
	for _, r := range page.Items {
		for _, arn := range r.Attached {
			n[arn]++
		}
	}
	return n, err
}

func (p *policy) show(attachments int32) *awsapi.Policy {
	out := &awsapi.Policy{PolicyName: &p.Name, PolicyId: &p.ID, Arn: &p.ARN, Path: &p.Path, DefaultVersionId: new(onlyVersion), AttachmentCount: &attachments,
		PermissionsBoundaryUsageCount: new(int32(0)), IsAttachable: new(true), CreateDate: awsapi.Stamp(p.Created), UpdateDate: awsapi.Stamp(p.Created), Tags: p.Tags}
	if p.Description != "" {
		out.Description = &p.Description
	}
	return out
}

// CreatePolicy makes a managed policy.
func (s *Service) CreatePolicy(ctx context.Context, in *awsapi.CreatePolicyRequest) (*awsapi.CreatePolicyResponse, error) {
	if err := checkDocument(*in.PolicyDocument); err != nil {
		return nil, err
	}
	if n := len(strings.Join(strings.Fields(*in.PolicyDocument), "")); n > maxPolicyBytes {
		return nil, quota("PolicySize", maxPolicyBytes)
	}
	p := &policy{Name: *in.PolicyName, Path: "/", ID: "ANPA" + strings.ToUpper(s.World.NewID(17)), Document: *in.PolicyDocument, Description: awsapi.Val(in.Description),
		Tags: in.Tags, Created: s.World.Now().Truncate(time.Second)}
	if in.Path != nil {
		p.Path = *in.Path
	}
	p.ARN = "arn:aws:iam::" + identity.From(ctx).Account + ":policy" + p.Path + p.Name
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := policyRows.Count(tx, anywhere(ctx), store.Query{})
		if err != nil {
			return err
		}
		if n >= maxPolicies {
			return quota("PoliciesPerAccount", maxPolicies)
		}
		err = policyRows.Insert(tx, anywhere(ctx), p.Name, p.ARN, p) // the name is the account's once, whatever its path
		if errors.Is(err, store.ErrExists) {
			return &awsapi.Error{Code: "EntityAlreadyExists", Status: 409, Message: "A policy called " + p.Name + " already exists. Duplicate names are not allowed."}
		}
		return err
	})
	return &awsapi.CreatePolicyResponse{Policy: p.show(0)}, err
}

// GetPolicy shows a managed policy of the account's own.
func (s *Service) GetPolicy(ctx context.Context, in *awsapi.GetPolicyRequest) (*awsapi.GetPolicyResponse, error) {
	out := &awsapi.GetPolicyResponse{}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		p, err := findPolicy(tx, *in.PolicyArn)
		if err != nil {
			return err
		}
		n, err := attached(ctx, tx)
		out.Policy = p.show(n[p.ARN])
		return err
	})
}

// GetPolicyVersion shows what a policy says.
func (s *Service) GetPolicyVersion(ctx context.Context, in *awsapi.GetPolicyVersionRequest) (*awsapi.GetPolicyVersionResponse, error) {
	out := &awsapi.GetPolicyVersionResponse{}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		p, err := findPolicy(tx, *in.PolicyArn)
		if err != nil {
			return err
		}
		if *in.VersionId != onlyVersion {
			return noSuchEntity("Policy " + p.ARN + " version " + *in.VersionId + " does not exist or is not attachable.")
		}
		out.PolicyVersion = p.version()
		out.PolicyVersion.Document = encoded(p.Document)
		return nil
	})
}

func (p *policy) version() *awsapi.PolicyVersion {
	return &awsapi.PolicyVersion{VersionId: new(onlyVersion), IsDefaultVersion: new(true), CreateDate: awsapi.Stamp(p.Created)}
}

// ListPolicyVersions lists the versions of a policy, which is one.
func (s *Service) ListPolicyVersions(ctx context.Context, in *awsapi.ListPolicyVersionsRequest) (*awsapi.ListPolicyVersionsResponse, error) {
	out := &awsapi.ListPolicyVersionsResponse{IsTruncated: new(false)}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		p, err := findPolicy(tx, *in.PolicyArn)
		if err == nil {
			out.Versions = []awsapi.PolicyVersion{*p.version()}
		}
		return err
	})
}

// ListPolicies lists the account's own managed policies by name. Those of AWS are taken by their names and are not listed.
func (s *Service) ListPolicies(ctx context.Context, in *awsapi.ListPoliciesRequest) (*awsapi.ListPoliciesResponse, error) {
	out := &awsapi.ListPoliciesResponse{Policies: []awsapi.Policy{}}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := policyRows.List(tx, anywhere(ctx), store.Query{SortBy: store.ByName, Limit: maxPolicies})
		if err != nil {
			return err
		}
		uses, err := attached(ctx, tx)
		if err != nil {
			return err
		}
		byName := map[string]*policy{}
		var names []string
		for i := range page.Items {
			p := &page.Items[i]
			if awsapi.Val(in.Scope) == awsapi.PolicyScopeTypeAWS || awsapi.Val(in.PolicyUsageFilter) == awsapi.PolicyUsageTypePermissionsBoundary ||
				awsapi.Val(in.OnlyAttached) && uses[p.ARN] == 0 || !strings.HasPrefix(p.Path, awsapi.Val(in.PathPrefix)) {
				continue
			}
			byName[p.Name], names = p, append(names, p.Name)
		}
		slices.Sort(names)
		names, out.Marker, out.IsTruncated = pageOf(names, in.Marker, in.MaxItems)
		for _, name := range names {
			shown := byName[name].show(uses[byName[name].ARN])
			shown.Tags, shown.Description = nil, nil // a list leaves them out
			out.Policies = append(out.Policies, *shown)
		}
		return nil
	})
}

// DeletePolicy removes a policy that is attached to no role.
func (s *Service) DeletePolicy(ctx context.Context, in *awsapi.DeletePolicyRequest) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		p, err := findPolicy(tx, *in.PolicyArn)
		if err != nil {
			return err
		}
		uses, err := attached(ctx, tx)
		if err != nil {
			return err
		}
		if uses[p.ARN] > 0 {
			return &awsapi.Error{Code: "DeleteConflict", Status: 409, Message: "Cannot delete a policy attached to entities."}
		}
		return policyRows.Delete(tx, anywhere(ctx), p.Name)
	})
}
