package account_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/platform/account"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/store"
)

// The Python SDK takes the role's name out of the caller's ARN and asks for the role's.
func TestTheCallersRoleIsFoundByItsSession(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := &account.Service{DB: e.DB}
	who, err := s.GetCallerIdentity(e.Ctx, &awsapi.GetCallerIdentityRequest{})
	if err != nil || *who.Account != "123456789012" || !strings.HasPrefix(*who.Arn, "arn:aws:sts::123456789012:assumed-role/") {
		t.Fatalf("caller %+v, %v", who, err)
	}
	role := strings.Split(*who.Arn, "/")[1]
	out, err := s.GetRole(e.Ctx, &awsapi.GetRoleRequest{RoleName: &role})
	if err != nil || *out.Role.Arn != e.Caller.RoleARN {
		t.Errorf("role %+v, %v, want %s", out, err, e.Caller.RoleARN)
	}
	if _, err := s.GetRole(e.Ctx, &awsapi.GetRoleRequest{RoleName: new("no/role")}); !awsapi.IsCode(err, "ValidationError") {
		t.Errorf("a name with a slash: %v", err)
	}
}

func TestWhatAPrincipalMayDo(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := &account.Service{DB: e.DB}
	role := identity.RoleARN("123456789012", identity.DefaultRole)
	in := &awsapi.SimulatePrincipalPolicyRequest{PolicySourceArn: &role, ActionNames: []string{"s3:GetObject", "sagemaker:Search", "iam:PassRole"},
		ResourceArns: []string{"arn:aws:s3:::a", "arn:aws:s3:::b"}, MaxItems: new(int32(4))}
	seen := map[string]bool{}
	for {
		out, err := s.SimulatePrincipalPolicy(e.Ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.EvaluationResults {
			seen[*r.EvalActionName+" "+*r.EvalResourceName] = *r.EvalDecision == "allowed"
		}
		if in.Marker = out.Marker; !*out.IsTruncated {
			break
		}
	}
	if len(seen) != 6 || !seen["iam:PassRole arn:aws:s3:::b"] {
		t.Errorf("decisions %v", seen)
	}
	if _, err := s.SimulatePrincipalPolicy(e.Ctx, &awsapi.SimulatePrincipalPolicyRequest{PolicySourceArn: new("arn:aws:s3:::bucket"), ActionNames: []string{"a:b"}}); !awsapi.IsCode(err, "InvalidInput") {
		t.Errorf("the policy of a bucket: %v", err)
	}
}

func TestTagsOfAResource(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := &account.Service{DB: e.DB}
	arn := e.Caller.Scope().ARN("thing/x")
	things := store.NewCollection("thing", func(*string) store.Index { return store.Index{} })
	if err := e.DB.Update(e.Ctx, func(tx *store.Tx) error { return things.Insert(tx, e.Caller.Scope(), "x", arn, new("x")) }); err != nil {
		t.Fatal(err)
	}
	add := func(arn string, kv ...string) error {
		in := &awsapi.AddTagsInput{ResourceArn: &arn}
		for i := 0; i < len(kv); i += 2 {
			in.Tags = append(in.Tags, awsapi.Tag{Key: &kv[i], Value: &kv[i+1]})
		}
		_, err := s.AddTags(e.Ctx, in)
		return err
	}
	if err := add(arn, "a", "1", "b", "2"); err != nil {
		t.Fatal(err)
	}
	if err := add(arn, "a", "3"); err != nil {
		t.Fatal(err)
	}
	var many []string
	for i := range 49 {
		many = append(many, fmt.Sprint(i), "x")
	}
	if err := add(arn, many...); err == nil {
		t.Error("51 tags were taken")
	}
	if _, err := s.DeleteTags(e.Ctx, &awsapi.DeleteTagsInput{ResourceArn: &arn, TagKeys: []string{"b", "none"}}); err != nil {
		t.Fatal(err)
	}
	list, err := s.ListTags(e.Ctx, &awsapi.ListTagsInput{ResourceArn: &arn})
	if err != nil || len(list.Tags) != 1 || *list.Tags[0].Value != "3" {
		t.Errorf("tags %+v, %v", list, err)
	}
	nowhere := arn + "y"
	if err := add(nowhere, "a", "1"); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("no such resource: %v", err)
	}
	if _, err := s.ListTags(e.Ctx, &awsapi.ListTagsInput{ResourceArn: &nowhere}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("no such resource: %v", err)
	}
}
