package queues

import (
	"context"
	"errors"
	"regexp"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// maxBatch is how many entries a batch may have.
const maxBatch = 10

var entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// checkBatch refuses a batch as a whole: for a queue that is not there, or entries that cannot be told apart.
func (s *Service) checkBatch(ctx context.Context, queueURL string, n int, id func(int) *string) error {
	switch {
	case n == 0:
		return failed("EmptyBatchRequest", "There should be at least one entry in the request.")
	case n > maxBatch:
		return failed("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxBatch, n)
	}
	seen := map[string]bool{}
	for i := range n {
		switch given := awsapi.Val(id(i)); {
		case !entryID.MatchString(given):
			return failed("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long. It is '%s'.", given)
		case seen[given]:
			return failed("BatchEntryIdsNotDistinct", "Id %s repeated.", given)
		default:
			seen[given] = true
		}
	}
	return s.DB.View(ctx, func(tx *store.Tx) error {
		_, err := find(tx, identity.From(ctx).Scope(), queueURL)
		return err
	})
}

// refusedEntry is what a batch says of an entry that failed by itself. Any other error is the service's own and ends the batch.
func refusedEntry(id *string, err error) (awsapi.BatchResultErrorEntry, error) {
	var e *awsapi.Error
	if !errors.As(err, &e) {
		return awsapi.BatchResultErrorEntry{}, err
	}
	return awsapi.BatchResultErrorEntry{Id: id, Code: &e.Code, Message: &e.Message, SenderFault: new(true)}, nil
}

// SendMessageBatch puts messages on a queue, each by itself.
func (s *Service) SendMessageBatch(ctx context.Context, in *awsapi.SendMessageBatchRequest) (*awsapi.SendMessageBatchResult, error) {
	if err := s.checkBatch(ctx, *in.QueueUrl, len(in.Entries), func(i int) *string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	total := 0
	for _, e := range in.Entries {
		total += len(*e.MessageBody)
	}
	if total > maxMessage {
		return nil, failed("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessage, total)
	}
	out := &awsapi.SendMessageBatchResult{Successful: []awsapi.SendMessageBatchResultEntry{}, Failed: []awsapi.BatchResultErrorEntry{}}
	for _, e := range in.Entries {
		sent, err := s.SendMessage(ctx, &awsapi.SendMessageRequest{QueueUrl: in.QueueUrl, MessageBody: e.MessageBody, DelaySeconds: e.DelaySeconds, MessageAttributes: e.MessageAttributes,
			MessageSystemAttributes: e.MessageSystemAttributes, MessageGroupId: e.MessageGroupId, MessageDeduplicationId: e.MessageDeduplicationId})
		if err == nil {
			out.Successful = append(out.Successful, awsapi.SendMessageBatchResultEntry{Id: e.Id, MessageId: sent.MessageId, MD5OfMessageBody: sent.MD5OfMessageBody})
			continue
		}
		refused, err := refusedEntry(e.Id, err)
		if err != nil {
			return nil, err
		}
		out.Failed = append(out.Failed, refused)
	}
	return out, nil
}

// DeleteMessageBatch removes messages that were received, each by itself.
func (s *Service) DeleteMessageBatch(ctx context.Context, in *awsapi.DeleteMessageBatchRequest) (*awsapi.DeleteMessageBatchResult, error) {
	if err := s.checkBatch(ctx, *in.QueueUrl, len(in.Entries), func(i int) *string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	out := &awsapi.DeleteMessageBatchResult{Successful: []awsapi.DeleteMessageBatchResultEntry{}, Failed: []awsapi.BatchResultErrorEntry{}}
	for _, e := range in.Entries {
		err := s.DeleteMessage(ctx, &awsapi.DeleteMessageRequest{QueueUrl: in.QueueUrl, ReceiptHandle: e.ReceiptHandle})
		if err == nil {
			out.Successful = append(out.Successful, awsapi.DeleteMessageBatchResultEntry{Id: e.Id})
			continue
		}
		refused, err := refusedEntry(e.Id, err)
		if err != nil {
			return nil, err
		}
		out.Failed = append(out.Failed, refused)
	}
	return out, nil
}

// ChangeMessageVisibilityBatch hides messages that were received for another time, each by itself.
func (s *Service) ChangeMessageVisibilityBatch(ctx context.Context, in *awsapi.ChangeMessageVisibilityBatchRequest) (*awsapi.ChangeMessageVisibilityBatchResult, error) {
	if err := s.checkBatch(ctx, *in.QueueUrl, len(in.Entries), func(i int) *string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	out := &awsapi.ChangeMessageVisibilityBatchResult{Successful: []awsapi.ChangeMessageVisibilityBatchResultEntry{}, Failed: []awsapi.BatchResultErrorEntry{}}
	for _, e := range in.Entries {
		timeout := e.VisibilityTimeout
		if timeout == nil {
			timeout = new(int32(0))
		}
		err := s.ChangeMessageVisibility(ctx, &awsapi.ChangeMessageVisibilityRequest{QueueUrl: in.QueueUrl, ReceiptHandle: e.ReceiptHandle, VisibilityTimeout: timeout})
		if err == nil {
			out.Successful = append(out.Successful, awsapi.ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
			continue
		}
		refused, err := refusedEntry(e.Id, err)
		if err != nil {
			return nil, err
		}
		out.Failed = append(out.Failed, refused)
	}
	return out, nil
}
