package functions

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// maxPayload is the largest event and the largest result of an invocation that is waited for, in bytes.
const maxPayload = 6 << 20

// Invoke calls a function and waits for what it returns, unless it is told not to.
func (s *Service) Invoke(ctx context.Context, in *awsapi.InvocationRequest) (*awsapi.InvocationResponse, error) {
	f, err := s.look(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	event := in.Payload
	switch {
	case len(event) == 0:
		event = []byte("{}")
	case len(event) > maxPayload:
		return nil, failed("RequestTooLargeException", 413, "%d byte payload is too large for the RequestResponse invocation type (limit %d bytes)", len(event), maxPayload)
	case !json.Valid(event):
		return nil, failed("InvalidRequestContentException", 400, "Could not parse request body into json: the payload is not JSON.")
	}
	kind := awsapi.Val(in.InvocationType)
	if kind == "DryRun" {
		return &awsapi.InvocationResponse{StatusCode: new(int32(204)), ExecutedVersion: new("$LATEST")}, nil
	}
	id := strings.ToLower(s.World.NewID(32))
	name := id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
	done := s.expect(name)
	defer s.announce(name)
	if err := s.Begin(ctx, f.ARN, name, event); err != nil {
		return nil, err
	}
	if kind == "Event" {
		return &awsapi.InvocationResponse{StatusCode: new(int32(202))}, nil
	}
	select {
	case <-done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	i, err := s.invocation(ctx, name)
	if err != nil {
		return nil, err
	}
	out := &awsapi.InvocationResponse{StatusCode: new(int32(200)), Payload: i.Payload, ExecutedVersion: new("$LATEST")}
	if i.Failure != "" {
		out.FunctionError = &i.Failure
	}
	if awsapi.Val(in.LogType) == "Tail" {
		out.LogResult = new(base64.StdEncoding.EncodeToString([]byte(i.Log)))
	}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error { return invocationRows.Delete(tx, identity.From(ctx).Scope(), name) })
}

// expect gives a channel that is closed when the invocation is done.
func (s *Service) expect(name string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	s.done[name] = c
	return c
}

// announce says that an invocation is done, to who waits for it here.
func (s *Service) announce(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.done[name]; c != nil {
		close(c)
		delete(s.done, name)
	}
}
