package endpoints

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
	"github.com/mobula-ml/mobula/internal/store"
)

// Limits of asynchronous invocations, as the service has them.
const (
	maxAsyncInput       = 1 << 30
	maxAsyncBody        = 128_000 // in the request itself
	defaultAsyncTTL     = 6 * time.Hour
	defaultAsyncTimeout = 15 * time.Minute
	defaultAsyncAtOnce  = 4 // of one instance
)

// asyncController is the kind of the invocations' tasks, of which so many are in the hands of their controllers; the others wait in their order.
const (
	asyncController = "async-invocation"
	asyncAtOnce     = 256
)

// invocation is the row of an asynchronous invocation that has no answer yet.
type invocation struct {
	ID, ARN, Endpoint string
	Scope             store.Scope
	Input             string // s3:// of the body, or "" where the request has it
	Output, Failure   string // s3:// of the answer, and of why there is none, or ""
	Request           serving.Request
	Created, Expires  time.Time
	Timeout           time.Duration
}

var invocationRows = store.NewCollection(asyncController, func(i *invocation) store.Index { return store.Index{Created: i.Created} })

// InvokeEndpointAsync keeps a request, which an endpoint with an asyncInferenceConfig answers in S3.
func (s *Service) InvokeEndpointAsync(ctx context.Context, in *awsapi.InvokeEndpointAsyncInput) (*awsapi.InvokeEndpointAsyncOutput, error) {
	scope, now := identity.From(ctx).Scope(), s.World.Now()
	_, _, err := object.ParseURI(awsapi.Val(in.InputLocation))
	switch {
	case (len(in.Body) > 0) == (in.InputLocation != nil):
		return nil, awsapi.ValidationError("Exactly one of body and inputLocation must be given.")
	case len(in.Body) > maxAsyncBody:
		return nil, awsapi.ValidationError("The body has %d bytes; at most %d are served. Put it into S3 and give its inputLocation.", len(in.Body), maxAsyncBody)
	case in.InputLocation != nil && err != nil:
		return nil, awsapi.ValidationError("Value '%s' at 'inputLocation' failed to satisfy constraint: %v", *in.InputLocation, err)
	}
	i := &invocation{ID: s.World.NewID(32), Endpoint: *in.EndpointName, Scope: scope, Input: awsapi.Val(in.InputLocation), Created: now, Expires: now.Add(defaultAsyncTTL), Timeout: defaultAsyncTimeout,
		Request: serving.Request{Body: in.Body, ContentType: awsapi.Val(in.ContentType), Accept: awsapi.Val(in.Accept), CustomAttributes: awsapi.Val(in.CustomAttributes), InferenceID: awsapi.Val(in.InferenceId)}}
	i.ARN = scope.ARN("async-invocation/" + i.ID)
	if in.RequestTTLSeconds != nil {
		i.Expires = now.Add(time.Duration(*in.RequestTTLSeconds) * time.Second)
	}
	if in.InvocationTimeoutSeconds != nil {
		i.Timeout = time.Duration(*in.InvocationTimeoutSeconds) * time.Second
	}
	if i.Request.InferenceID == "" {
		i.Request.InferenceID = i.ID
	}
	e, _, err := s.choose(ctx, i.Endpoint, nil, true)
	if err != nil {
		return nil, err
	}
	out := e.Current.Async.OutputConfig
	name := i.ID + ".out"
	if in.Filename != nil {
		name = *in.Filename
	}
	i.Output = strings.Join([]string{strings.TrimSuffix(*out.S3OutputPath, "/"), strings.Trim(awsapi.Val(in.S3OutputPathExtension), "/"), name}, "/")
	if in.S3OutputPathExtension == nil {
		i.Output = strings.TrimSuffix(*out.S3OutputPath, "/") + "/" + name
	}
	if out.S3FailurePath != nil {
		i.Failure = strings.TrimSuffix(*out.S3FailurePath, "/") + "/" + i.ID + "-error.out"
	}
	answer := &awsapi.InvokeEndpointAsyncOutput{InferenceId: &i.Request.InferenceID, OutputLocation: &i.Output, FailureLocation: awsapi.Optional(i.Failure)}
	return answer, s.DB.Update(ctx, func(tx *store.Tx) error {
		if err := invocationRows.Insert(tx, scope, i.ID, i.ARN, i); err != nil {
			return err
		}
		return s.Engine.Enqueue(tx, asyncController, i.ARN)
	})
}

// invokeLater is the controller of an invocation: it has it answered, writes the answer, and removes the row.
func (s *Service) invokeLater(ctx context.Context, l *durable.Lease) error {
	var i *invocation
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		i, err = invocationRows.GetARN(tx, l.Key)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := l.Waits(ctx); err != nil {
		return err
	}
	uri, contentType, text := i.Output, "", []byte(nil)
	a, err := s.answerLater(ctx, i)
	var known *awsapi.Error
	switch {
	case err == nil:
		contentType, text = a.ContentType, a.Body
	case errors.As(err, &known):
		uri, contentType, text = i.Failure, "text/plain", []byte(known.Message)
		s.Log.Warn("asynchronous invocation failed", "endpoint", i.Endpoint, "id", i.ID, "reason", known.Message)
	default:
		return err
	}
	if uri != "" {
		bucket, key, err := object.ParseURI(uri)
		if err == nil {
			_, err = s.Objects.Put(ctx, bucket, key, bytes.NewReader(text), object.PutOptions{ContentType: contentType})
		}
		if err != nil && !errors.Is(err, object.ErrNoSuchBucket) { // a bucket that is gone is nobody's to write to
			return err
		}
	}
	return l.Update(ctx, func(tx *store.Tx) error { return invocationRows.Delete(tx, i.Scope, i.ID) })
}

// answerLater has an invocation answered in its turn. An error that is the API's is what the caller is told.
func (s *Service) answerLater(ctx context.Context, i *invocation) (*serving.Answer, error) {
	ctx = identity.With(ctx, identity.Principal{Account: i.Scope.Account, Region: i.Scope.Region})
	e, _, err := s.choose(ctx, i.Endpoint, nil, true)
	if err != nil {
		return nil, err
	}
	release, err := s.turn(ctx, e, i.Expires)
	if err != nil {
		return nil, err
	}
	defer release()
	r := i.Request
	if i.Input != "" {
		var contentType string
		if r.Body, contentType, err = s.asyncInput(ctx, i.Input); err != nil {
			return nil, err
		}
		if r.ContentType == "" {
			r.ContentType = contentType
		}
	}
	limited, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	e, v, a, err := s.answer(limited, i.Endpoint, nil, "", true, func(h *serving.Host) (*serving.Answer, error) { return h.Ask(limited, r, maxAnswer) })
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err() // the server stops, and the next one goes on
		}
		return nil, err
	}
	s.capture(e, v, r, a)
	return a, nil
}

// asyncInput reads the body of a request, and of what type it is, which the SDK says in the object alone.
func (s *Service) asyncInput(ctx context.Context, uri string) (text []byte, contentType string, err error) {
	bucket, key, err := object.ParseURI(uri)
	if err != nil {
		return nil, "", err
	}
	body, info, err := s.Objects.Get(ctx, bucket, key)
	if err != nil {
		return nil, "", awsapi.ValidationError("The input at %s could not be read: %v", uri, err)
	}
	defer body.Close()
	if info.Size > maxAsyncInput {
		return nil, "", awsapi.ValidationError("The input at %s has %d bytes; at most %d are served.", uri, info.Size, maxAsyncInput)
	}
	text, err = io.ReadAll(body)
	return text, info.ContentType, err
}

// turn waits until the endpoint works on fewer invocations than it may, or until the request is too old.
func (s *Service) turn(ctx context.Context, e *endpoint, expires time.Time) (release func(), err error) {
	n := defaultAsyncAtOnce
	if c := e.Current.Async.ClientConfig; c != nil && c.MaxConcurrentInvocationsPerInstance != nil {
		n = int(*c.MaxConcurrentInvocationsPerInstance)
	}
	n *= len(e.Current.ids())
	key := fmt.Sprintf("%s %d", e.ARN, n)
	s.mu.Lock()
	slots := s.turns[key]
	if slots == nil {
		slots = make(chan struct{}, n)
		s.turns[key] = slots
	}
	s.mu.Unlock()
	late := time.NewTimer(expires.Sub(s.World.Now()))
	defer late.Stop()
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-late.C:
		return nil, awsapi.ValidationError("The request expired: it waited longer than its RequestTTLSeconds.")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
