package endpoints

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// Limits of an invocation, as the service has them.
const (
	maxAnswer     = 25 << 20
	invokeTimeout = 60 * time.Second
	// replacing is how long an invocation waits for a host that is being replaced.
	replacing = 10 * time.Second
)

// InvokeEndpoint passes a request to a host of the endpoint and its answer back.
func (s *Service) InvokeEndpoint(ctx context.Context, in *awsapi.InvokeEndpointInput) (*awsapi.InvokeEndpointOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, invokeTimeout)
	defer cancel()
	for began := time.Now(); ; {
		e, v, err := s.choose(ctx, in)
		if err != nil {
			return nil, err
		}
		out, err := s.ask(ctx, e, v, in)
		if err == nil || !died(err) || time.Since(began) > replacing {
			return out, s.explain(e, v, err)
		}
		// The host is gone: another takes its place, or the endpoint has changed.
		select {
		case <-ctx.Done():
			return nil, s.explain(e, v, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// choose picks the variant: the one asked for, else one by weight.
func (s *Service) choose(ctx context.Context, in *awsapi.InvokeEndpointInput) (*endpoint, *variant, error) {
	scope := identity.From(ctx).Scope()
	var e *endpoint
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		e, err = endpointRows.Get(tx, scope, *in.EndpointName)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && (e.Current == nil || e.Status == awsapi.EndpointStatusDeleting) {
		return nil, nil, awsapi.ValidationError("Endpoint %s of account %s not found.", *in.EndpointName, scope.Account)
	}
	if err != nil {
		return nil, nil, err
	}
	if in.TargetVariant != nil {
		v := e.Current.variant(*in.TargetVariant)
		if v == nil {
			return nil, nil, awsapi.ValidationError("Variant %s of endpoint %s not found.", *in.TargetVariant, *in.EndpointName)
		}
		return e, v, nil
	}
	total := float32(0)
	for _, v := range e.Current.Variants {
		total += v.Weight
	}
	at := float32(float64(s.World.Uint64()>>11) / (1 << 53) * float64(total))
	for i := range e.Current.Variants {
		v := &e.Current.Variants[i]
		if at -= v.Weight; at < 0 || i == len(e.Current.Variants)-1 {
			return e, v, nil
		}
	}
	return nil, nil, fmt.Errorf("endpoint %s has no variants", e.Name)
}

// errNoHost is given while a variant's host is being replaced.
var errNoHost = errors.New("the variant has no host at the moment")

// died says whether an error is that of a host that is gone. What was sent to it may be sent again: a prediction changes nothing.
func died(err error) bool {
	return errors.Is(err, errNoHost) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (s *Service) ask(ctx context.Context, e *endpoint, v *variant, in *awsapi.InvokeEndpointInput) (*awsapi.InvokeEndpointOutput, error) {
	h := s.host(v.ID)
	if h == nil {
		return nil, errNoHost
	}
	h.inFlight.Add(1)
	defer h.inFlight.Add(-1)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://host/invocations", bytes.NewReader(in.Body))
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]*string{"Content-Type": in.ContentType, "Accept": in.Accept, "X-Amzn-SageMaker-Custom-Attributes": in.CustomAttributes,
		"X-Amzn-SageMaker-Target-Model": in.TargetModel, "X-Amzn-SageMaker-Inference-Id": in.InferenceId} {
		if value != nil {
			req.Header.Set(name, *value)
		}
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, modelError(e, v, 500, fmt.Sprintf("the answer is larger than %d bytes", maxAnswer))
	}
	if resp.StatusCode/100 != 2 {
		return nil, modelError(e, v, resp.StatusCode, strings.ToValidUTF8(string(body[:min(len(body), 4096)]), "�"))
	}
	return &awsapi.InvokeEndpointOutput{Body: body, ContentType: awsapi.Optional(resp.Header.Get("Content-Type")), InvokedProductionVariant: &v.Name,
		CustomAttributes: awsapi.Optional(resp.Header.Get("X-Amzn-SageMaker-Custom-Attributes"))}, nil
}

// explain turns an error on the way to a host into one of the API's.
func (s *Service) explain(e *endpoint, v *variant, err error) error {
	var known *awsapi.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return modelError(e, v, 0, fmt.Sprintf("Your invocation timed out while waiting for a response from container %s.", v.Name))
	case errors.Is(err, context.Canceled):
		return err
	}
	return modelError(e, v, 500, "the container gave no answer: "+err.Error())
}

// modelError is what a caller is told of a host that answered with an error.
func modelError(e *endpoint, v *variant, status int, message string) error {
	return &awsapi.Error{Code: "ModelError", Status: http.StatusFailedDependency,
		Message: fmt.Sprintf("Received server error (%d) from %s with message \"%s\".", status, v.Name, message),
		Members: map[string]any{"OriginalStatusCode": status, "OriginalMessage": message,
			"LogStreamArn": "arn:aws:logs:" + e.Scope.Region + ":" + e.Scope.Account + ":log-group:/aws/sagemaker/Endpoints/" + e.Name}}
}
