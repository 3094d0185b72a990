package queues_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/platform/queues"
	"github.com/mobula-ml/mobula/internal/store"
)

func TestMessages(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := &queues.Service{DB: e.DB, World: e.World}
	made, err := s.CreateQueue(e.Ctx, &awsapi.CreateQueueRequest{QueueName: new("q"), Attributes: map[string]string{"VisibilityTimeout": "20"}})
	if err != nil {
		t.Fatal(err)
	}
	url := made.QueueUrl
	receive := func(most, hide, wait int32) []awsapi.SQSMessage {
		t.Helper()
		out, err := s.ReceiveMessage(e.Ctx, &awsapi.ReceiveMessageRequest{QueueUrl: url, MaxNumberOfMessages: &most, VisibilityTimeout: &hide, WaitTimeSeconds: &wait, AttributeNames: []string{"All"}})
		if err != nil {
			t.Fatal(err)
		}
		return out.Messages
	}
	go func() { // a message that comes while somebody waits
		time.Sleep(50 * time.Millisecond)
		if _, err := s.SendMessage(e.Ctx, &awsapi.SendMessageRequest{QueueUrl: url, MessageBody: new("one")}); err != nil {
			t.Error(err)
		}
	}()
	began := time.Now()
	got := receive(10, 0, 20)
	if len(got) != 1 || *got[0].Body != "one" || *got[0].MD5OfBody != "f97c5d29941bfb1b2fdab0874906ab82" || time.Since(began) > 5*time.Second {
		t.Fatalf("%+v after %s", got, time.Since(began))
	}
	again := receive(1, 20, 0)
	if len(again) != 1 || again[0].Attributes["ApproximateReceiveCount"] != "2" {
		t.Fatalf("a message that was not hidden is gone: %+v", again)
	}
	if n := len(receive(1, 20, 0)); n != 0 {
		t.Errorf("a hidden message was given %d times", n)
	}
	for _, handle := range []*string{got[0].ReceiptHandle, again[0].ReceiptHandle} { // the first is not the last one any more
		if err := s.DeleteMessage(e.Ctx, &awsapi.DeleteMessageRequest{QueueUrl: url, ReceiptHandle: handle}); err != nil {
			t.Fatal(err)
		}
	}
	attributes, err := s.GetQueueAttributes(e.Ctx, &awsapi.GetQueueAttributesRequest{QueueUrl: url, AttributeNames: []string{"All"}})
	if a := attributes.Attributes; err != nil || a["ApproximateNumberOfMessages"] != "0" || a["ApproximateNumberOfMessagesNotVisible"] != "0" || a["VisibilityTimeout"] != "20" {
		t.Errorf("%v, %v", a, err)
	}
	// What is sent in a transaction is sent when that commits.
	if err := e.DB.Update(e.Ctx, func(tx *store.Tx) error {
		if err := s.Send(tx, e.Caller.Scope(), *url, "not sent"); err != nil {
			return err
		}
		return awsapi.Internal()
	}); err == nil {
		t.Fatal("the update did not fail")
	}
	if n := len(receive(10, 0, 0)); n != 0 {
		t.Errorf("%d messages of a transaction that failed", n)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := &queues.Service{DB: e.DB, World: e.World}
	create := func(name string, attributes map[string]string) error {
		_, err := s.CreateQueue(e.Ctx, &awsapi.CreateQueueRequest{QueueName: &name, Attributes: attributes})
		return err
	}
	if err := create("q", nil); err != nil {
		t.Fatal(err)
	}
	if err := create("q", nil); err != nil {
		t.Errorf("the same queue again: %v", err)
	}
	url := new("https://sqs.us-east-1.amazonaws.com/123456789012/q")
	for code, err := range map[string]error{
		"QueueNameExists":        create("q", map[string]string{"VisibilityTimeout": "5"}),
		"UnsupportedOperation":   create("q.fifo", nil),
		"InvalidParameterValue":  create("a b", nil),
		"InvalidAttributeName":   create("r", map[string]string{"RedrivePolicy": "{}"}),
		"InvalidAttributeValue":  create("r", map[string]string{"VisibilityTimeout": "-1"}),
		"QueueDoesNotExist":      s.DeleteQueue(e.Ctx, &awsapi.DeleteQueueRequest{QueueUrl: new("https://sqs.us-east-1.amazonaws.com/999999999999/q")}),
		"ReceiptHandleIsInvalid": s.DeleteMessage(e.Ctx, &awsapi.DeleteMessageRequest{QueueUrl: url, ReceiptHandle: new("x")}),
	} {
		if !awsapi.IsCode(err, code) {
			t.Errorf("got %v, want %s", err, code)
		}
	}
	if _, err := s.SendMessage(e.Ctx, &awsapi.SendMessageRequest{QueueUrl: url, MessageBody: new(strings.Repeat("x", 1<<20+1))}); !awsapi.IsCode(err, "InvalidParameterValue") {
		t.Error(err)
	}
	if _, err := s.SendMessage(e.Ctx, &awsapi.SendMessageRequest{QueueUrl: url, MessageBody: new("x")}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteQueue(e.Ctx, &awsapi.DeleteQueueRequest{QueueUrl: url}); err != nil {
		t.Fatal(err)
	}
	if err := create("q", nil); err != nil {
		t.Fatal(err)
	}
	out, err := s.ReceiveMessage(e.Ctx, &awsapi.ReceiveMessageRequest{QueueUrl: url})
	if err != nil || len(out.Messages) != 0 {
		t.Errorf("a queue that was made anew holds %v, %v", out, err)
	}
}
