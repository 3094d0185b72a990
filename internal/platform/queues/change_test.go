package queues_test

import (
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/platform/queues"
)

func TestBatchesAndChanges(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := &queues.Service{DB: e.DB, World: e.World}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	made, err := s.CreateQueue(e.Ctx, &awsapi.CreateQueueRequest{QueueName: new("q"), Tags: map[string]string{"a": "1"}})
	must(err)
	url := made.QueueUrl
	entry := func(id, body string) awsapi.SendMessageBatchRequestEntry {
		return awsapi.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
	}
	send := func(entries ...awsapi.SendMessageBatchRequestEntry) (*awsapi.SendMessageBatchResult, error) {
		return s.SendMessageBatch(e.Ctx, &awsapi.SendMessageBatchRequest{QueueUrl: url, Entries: entries})
	}
	sent, err := send(entry("x", "one"), entry("y", ""), entry("z", "two"))
	if err != nil || len(sent.Successful) != 2 || len(sent.Failed) != 1 || *sent.Failed[0].Id != "y" || *sent.Failed[0].Code != "MissingParameter" {
		t.Fatalf("%+v, %v", sent, err)
	}
	for code, entries := range map[string][]awsapi.SendMessageBatchRequestEntry{"EmptyBatchRequest": nil, "BatchEntryIdsNotDistinct": {entry("x", "1"), entry("x", "2")},
		"InvalidBatchEntryId": {entry("a b", "1")}, "TooManyEntriesInBatchRequest": make([]awsapi.SendMessageBatchRequestEntry, 11)} {
		if _, err := send(entries...); !awsapi.IsCode(err, code) {
			t.Errorf("got %v, want %s", err, code)
		}
	}
	receive := func() (handles []*string) {
		t.Helper()
		out, err := s.ReceiveMessage(e.Ctx, &awsapi.ReceiveMessageRequest{QueueUrl: url, MaxNumberOfMessages: new(int32(10))})
		must(err)
		for _, m := range out.Messages {
			handles = append(handles, m.ReceiptHandle)
		}
		return handles
	}
	got := receive()
	if len(got) != 2 || len(receive()) != 0 {
		t.Fatalf("%d messages, and again some", len(got))
	}
	hide := func(handle *string, seconds int32) error {
		return s.ChangeMessageVisibility(e.Ctx, &awsapi.ChangeMessageVisibilityRequest{QueueUrl: url, ReceiptHandle: handle, VisibilityTimeout: &seconds})
	}
	must(hide(got[0], 0))
	if err := hide(got[0], 60); !awsapi.IsCode(err, "MessageNotInflight") {
		t.Errorf("a message that was given back: %v", err)
	}
	again := receive()
	if len(again) != 1 {
		t.Fatalf("%d messages after one was given back", len(again))
	}
	changed, err := s.ChangeMessageVisibilityBatch(e.Ctx, &awsapi.ChangeMessageVisibilityBatchRequest{QueueUrl: url, Entries: []awsapi.ChangeMessageVisibilityBatchRequestEntry{
		{Id: new("a"), ReceiptHandle: got[1], VisibilityTimeout: new(int32(0))}, {Id: new("b"), ReceiptHandle: got[0], VisibilityTimeout: new(int32(0))}}})
	if err != nil || len(changed.Successful) != 1 || *changed.Failed[0].Id != "b" {
		t.Errorf("%+v, %v", changed, err)
	}
	deleted, err := s.DeleteMessageBatch(e.Ctx, &awsapi.DeleteMessageBatchRequest{QueueUrl: url, Entries: []awsapi.DeleteMessageBatchRequestEntry{
		{Id: new("a"), ReceiptHandle: again[0]}, {Id: new("b"), ReceiptHandle: new("x")}}})
	if err != nil || len(deleted.Successful) != 1 || *deleted.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Errorf("%+v, %v", deleted, err)
	}
	must(s.PurgeQueue(e.Ctx, &awsapi.PurgeQueueRequest{QueueUrl: url}))
	must(s.SetQueueAttributes(e.Ctx, &awsapi.SetQueueAttributesRequest{QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "7", "Policy": "{}"}}))
	if err := s.SetQueueAttributes(e.Ctx, &awsapi.SetQueueAttributesRequest{QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "x"}}); !awsapi.IsCode(err, "InvalidAttributeValue") {
		t.Error(err)
	}
	all, err := s.GetQueueAttributes(e.Ctx, &awsapi.GetQueueAttributesRequest{QueueUrl: url, AttributeNames: []string{"All"}})
	if a := all.Attributes; err != nil || a["VisibilityTimeout"] != "7" || a["Policy"] != "{}" || a["ApproximateNumberOfMessages"] != "0" || a["ApproximateNumberOfMessagesNotVisible"] != "0" {
		t.Errorf("%v, %v", a, err)
	}
	must(s.TagQueue(e.Ctx, &awsapi.TagQueueRequest{QueueUrl: url, Tags: map[string]string{"b": "2"}}))
	must(s.UntagQueue(e.Ctx, &awsapi.UntagQueueRequest{QueueUrl: url, TagKeys: []string{"a"}}))
	if tags, err := s.ListQueueTags(e.Ctx, &awsapi.ListQueueTagsRequest{QueueUrl: url}); err != nil || len(tags.Tags) != 1 || tags.Tags["b"] != "2" {
		t.Errorf("%v, %v", tags, err)
	}
}
