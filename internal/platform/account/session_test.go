package account_test

import (
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/platform/account"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := &account.Service{DB: e.DB, World: e.World, Keys: e.Keys}
	trust := `{"Statement":[{"Effect":"Allow"}]}`
	made, err := s.CreateRole(e.Ctx, &awsapi.CreateRoleRequest{RoleName: new("long"), Path: new("/p/"), AssumeRolePolicyDocument: &trust, MaxSessionDuration: new(int32(7200))})
	if err != nil {
		t.Fatal(err)
	}
	assume := func(role string, seconds int32) (*awsapi.AssumeRoleResponse, error) {
		return s.AssumeRole(e.Ctx, &awsapi.AssumeRoleRequest{RoleArn: &role, RoleSessionName: new("mine"), DurationSeconds: &seconds})
	}
	out, err := assume(*made.Role.Arn, 7200)
	if err != nil || *out.AssumedRoleUser.Arn != "arn:aws:sts::123456789012:assumed-role/long/mine" || *out.AssumedRoleUser.AssumedRoleId != *made.Role.RoleId+":mine" {
		t.Fatalf("%+v, %v", out, err)
	}
	if left := time.Until(out.Credentials.Expiration.Time); left < 7190*time.Second || left > 7200*time.Second {
		t.Errorf("the session lasts %s", left)
	}
	_, p, err := e.Keys.Lookup(e.Ctx, *out.Credentials.AccessKeyId, *out.Credentials.SessionToken)
	if err != nil || p.RoleARN != *made.Role.Arn || p.SessionName != "mine" {
		t.Fatalf("the session acts as %+v, %v", p, err)
	}
	who, err := s.GetCallerIdentity(identity.With(e.Ctx, p), &awsapi.GetCallerIdentityRequest{})
	if err != nil || *who.Arn != *out.AssumedRoleUser.Arn || *who.UserId != *out.AssumedRoleUser.AssumedRoleId {
		t.Errorf("caller %+v, %v", who, err)
	}
	for role, code := range map[string]string{
		"arn:aws:iam::999999999999:role/long": "AccessDenied", "arn:aws:iam::123456789012:role/long": "AccessDenied",
		"arn:aws:iam::123456789012:user/long": "ValidationException", "arn:aws:iam::123456789012:role/short": "ValidationException",
	} {
		if _, err := assume(role, 7200); !awsapi.IsCode(err, code) {
			t.Errorf("%s: %v, want %s", role, err, code)
		}
	}
	token, err := s.GetSessionToken(e.Ctx, &awsapi.GetSessionTokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, p, err = e.Keys.Lookup(e.Ctx, *token.Credentials.AccessKeyId, *token.Credentials.SessionToken)
	if err != nil || p.CallerARN() != e.Caller.CallerARN() {
		t.Fatalf("the session acts as %+v, %v", p, err)
	}
	e.Ctx = identity.With(e.Ctx, p)
	if _, err := s.GetSessionToken(e.Ctx, &awsapi.GetSessionTokenRequest{}); !awsapi.IsCode(err, "AccessDenied") {
		t.Errorf("a session of a session: %v", err)
	}
	if _, err := assume(*made.Role.Arn, 7200); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("a chained session of two hours: %v", err)
	}
	if _, err := assume(*made.Role.Arn, 3600); err != nil {
		t.Errorf("a chained session: %v", err)
	}
	if info, err := s.GetAccessKeyInfo(e.Ctx, &awsapi.GetAccessKeyInfoRequest{AccessKeyId: &p.AccessKey}); err != nil || *info.Account != p.Account {
		t.Errorf("the key's account is %+v, %v", info, err)
	}
	if _, err := s.GetAccessKeyInfo(e.Ctx, &awsapi.GetAccessKeyInfoRequest{AccessKeyId: new("AKIAUNKNOWNUNKNOWN")}); err == nil {
		t.Error("an unknown key has an account")
	}
}
