package endpoints

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
)

// streamTimeout is how long an answer that is streamed may take, as the service has it. Its first part has invokeTimeout.
const streamTimeout = 8 * time.Minute

// InvokeEndpointWithResponseStream passes a request to a host of the endpoint, and its answer back while the host makes it.
func (s *Service) InvokeEndpointWithResponseStream(ctx context.Context, in *awsapi.InvokeEndpointWithResponseStreamInput) (*awsapi.InvokeEndpointWithResponseStreamOutput, error) {
	if err := unserved(map[string]bool{"targetContainerHostname": in.TargetContainerHostname != nil, "inferenceComponentName": in.InferenceComponentName != nil,
		"sessionId": in.SessionId != nil}); err != nil {
		return nil, err
	}
	r := serving.Request{Body: in.Body, ContentType: awsapi.Val(in.ContentType), Accept: awsapi.Val(in.Accept), CustomAttributes: awsapi.Val(in.CustomAttributes),
		InferenceID: awsapi.Val(in.InferenceId)}
	began := time.Now()
	whole, cancel := context.WithCancelCause(ctx) // ends with the request, or when its time is over
	late := time.AfterFunc(invokeTimeout, func() { cancel(context.DeadlineExceeded) })
	e, v, a, err := s.answer(whole, *in.EndpointName, in.TargetVariant, "", false, func(h *serving.Host) (*serving.Answer, error) {
		a, err := h.Stream(whole, r, maxAnswer)
		return a, because(whole, err)
	})
	if err == nil && !late.Stop() {
		err = s.explain(e, v, context.DeadlineExceeded)
	}
	if err != nil {
		cancel(err)
		return nil, err
	}
	late.Reset(streamTimeout - time.Since(began))
	out := &awsapi.InvokeEndpointWithResponseStreamOutput{ContentType: awsapi.Optional(a.ContentType), InvokedProductionVariant: &v.Name, CustomAttributes: awsapi.Optional(a.CustomAttributes)}
	out.Body = func(yield func(*awsapi.ResponseStream, error) bool) {
		defer cancel(nil)
		defer late.Stop()
		defer a.Rest.Close()
		kept := &serving.Answer{ContentType: a.ContentType}
		err := parts(a, func(part []byte) bool {
			if e.Current.Capture != nil && len(kept.Body) <= maxAnswer {
				kept.Body = append(kept.Body, part...)
			}
			return yield(&awsapi.ResponseStream{PayloadPart: &awsapi.PayloadPart{Bytes: part}}, nil)
		})
		switch {
		case errors.Is(err, io.EOF):
			if len(kept.Body) <= maxAnswer {
				s.capture(e, v, r, kept)
			}
		case err != nil:
			yield(nil, streamError(ctx, because(whole, err)))
		}
	}
	return out, nil
}

// because gives the cause for which a context ended in place of the error that it led to.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// parts gives the parts of an answer until it ends, which is io.EOF, or breaks off, or is no longer wanted, which is nil.
func parts(a *serving.Answer, give func([]byte) bool) error {
	if len(a.Body) > 0 && !give(a.Body) {
		return nil
	}
	buffer := make([]byte, serving.PartBytes)
	for {
		n, err := a.Rest.Read(buffer)
		if n > 0 && !give(buffer[:n]) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// streamError is what the caller of a stream is told that does not come to its end. One who has gone is told nothing.
func streamError(caller context.Context, err error) error {
	if caller.Err() != nil {
		return caller.Err()
	}
	code, message := "StreamBroken", "The connection to the model was closed before its answer ended."
	if errors.Is(err, context.DeadlineExceeded) {
		code, message = "ModelInvocationTimeExceeded", "The model did not end its answer within "+streamTimeout.String()+"."
	}
	return &awsapi.Error{Code: "ModelStreamError", Message: message, Members: map[string]any{"ErrorCode": code}}
}
