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
	s := &account.Service{DB: e.DB, World: e.World}
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

// What set-up scripts do before a pipeline: make a role or take the one that is there, give it policies, and take all of it away again.
func TestRolesAndTheirPolicies(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := &account.Service{DB: e.DB, World: e.World}
	trust, name, managed := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}`, new("lambda-role"), new("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
	create := &awsapi.CreateRoleRequest{RoleName: name, Path: new("/made/"), AssumeRolePolicyDocument: &trust, Description: new("for a step")}
	made, err := s.CreateRole(e.Ctx, create)
	if err != nil || *made.Role.Arn != "arn:aws:iam::123456789012:role/made/lambda-role" {
		t.Fatalf("made %+v, %v", made, err)
	}
	own := e.Caller.RoleName()
	for _, taken := range []*string{name, &own} {
		if _, err := s.CreateRole(e.Ctx, &awsapi.CreateRoleRequest{RoleName: taken, AssumeRolePolicyDocument: &trust}); !awsapi.IsCode(err, "EntityAlreadyExists") {
			t.Errorf("%s again: %v", *taken, err)
		}
	}
	got, err := s.GetRole(e.Ctx, &awsapi.GetRoleRequest{RoleName: name})
	if err != nil || *got.Role.Arn != *made.Role.Arn || *got.Role.RoleId != *made.Role.RoleId || !strings.HasPrefix(*got.Role.AssumeRolePolicyDocument, "%7B%22Version") {
		t.Errorf("role %+v, %v", got, err)
	}
	for _, of := range []*string{name, &own} { // the caller's role was not made by anyone
		for range 2 {
			if err := s.AttachRolePolicy(e.Ctx, &awsapi.AttachRolePolicyRequest{RoleName: of, PolicyArn: managed}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.PutRolePolicy(e.Ctx, &awsapi.PutRolePolicyRequest{RoleName: name, PolicyName: new("queues"), PolicyDocument: &trust}); err != nil {
		t.Fatal(err)
	}
	attached, err := s.ListAttachedRolePolicies(e.Ctx, &awsapi.ListAttachedRolePoliciesRequest{RoleName: name})
	if err != nil || len(attached.AttachedPolicies) != 1 || *attached.AttachedPolicies[0].PolicyName != "AWSLambdaBasicExecutionRole" {
		t.Errorf("attached %+v, %v", attached, err)
	}
	first, err := s.ListRoles(e.Ctx, &awsapi.ListRolesRequest{MaxItems: new(int32(1))})
	if err != nil || len(first.Roles) != 1 || *first.Roles[0].RoleName != own || !*first.IsTruncated {
		t.Fatalf("the first role %+v, %v", first, err)
	}
	rest, err := s.ListRoles(e.Ctx, &awsapi.ListRolesRequest{Marker: first.Marker})
	if err != nil || len(rest.Roles) != 1 || *rest.Roles[0].RoleName != *name {
		t.Errorf("the other roles %+v, %v", rest, err)
	}
	away := &awsapi.DeleteRoleRequest{RoleName: name}
	refused := func(why string) {
		if err := s.DeleteRole(e.Ctx, away); !awsapi.IsCode(err, why) {
			t.Errorf("delete: %v, want %s", err, why)
		}
	}
	refused("DeleteConflict")
	if err := s.DetachRolePolicy(e.Ctx, &awsapi.DetachRolePolicyRequest{RoleName: name, PolicyArn: managed}); err != nil {
		t.Error(err)
	}
	refused("DeleteConflict")
	if err := s.DeleteRolePolicy(e.Ctx, &awsapi.DeleteRolePolicyRequest{RoleName: name, PolicyName: new("queues")}); err != nil {
		t.Error(err)
	}
	if err := s.DeleteRole(e.Ctx, away); err != nil {
		t.Error(err)
	}
	refused("NoSuchEntity")
}

func TestPoliciesThatARoleCannotHave(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := &account.Service{DB: e.DB, World: e.World}
	name := new("r")
	put := func(document string) error {
		return s.PutRolePolicy(e.Ctx, &awsapi.PutRolePolicyRequest{RoleName: name, PolicyName: new("p"), PolicyDocument: &document})
	}
	attach := func(arn string) error {
		return s.AttachRolePolicy(e.Ctx, &awsapi.AttachRolePolicyRequest{RoleName: name, PolicyArn: &arn})
	}
	for i := range 10 {
		if err := attach(fmt.Sprintf("arn:aws:iam::aws:policy/P%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{put("Allow"), "MalformedPolicyDocument"},
		{put(`{}`), "MalformedPolicyDocument"},
		{put(`{"Statement":"` + strings.Repeat("x", 10240) + `"}`), "LimitExceeded"},
		{attach("arn:aws:iam::123456789012:policy/mine"), "NoSuchEntity"},
		{attach("arn:aws:iam::aws:policy/P10"), "LimitExceeded"},
		{s.DetachRolePolicy(e.Ctx, &awsapi.DetachRolePolicyRequest{RoleName: name, PolicyArn: new("arn:aws:iam::aws:policy/P10")}), "NoSuchEntity"},
		{s.DeleteRolePolicy(e.Ctx, &awsapi.DeleteRolePolicyRequest{RoleName: name, PolicyName: new("p")}), "NoSuchEntity"},
	} {
		if !awsapi.IsCode(c.err, c.want) {
			t.Errorf("%v, want %s", c.err, c.want)
		}
	}
	if list, err := s.ListRolePolicies(e.Ctx, &awsapi.ListRolePoliciesRequest{RoleName: name}); err != nil || len(list.PolicyNames) != 0 {
		t.Errorf("a refused policy was kept: %+v, %v", list, err)
	}
}

func TestWhatAPrincipalMayDo(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := &account.Service{DB: e.DB, World: e.World}
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
	s := &account.Service{DB: e.DB, World: e.World}
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
