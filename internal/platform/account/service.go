package account

import (
	"context"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

// Service serves the operations of the room.
type Service struct {
	DB    *store.DB
	World world.World
	Keys  *identity.Keys
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
