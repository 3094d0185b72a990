package queues

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// messageOf takes the message's id out of a receipt handle.
func messageOf(receipt string) (id string, err error) {
	id, count, ok := strings.Cut(receipt, ".")
	if _, err := strconv.Atoi(count); err != nil || !ok {
		return "", failed("ReceiptHandleIsInvalid", "The input receipt handle \"%s\" is not a valid receipt handle.", receipt)
	}
	return id, nil
}

// ChangeMessageVisibility hides a message that was received for another time from now. 0 gives it back at once.
func (s *Service) ChangeMessageVisibility(ctx context.Context, in *awsapi.ChangeMessageVisibilityRequest) error {
	scope, most := identity.From(ctx).Scope(), attributes["VisibilityTimeout"].most
	if n := int(*in.VisibilityTimeout); n < 0 || n > most {
		return failed("InvalidParameterValue", "Value %d for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer between 0 and %d.", n, most)
	}
	id, err := messageOf(*in.ReceiptHandle)
	if err != nil {
		return err
	}
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		q, err := find(tx, scope, *in.QueueUrl)
		if err != nil {
			return err
		}
		m, err := messageRows.Get(tx, scope, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && m.Queue != q.Name {
			return failed("InvalidParameterValue", "Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", *in.ReceiptHandle)
		}
		if err != nil {
			return err
		}
		now := s.World.Now()
		if m.receipt() != *in.ReceiptHandle || m.visible(now) {
			return failed("MessageNotInflight", "The message referred to is not in flight.")
		}
		m.Hidden = now.Add(time.Duration(*in.VisibilityTimeout) * time.Second)
		tx.AfterCommit(s.wake) // who waits for messages looks again
		return messageRows.Put(tx, scope, id, m)
	})
}
