package queues

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// maxMessage is the largest body of a message, in bytes.
const maxMessage = 1 << 20

// message is the row of a message. Its name in the store is its id.
type message struct {
	ID, Queue, Body string
	Sent            time.Time
	Received        int        // how often
	First           *time.Time // when first
	Hidden          time.Time  // it is not given before
}

var messageRows = store.NewCollection("queue-message", func(m *message) store.Index { return store.Index{Parent: m.Queue, Created: m.Sent} })

func (m *message) visible(now time.Time) bool { return !m.Hidden.After(now) }

// receipt names one receiving of a message.
func (m *message) receipt() string { return m.ID + "." + strconv.Itoa(m.Received) }

func digest(body string) string {
	sum := md5.Sum([]byte(body)) // SQS's clients compare it
	return hex.EncodeToString(sum[:])
}

// each calls fn for the messages of a queue that are not past their retention, the oldest first, until it gives errEnough.
func (s *Service) each(tx *store.Tx, scope store.Scope, q *queue, fn func(*message) error) error {
	oldest := s.World.Now().Add(-time.Duration(q.number("MessageRetentionPeriod")) * time.Second)
	for page := (store.Query{Parent: q.Name, SortBy: store.ByCreated, Limit: 100, CreatedAfter: &oldest}); ; {
		list, err := messageRows.List(tx, scope, page)
		if err != nil {
			return err
		}
		for i := range list.Items {
			if err := fn(&list.Items[i]); err != nil {
				return err
			}
		}
		if page.Token = list.Next; page.Token == "" {
			return nil
		}
	}
}

var errEnough = errors.New("enough")

// Send puts a message on a queue when the caller's transaction commits.
func (s *Service) Send(tx *store.Tx, scope store.Scope, queueURL, body string) error {
	_, err := s.send(tx, scope, queueURL, body)
	return err
}

func (s *Service) send(tx *store.Tx, scope store.Scope, queueURL, body string) (*message, error) {
	q, err := find(tx, scope, queueURL)
	if err != nil {
		return nil, err
	}
	if most := q.number("MaximumMessageSize"); len(body) > most {
		return nil, failed("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", most)
	}
	if err := s.expire(tx, scope, q); err != nil {
		return nil, err
	}
	id := strings.ToLower(s.World.NewID(32))
	m := &message{ID: id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:], Queue: q.Name, Body: body, Sent: s.World.Now()}
	if err := messageRows.Insert(tx, scope, m.ID, arnOf(scope, q.Name)+"/"+m.ID, m); err != nil {
		return nil, err
	}
	tx.AfterCommit(s.wake)
	return m, nil
}

// expire removes messages whose retention is over, some at every message that comes, so that a queue that nobody reads does not grow for ever.
func (s *Service) expire(tx *store.Tx, scope store.Scope, q *queue) error {
	oldest := s.World.Now().Add(-time.Duration(q.number("MessageRetentionPeriod")) * time.Second)
	page, err := messageRows.List(tx, scope, store.Query{Parent: q.Name, SortBy: store.ByCreated, Limit: 10, CreatedBefore: &oldest})
	for i := 0; err == nil && i < len(page.Items); i++ {
		err = messageRows.Delete(tx, scope, page.Items[i].ID)
	}
	return err
}

// arrival gives a channel that is closed at the next message to any queue.
func (s *Service) arrival() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == nil {
		s.sent = make(chan struct{})
	}
	return s.sent
}

func (s *Service) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent != nil {
		close(s.sent)
		s.sent = nil
	}
}

// SendMessage puts a message on a queue.
func (s *Service) SendMessage(ctx context.Context, in *awsapi.SendMessageRequest) (*awsapi.SendMessageResult, error) {
	switch {
	case len(in.MessageAttributes) > 0 || len(in.MessageSystemAttributes) > 0:
		return nil, failed("UnsupportedOperation", "Attributes of messages are not served.")
	case awsapi.Val(in.DelaySeconds) != 0:
		return nil, failed("UnsupportedOperation", "Delays are not served: DelaySeconds is %d and must be 0.", *in.DelaySeconds)
	case in.MessageGroupId != nil || in.MessageDeduplicationId != nil:
		return nil, failed("InvalidParameterValue", "MessageGroupId and MessageDeduplicationId are for FIFO queues, which are not served.")
	case *in.MessageBody == "":
		return nil, failed("MissingParameter", "The request must contain the parameter MessageBody.")
	}
	var m *message
	err := s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		m, err = s.send(tx, identity.From(ctx).Scope(), *in.QueueUrl, *in.MessageBody)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.SendMessageResult{MessageId: &m.ID, MD5OfMessageBody: new(digest(m.Body))}, nil
}

// ReceiveMessage gives messages that are visible and hides them for the visibility timeout. Where there are none it waits as long as it is told.
func (s *Service) ReceiveMessage(ctx context.Context, in *awsapi.ReceiveMessageRequest) (*awsapi.ReceiveMessageResult, error) {
	for _, bound := range []struct {
		name        string
		given       *int32
		least, most int32
	}{{"MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 10}, {"VisibilityTimeout", in.VisibilityTimeout, 0, 43200}, {"WaitTimeSeconds", in.WaitTimeSeconds, 0, 20}} {
		if n := bound.given; n != nil && (*n < bound.least || *n > bound.most) {
			return nil, failed("InvalidParameterValue", "Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.", *n, bound.name, bound.least, bound.most)
		}
	}
	var until time.Time
	for {
		arrival := s.arrival() // before looking, so that what comes meanwhile is seen
		out, wait, err := s.receive(ctx, in)
		if err != nil || len(out.Messages) > 0 {
			return out, err
		}
		if until.IsZero() {
			until = s.World.Now().Add(wait)
		}
		left := until.Sub(s.World.Now())
		if left <= 0 {
			return out, nil
		}
		again := time.NewTimer(min(left, time.Second)) // a hidden message may come back without any that is sent
		select {
		case <-arrival:
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return nil, ctx.Err()
		}
		again.Stop()
	}
}

func (s *Service) receive(ctx context.Context, in *awsapi.ReceiveMessageRequest) (out *awsapi.ReceiveMessageResult, wait time.Duration, err error) {
	most, scope := 1, identity.From(ctx).Scope()
	if in.MaxNumberOfMessages != nil {
		most = int(*in.MaxNumberOfMessages)
	}
	look := func(tx *store.Tx) (q *queue, found []*message, err error) {
		if q, err = find(tx, scope, *in.QueueUrl); err != nil {
			return nil, nil, err
		}
		err = s.each(tx, scope, q, func(m *message) error {
			if m.visible(s.World.Now()) {
				found = append(found, m)
			}
			if len(found) == most {
				return errEnough
			}
			return nil
		})
		if errors.Is(err, errEnough) {
			err = nil
		}
		return q, found, err
	}
	out = &awsapi.ReceiveMessageResult{}
	some := false
	err = s.DB.View(ctx, func(tx *store.Tx) error { // most polls find nothing, and write nothing
		q, found, err := look(tx)
		if err != nil {
			return err
		}
		some, wait = len(found) > 0, time.Duration(q.number("ReceiveMessageWaitTimeSeconds"))*time.Second
		if in.WaitTimeSeconds != nil {
			wait = time.Duration(*in.WaitTimeSeconds) * time.Second
		}
		return nil
	})
	if err != nil || !some {
		return out, wait, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		q, found, err := look(tx)
		if err != nil {
			return err
		}
		hide := time.Duration(q.number("VisibilityTimeout")) * time.Second
		if in.VisibilityTimeout != nil {
			hide = time.Duration(*in.VisibilityTimeout) * time.Second
		}
		now := s.World.Now()
		for _, m := range found {
			m.Received, m.Hidden = m.Received+1, now.Add(hide)
			if m.First == nil {
				m.First = &now
			}
			if err := messageRows.Put(tx, scope, m.ID, m); err != nil {
				return err
			}
			out.Messages = append(out.Messages, m.describe(slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)))
		}
		return nil
	})
	return out, wait, err
}

func (m *message) describe(asked []string) awsapi.SQSMessage {
	out := awsapi.SQSMessage{MessageId: &m.ID, ReceiptHandle: new(m.receipt()), Body: &m.Body, MD5OfBody: new(digest(m.Body))}
	for name, value := range map[string]string{"SentTimestamp": millis(m.Sent), "ApproximateFirstReceiveTimestamp": millis(*m.First),
		"ApproximateReceiveCount": strconv.Itoa(m.Received)} {
		if slices.Contains(asked, name) || slices.Contains(asked, "All") {
			if out.Attributes == nil {
				out.Attributes = map[string]string{}
			}
			out.Attributes[name] = value
		}
	}
	return out
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// DeleteMessage removes a message that was received. A receipt that is not the last one, or of a message that is gone, changes nothing.
func (s *Service) DeleteMessage(ctx context.Context, in *awsapi.DeleteMessageRequest) error {
	scope := identity.From(ctx).Scope()
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
		if errors.Is(err, store.ErrNotFound) || err == nil && (m.Queue != q.Name || m.receipt() != *in.ReceiptHandle) {
			return nil
		}
		if err != nil {
			return err
		}
		return messageRows.Delete(tx, scope, id)
	})
}
