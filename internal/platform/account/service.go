package account

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// Service serves the operations of the room.
type Service struct{ DB *store.DB }

// GetCallerIdentity says who the caller is: a session of a role, as the SDK needs it to find its execution role.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *awsapi.GetCallerIdentityRequest) (*awsapi.GetCallerIdentityResponse, error) {
	p := identity.From(ctx)
	return &awsapi.GetCallerIdentityResponse{Account: &p.Account, Arn: new(p.CallerARN()), UserId: new("AROAMOBULA:" + p.SessionName)}, nil
}

var roleName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

// GetRole shows the role of a name. The caller's own has the path it is known by.
func (s *Service) GetRole(ctx context.Context, in *awsapi.GetRoleRequest) (*awsapi.GetRoleResponse, error) {
	p := identity.From(ctx)
	name := awsapi.Val(in.RoleName)
	if !roleName.MatchString(name) {
		return nil, &awsapi.Error{Code: "ValidationError", Status: 400, Message: "The specified value for roleName is invalid. It must contain only alphanumeric characters and the following: +=,.@_-"}
	}
	path := "/"
	if name == p.RoleName() {
		_, full, _ := strings.Cut(p.RoleARN, ":role")
		path = strings.TrimSuffix(full, name)
	}
	return &awsapi.GetRoleResponse{Role: &awsapi.Role{Path: &path, RoleName: &name, RoleId: new("AROAMOBULA"),
		Arn: new("arn:aws:iam::" + p.Account + ":role" + path + name), CreateDate: awsapi.Stamp(time.Unix(0, 0).UTC()),
		AssumeRolePolicyDocument: new(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sagemaker.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)}}, nil
}

func exists(tx *store.Tx, arn string) error {
	ok, err := tx.Exists(arn)
	if err == nil && !ok {
		return awsapi.Validation("Could not find resource with ARN '%s'.", arn)
	}
	return err
}

// AddTags adds tags to any resource of SageMaker.
func (s *Service) AddTags(ctx context.Context, in *awsapi.AddTagsInput) (*awsapi.AddTagsOutput, error) {
	out := &awsapi.AddTagsOutput{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if err := exists(tx, *in.ResourceArn); err != nil {
			return err
		}
		if err := tx.SetTags(*in.ResourceArn, in.Tags); err != nil {
			return err
		}
		out.Tags, err = tx.Tags(*in.ResourceArn)
		return err
	})
}

// ListTags lists the tags of a resource. A resource has at most 50, so they are one page.
func (s *Service) ListTags(ctx context.Context, in *awsapi.ListTagsInput) (*awsapi.ListTagsOutput, error) {
	out := &awsapi.ListTagsOutput{}
	return out, s.DB.View(ctx, func(tx *store.Tx) (err error) {
		if err := exists(tx, *in.ResourceArn); err != nil {
			return err
		}
		out.Tags, err = tx.Tags(*in.ResourceArn)
		return err
	})
}

// DeleteTags takes tags off a resource.
func (s *Service) DeleteTags(ctx context.Context, in *awsapi.DeleteTagsInput) (*awsapi.DeleteTagsOutput, error) {
	return &awsapi.DeleteTagsOutput{}, s.DB.Update(ctx, func(tx *store.Tx) error {
		if err := exists(tx, *in.ResourceArn); err != nil {
			return err
		}
		return tx.RemoveTags(*in.ResourceArn, in.TagKeys)
	})
}
