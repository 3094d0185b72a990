package account

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// How long sessions last, in seconds, as STS has it.
const (
	defaultRoleSession = 3600
	maxChainedSession  = 3600 // of a role that a session assumes
	defaultSession     = 43200
)

// GetCallerIdentity says who the caller is: a session of a role, as the SDK needs it to find its execution role.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *awsapi.GetCallerIdentityRequest) (*awsapi.GetCallerIdentityResponse, error) {
	p := identity.From(ctx)
	r, err := s.role(ctx, p.RoleName())
	if awsapi.IsCode(err, "ValidationError") { // a job's role may have a name that IAM would not give
		r, err = implied(ctx, p.RoleName()), nil
	}
	if err != nil {
		return nil, err
	}
	return &awsapi.GetCallerIdentityResponse{Account: &p.Account, Arn: new(p.CallerARN()), UserId: new(r.ID + ":" + p.SessionName)}, nil
}

func (s *Service) role(ctx context.Context, name string) (r *role, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		r, err = find(ctx, tx, name)
		return err
	})
	return r, err
}

// roleARN has an account and a role, which may have a path.
var roleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):role/(?:[!-~]+/)*([\w+=,.@-]{1,64})$`)

// AssumeRole opens a session of a role of this account. Its keys act in the role until they expire.
func (s *Service) AssumeRole(ctx context.Context, in *awsapi.AssumeRoleRequest) (*awsapi.AssumeRoleResponse, error) {
	p := identity.From(ctx)
	parts := roleARN.FindStringSubmatch(*in.RoleArn)
	if parts == nil {
		return nil, awsapi.Validation("%s is invalid", *in.RoleArn)
	}
	denied := &awsapi.Error{Code: "AccessDenied", Status: 403,
		Message: "User: " + p.CallerARN() + " is not authorized to perform: sts:AssumeRole on resource: " + *in.RoleArn}
	if parts[1] != p.Account {
		return nil, denied
	}
	r, err := s.role(ctx, parts[2])
	if err != nil {
		return nil, err
	}
	if r.made() && r.ARN != *in.RoleArn { // a role is not found by its name alone: the path counts
		return nil, denied
	}
	if in.Policy != nil {
		if err := checkDocument(*in.Policy); err != nil {
			return nil, err
		}
	}
	seconds := int32(defaultRoleSession)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	switch {
	case seconds > maxChainedSession && temporary(p):
		return nil, awsapi.Validation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case seconds > r.MaxSession:
		return nil, awsapi.Validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	key, err := s.open(ctx, identity.IssueOptions{RoleARN: *in.RoleArn, SessionName: *in.RoleSessionName}, seconds)
	if err != nil {
		return nil, err
	}
	opened := identity.Principal{Account: p.Account, RoleARN: *in.RoleArn, SessionName: *in.RoleSessionName}
	return &awsapi.AssumeRoleResponse{Credentials: key, SourceIdentity: in.SourceIdentity,
		AssumedRoleUser: &awsapi.AssumedRoleUser{Arn: new(opened.CallerARN()), AssumedRoleId: new(r.ID + ":" + *in.RoleSessionName)}}, nil
}

// GetSessionToken gives keys of a session that acts as the caller does. A session cannot be opened with a session's keys.
func (s *Service) GetSessionToken(ctx context.Context, in *awsapi.GetSessionTokenRequest) (*awsapi.GetSessionTokenResponse, error) {
	p := identity.From(ctx)
	if temporary(p) {
		return nil, &awsapi.Error{Code: "AccessDenied", Status: 403, Message: "Cannot call GetSessionToken with session credentials"}
	}
	seconds := int32(defaultSession)
	if in.DurationSeconds != nil {
		seconds = *in.DurationSeconds
	}
	key, err := s.open(ctx, identity.IssueOptions{RoleARN: p.RoleARN, SessionName: p.SessionName}, seconds)
	return &awsapi.GetSessionTokenResponse{Credentials: key}, err
}

// open makes the keys of a session. What it reads and writes counts as the job's in which it was opened.
func (s *Service) open(ctx context.Context, o identity.IssueOptions, seconds int32) (*awsapi.STSCredentials, error) {
	p := identity.From(ctx)
	o.Account, o.Region, o.JobARN, o.TTL = p.Account, p.Region, p.JobARN, time.Duration(seconds)*time.Second
	c, err := s.Keys.Issue(ctx, o)
	return &awsapi.STSCredentials{AccessKeyId: &c.AccessKeyID, SecretAccessKey: &c.SecretAccessKey, SessionToken: &c.SessionToken,
		Expiration: awsapi.Stamp(c.Expires.Truncate(time.Second))}, err
}

// temporary says whether the principal calls with the keys of a job or a session.
func temporary(p identity.Principal) bool { return strings.HasPrefix(p.AccessKey, "ASIA") }

// GetAccessKeyInfo tells the account of an access key.
func (s *Service) GetAccessKeyInfo(ctx context.Context, in *awsapi.GetAccessKeyInfoRequest) (*awsapi.GetAccessKeyInfoResponse, error) {
	account, err := s.Keys.AccountOf(ctx, *in.AccessKeyId)
	if errors.Is(err, identity.ErrUnknownKey) {
		return nil, awsapi.Validation("%s is not a valid access key ID.", *in.AccessKeyId)
	}
	return &awsapi.GetAccessKeyInfoResponse{Account: &account}, err
}
