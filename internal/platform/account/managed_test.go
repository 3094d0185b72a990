package account_test

import (
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/account"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
)

func TestManagedPolicies(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := &account.Service{DB: e.DB, World: e.World, Keys: e.Keys}
	document, role := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}`, new("r")
	in := &awsapi.CreatePolicyRequest{PolicyName: new("p"), Path: new("/team/"), PolicyDocument: &document, Description: new("d")}
	made, err := s.CreatePolicy(e.Ctx, in)
	if err != nil || *made.Policy.Arn != "arn:aws:iam::123456789012:policy/team/p" || *made.Policy.DefaultVersionId != "v1" {
		t.Fatalf("%+v, %v", made, err)
	}
	arn := made.Policy.Arn
	if _, err := s.CreatePolicy(e.Ctx, in); !awsapi.IsCode(err, "EntityAlreadyExists") {
		t.Errorf("again: %v", err)
	}
	version, err := s.GetPolicyVersion(e.Ctx, &awsapi.GetPolicyVersionRequest{PolicyArn: arn, VersionId: new("v1")})
	if err != nil || !strings.HasPrefix(*version.PolicyVersion.Document, "%7B%22Version") {
		t.Errorf("version %+v, %v", version, err)
	}
	if _, err := s.GetPolicyVersion(e.Ctx, &awsapi.GetPolicyVersionRequest{PolicyArn: arn, VersionId: new("v2")}); !awsapi.IsCode(err, "NoSuchEntity") {
		t.Errorf("a version that is not there: %v", err)
	}
	for name, arn := range map[string]string{"not made": "arn:aws:iam::123456789012:policy/none", "no policy": e.Caller.RoleARN} {
		if err := s.AttachRolePolicy(e.Ctx, &awsapi.AttachRolePolicyRequest{RoleName: role, PolicyArn: &arn}); !awsapi.IsCode(err, "NoSuchEntity") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.AttachRolePolicy(e.Ctx, &awsapi.AttachRolePolicyRequest{RoleName: role, PolicyArn: arn}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.GetPolicy(e.Ctx, &awsapi.GetPolicyRequest{PolicyArn: arn}); err != nil || *got.Policy.AttachmentCount != 1 || *got.Policy.Description != "d" {
		t.Errorf("%+v, %v", got, err)
	}
	for want, list := range map[int]*awsapi.ListPoliciesRequest{1: {OnlyAttached: new(true), Scope: new("Local")}, 0: {PathPrefix: new("/other/")}} {
		if got, err := s.ListPolicies(e.Ctx, list); err != nil || len(got.Policies) != want {
			t.Errorf("listed %+v, %v, want %d", got, err, want)
		}
	}
	away := &awsapi.DeletePolicyRequest{PolicyArn: arn}
	if err := s.DeletePolicy(e.Ctx, away); !awsapi.IsCode(err, "DeleteConflict") {
		t.Errorf("deleted while attached: %v", err)
	}
	if err := s.DetachRolePolicy(e.Ctx, &awsapi.DetachRolePolicyRequest{RoleName: role, PolicyArn: arn}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeletePolicy(e.Ctx, away); err != nil {
		t.Fatal(err)
	}
	if err := s.DeletePolicy(e.Ctx, away); !awsapi.IsCode(err, "NoSuchEntity") {
		t.Errorf("deleted again: %v", err)
	}
}

func TestChangesOfARole(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := &account.Service{DB: e.DB, World: e.World, Keys: e.Keys}
	name := new("r")
	tag := func(key, value string) awsapi.IAMTag { return awsapi.IAMTag{Key: &key, Value: &value} }
	for _, err := range []error{
		s.TagRole(e.Ctx, &awsapi.TagRoleRequest{RoleName: name, Tags: []awsapi.IAMTag{tag("a", "1"), tag("b", "2")}}),
		s.TagRole(e.Ctx, &awsapi.TagRoleRequest{RoleName: name, Tags: []awsapi.IAMTag{tag("A", "3")}}),
		s.UntagRole(e.Ctx, &awsapi.UntagRoleRequest{RoleName: name, TagKeys: []string{"b"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if tags, err := s.ListRoleTags(e.Ctx, &awsapi.ListRoleTagsRequest{RoleName: name}); err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Value != "3" {
		t.Errorf("tags %+v, %v", tags, err)
	}
	if _, err := s.UpdateRole(e.Ctx, &awsapi.UpdateRoleRequest{RoleName: name, MaxSessionDuration: new(int32(7200))}); err != nil {
		t.Fatal(err)
	}
	if out, err := s.UpdateRoleDescription(e.Ctx, &awsapi.UpdateRoleDescriptionRequest{RoleName: name, Description: new("d")}); err != nil || *out.Role.Description != "d" || *out.Role.MaxSessionDuration != 7200 {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := s.ListInstanceProfilesForRole(e.Ctx, &awsapi.ListInstanceProfilesForRoleRequest{RoleName: name}); err != nil || len(out.InstanceProfiles) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}
