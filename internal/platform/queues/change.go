package queues

import (
	"context"
	"maps"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// SetQueueAttributes changes attributes of a queue. An attribute that is kept only is taken away by an empty value.
func (s *Service) SetQueueAttributes(ctx context.Context, in *awsapi.SetQueueAttributesRequest) error {
	if err := checkAttributes(in.Attributes); err != nil {
		return err
	}
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		q, err := find(tx, scope, *in.QueueUrl)
		if err != nil {
			return err
		}
		if q.Attributes == nil {
			q.Attributes = map[string]string{}
		}
		maps.Copy(q.Attributes, in.Attributes)
		maps.DeleteFunc(q.Attributes, func(_, value string) bool { return value == "" })
		q.Modified = s.World.Now()
		return queueRows.Put(tx, scope, q.Name, q)
	})
}

// PurgeQueue removes the messages of a queue.
func (s *Service) PurgeQueue(ctx context.Context, in *awsapi.PurgeQueueRequest) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		q, err := find(tx, scope, *in.QueueUrl)
		if err != nil {
			return err
		}
		return s.purge(tx, scope, q)
	})
}

func (s *Service) purge(tx *store.Tx, scope store.Scope, q *queue) error {
	var ids []string
	if err := s.each(tx, scope, q, func(m *message) error { ids = append(ids, m.ID); return nil }); err != nil {
		return err
	}
	for _, id := range ids {
		if err := messageRows.Delete(tx, scope, id); err != nil {
			return err
		}
	}
	return nil
}

// TagQueue adds tags to a queue.
func (s *Service) TagQueue(ctx context.Context, in *awsapi.TagQueueRequest) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		q, err := find(tx, scope, *in.QueueUrl)
		if err != nil {
			return err
		}
		return tx.SetTags(arnOf(scope, q.Name), tagsOf(in.Tags))
	})
}

// UntagQueue removes tags from a queue.
func (s *Service) UntagQueue(ctx context.Context, in *awsapi.UntagQueueRequest) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		q, err := find(tx, scope, *in.QueueUrl)
		if err != nil {
			return err
		}
		return tx.RemoveTags(arnOf(scope, q.Name), in.TagKeys)
	})
}

// ListQueueTags shows the tags of a queue.
func (s *Service) ListQueueTags(ctx context.Context, in *awsapi.ListQueueTagsRequest) (*awsapi.ListQueueTagsResult, error) {
	scope, out := identity.From(ctx).Scope(), &awsapi.ListQueueTagsResult{}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		q, err := find(tx, scope, *in.QueueUrl)
		if err != nil {
			return err
		}
		tags, err := tx.Tags(arnOf(scope, q.Name))
		for _, t := range tags {
			if out.Tags == nil {
				out.Tags = map[string]string{}
			}
			out.Tags[*t.Key] = *t.Value
		}
		return err
	})
}
