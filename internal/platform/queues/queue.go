package queues

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

// Service serves the operations on queues and messages.
type Service struct {
	DB    *store.DB
	World world.World

	mu   sync.Mutex
	sent chan struct{} // closed at the next message
}

// queue is the row of a queue.
type queue struct {
	Name       string
	Attributes map[string]string // those that were set
	Created    time.Time
	Modified   time.Time `json:",omitzero"`
}

var queueRows = store.NewCollection("queue", func(q *queue) store.Index { return store.Index{Created: q.Created} })

// attributes are those that a queue may be given: the range of its number, its default, or neither where the value is kept and has no effect.
var attributes = map[string]struct {
	fallback, least, most int
	kept                  bool
}{
	"VisibilityTimeout":             {fallback: 30, most: 43200},
	"MessageRetentionPeriod":        {fallback: 345600, least: 60, most: 1209600},
	"ReceiveMessageWaitTimeSeconds": {most: 20},
	"MaximumMessageSize":            {fallback: maxMessage, least: 1024, most: maxMessage},
	"DelaySeconds":                  {most: 0},
	"Policy":                        {kept: true},
	"KmsMasterKeyId":                {kept: true},
	"SqsManagedSseEnabled":          {kept: true},
}

// number is the value of an attribute that is a number.
func (q *queue) number(name string) int {
	if n, err := strconv.Atoi(q.Attributes[name]); err == nil {
		return n
	}
	return attributes[name].fallback
}

func failed(code, format string, args ...any) *awsapi.Error {
	return &awsapi.Error{Code: code, Status: 400, Message: fmt.Sprintf(format, args...)}
}

func checkAttributes(given map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		a, known := attributes[name]
		if !known {
			return failed("InvalidAttributeName", "Unknown Attribute %s. The attributes are: %s.", name, strings.Join(slices.Sorted(maps.Keys(attributes)), ", "))
		}
		if n, err := strconv.Atoi(given[name]); !a.kept && (err != nil || n < a.least || n > a.most) {
			return failed("InvalidAttributeValue", "Invalid value '%s' for the parameter %s. Reason: must be a number from %d to %d.", given[name], name, a.least, a.most)
		}
	}
	return nil
}

// urlOf is a queue's URL, as SQS writes it.
func urlOf(scope store.Scope, name string) string {
	return "https://sqs." + scope.Region + ".amazonaws.com/" + scope.Account + "/" + name
}

func arnOf(scope store.Scope, name string) string {
	return "arn:aws:sqs:" + scope.Region + ":" + scope.Account + ":" + name
}

// nonExistent is SQS's error for a queue that is not there.
func nonExistent() *awsapi.Error {
	return failed("QueueDoesNotExist", "The specified queue does not exist.")
}

// find returns the queue that a URL names: its last part is the name, and the one before, where there is one, the account.
func find(tx *store.Tx, scope store.Scope, queueURL string) (*queue, error) {
	name := queueURL
	if u, err := url.Parse(queueURL); err == nil {
		account, last, ok := strings.Cut(strings.Trim(u.Path, "/"), "/")
		if name = cmp.Or(last, account); ok && account != scope.Account {
			return nil, nonExistent()
		}
	}
	q, err := queueRows.Get(tx, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nonExistent()
	}
	return q, err
}

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// CreateQueue makes a queue. The same queue again is no error, one with other attributes is.
func (s *Service) CreateQueue(ctx context.Context, in *awsapi.CreateQueueRequest) (*awsapi.CreateQueueResult, error) {
	name, scope := *in.QueueName, identity.From(ctx).Scope()
	if strings.HasSuffix(name, ".fifo") {
		return nil, failed("UnsupportedOperation", "FIFO queues are not served; '%s' must not end with .fifo.", name)
	}
	if !queueName.MatchString(name) {
		return nil, failed("InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length. It is '%s'.", name)
	}
	if err := checkAttributes(in.Attributes); err != nil {
		return nil, err
	}
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		q := &queue{Name: name, Attributes: in.Attributes, Created: s.World.Now()}
		err := queueRows.Insert(tx, scope, name, arnOf(scope, name), q)
		if !errors.Is(err, store.ErrExists) {
			if err == nil {
				err = tx.SetTags(arnOf(scope, name), tagsOf(in.Tags))
			}
			return err
		}
		there, err := queueRows.Get(tx, scope, name)
		if err != nil {
			return err
		}
		for _, member := range slices.Sorted(maps.Keys(in.Attributes)) {
			if there.Attributes[member] != in.Attributes[member] {
				return failed("QueueNameExists", "A queue already exists with the same name and a different value for attribute %s", member)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.CreateQueueResult{QueueUrl: new(urlOf(scope, name))}, nil
}

func tagsOf(given map[string]string) (tags []awsapi.Tag) {
	for _, key := range slices.Sorted(maps.Keys(given)) {
		tags = append(tags, awsapi.Tag{Key: &key, Value: new(given[key])})
	}
	return tags
}

// GetQueueUrl gives the URL of a queue.
func (s *Service) GetQueueUrl(ctx context.Context, in *awsapi.GetQueueUrlRequest) (*awsapi.GetQueueUrlResult, error) {
	scope := identity.From(ctx).Scope()
	if account := awsapi.Val(in.QueueOwnerAWSAccountId); account != "" && account != scope.Account {
		return nil, nonExistent()
	}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		_, err := find(tx, scope, *in.QueueName)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &awsapi.GetQueueUrlResult{QueueUrl: new(urlOf(scope, *in.QueueName))}, nil
}

// ListQueues lists the URLs of queues by the beginning of their names.
func (s *Service) ListQueues(ctx context.Context, in *awsapi.ListQueuesRequest) (*awsapi.ListQueuesResult, error) {
	scope, out := identity.From(ctx).Scope(), &awsapi.ListQueuesResult{}
	size := 1000
	if in.MaxResults != nil {
		if size = int(*in.MaxResults); size < 1 || size > 1000 {
			return nil, failed("InvalidParameterValue", "Value %d for parameter MaxResults is invalid. Reason: must be a number from 1 to 1000.", size)
		}
	}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		page, err := queueRows.List(tx, scope, store.Query{NamePrefix: awsapi.Val(in.QueueNamePrefix), SortBy: store.ByName, Limit: size, Token: awsapi.Val(in.NextToken)})
		for _, q := range page.Items {
			out.QueueUrls = append(out.QueueUrls, urlOf(scope, q.Name))
		}
		if page.Next != "" && in.MaxResults != nil {
			out.NextToken = &page.Next
		}
		return err
	})
}

// GetQueueAttributes tells a queue's attributes, and about how many messages it holds.
func (s *Service) GetQueueAttributes(ctx context.Context, in *awsapi.GetQueueAttributesRequest) (*awsapi.GetQueueAttributesResult, error) {
	scope, all := identity.From(ctx).Scope(), map[string]string{}
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		q, err := find(tx, scope, *in.QueueUrl)
		if err != nil {
			return err
		}
		for name, a := range attributes {
			if !a.kept {
				all[name] = strconv.Itoa(q.number(name))
			} else if v, ok := q.Attributes[name]; ok {
				all[name] = v
			}
		}
		modified := q.Modified
		if modified.IsZero() {
			modified = q.Created
		}
		all["QueueArn"], all["CreatedTimestamp"], all["LastModifiedTimestamp"] = arnOf(scope, q.Name), seconds(q.Created), seconds(modified)
		all["ApproximateNumberOfMessagesDelayed"] = "0"
		visible, hidden := 0, 0
		err = s.each(tx, scope, q, func(m *message) error {
			if m.visible(s.World.Now()) {
				visible++
			} else {
				hidden++
			}
			return nil
		})
		all["ApproximateNumberOfMessages"], all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(visible), strconv.Itoa(hidden)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range in.AttributeNames {
		if name == "All" {
			return &awsapi.GetQueueAttributesResult{Attributes: all}, nil
		}
		if v, ok := all[name]; ok {
			out[name] = v
		}
	}
	return &awsapi.GetQueueAttributesResult{Attributes: out}, nil
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// DeleteQueue removes a queue and its messages.
func (s *Service) DeleteQueue(ctx context.Context, in *awsapi.DeleteQueueRequest) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		q, err := find(tx, scope, *in.QueueUrl)
		if err != nil {
			return err
		}
		if err := s.purge(tx, scope, q); err != nil {
			return err
		}
		return queueRows.Delete(tx, scope, q.Name)
	})
}
