package endpoints

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
	"github.com/mobula-ml/mobula/internal/store"
)

// Limits of an invocation, as the service has them.
const (
	maxAnswer     = 25 << 20
	invokeTimeout = 60 * time.Second
	// replacing is how long an invocation waits for a host that is being replaced.
	replacing = 10 * time.Second
	// mostLost is how many workers one request may cost beside the first: a request that kills workers is not sent on and on.
	mostLost = 2
)

// InvokeEndpoint passes a request to a host of the endpoint and its answer back.
func (s *Service) InvokeEndpoint(ctx context.Context, in *awsapi.InvokeEndpointInput) (*awsapi.InvokeEndpointOutput, error) {
	if err := unserved(map[string]bool{"targetContainerHostname": in.TargetContainerHostname != nil,
		"inferenceComponentName": in.InferenceComponentName != nil, "sessionId": in.SessionId != nil, "enableExplanations": in.EnableExplanations != nil}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, invokeTimeout)
	defer cancel()
	r := serving.Request{Body: in.Body, ContentType: awsapi.Val(in.ContentType), Accept: awsapi.Val(in.Accept), CustomAttributes: awsapi.Val(in.CustomAttributes),
		InferenceID: awsapi.Val(in.InferenceId), TargetModel: awsapi.Val(in.TargetModel)}
	e, v, a, err := s.answer(ctx, *in.EndpointName, in.TargetVariant, r.TargetModel, false, func(h *serving.Host) (*serving.Answer, error) { return h.Ask(ctx, r, maxAnswer) })
	if err != nil {
		return nil, err
	}
	s.capture(e, v, r, a)
	return &awsapi.InvokeEndpointOutput{Body: a.Body, ContentType: awsapi.Optional(a.ContentType), InvokedProductionVariant: &v.Name,
		CustomAttributes: awsapi.Optional(a.CustomAttributes)}, nil
}

// unserved names a member of a request that was given and cannot be heeded.
func unserved(given map[string]bool) error {
	for _, member := range slices.Sorted(maps.Keys(given)) {
		if given[member] {
			return awsapi.ValidationError("%s is not served; leave it out.", member)
		}
	}
	return nil
}

// answer has a host of a variant asked. Where the host or its worker dies meanwhile the request is sent again: a prediction changes nothing.
func (s *Service) answer(ctx context.Context, name string, variant *string, target string, async bool, ask func(*serving.Host) (*serving.Answer, error)) (*endpoint, *variant, *serving.Answer, error) {
	lost := 0
	var h *serving.Host
	for began := time.Now(); ; {
		e, v, err := s.choose(ctx, name, variant, async)
		if err == nil {
			err = checkTarget(e, v, target)
		}
		if err != nil {
			return nil, nil, nil, err
		}
		var a *serving.Answer
		if h, err = s.hostOf(ctx, e, v, target, h); err == nil {
			if a, err = ask(h); err != nil && serving.Died(err) && !errors.Is(err, serving.ErrNoHost) {
				lost++ // a worker took the request and died, and it may be the request that kills it
			}
		}
		if err == nil && a.Status/100 != 2 {
			err = modelError(e, v, a.Status, strings.ToValidUTF8(string(a.Body[:min(len(a.Body), 4096)]), "�"))
		}
		if err == nil || !serving.Died(err) || lost > mostLost || time.Since(began) > replacing {
			return e, v, a, s.explain(e, v, err)
		}
		select { // another takes its place, or the endpoint has changed
		case <-ctx.Done():
			return nil, nil, nil, s.explain(e, v, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// hostOf is the host to ask: of a variant, or of one of its several models.
func (s *Service) hostOf(ctx context.Context, e *endpoint, v *variant, model string, failed *serving.Host) (*serving.Host, error) {
	if v.Multi {
		return s.load(ctx, e, v, model)
	}
	h := s.pick(v, failed)
	if h == nil {
		return nil, serving.ErrNoHost
	}
	return h, nil
}

// choose picks the variant: the one asked for, else one by weight.
func (s *Service) choose(ctx context.Context, name string, target *string, async bool) (*endpoint, *variant, error) {
	scope := identity.From(ctx).Scope()
	var e *endpoint
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		e, err = endpointRows.Get(tx, scope, name)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && (e.Current == nil || e.Status == awsapi.EndpointStatusDeleting) {
		return nil, nil, awsapi.ValidationError("Endpoint %s of account %s not found.", name, scope.Account)
	}
	if err != nil {
		return nil, nil, err
	}
	if async != (e.Current.Async != nil) {
		return nil, nil, awsapi.ValidationError("Endpoint %s %s.", name, map[bool]string{
			true:  "has no asyncInferenceConfig; call InvokeEndpoint",
			false: "has an asyncInferenceConfig; call InvokeEndpointAsync"}[async])
	}
	if target != nil {
		v := e.Current.variant(*target)
		if v == nil {
			return nil, nil, awsapi.ValidationError("Variant %s of endpoint %s not found.", *target, name)
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

// explain turns an error on the way to a host into one of the API's.
func (s *Service) explain(e *endpoint, v *variant, err error) error {
	var known *awsapi.Error
	var failed *serving.Failure
	switch {
	case errors.As(err, &failed): // of one of several models, which is loaded as it is asked
		return modelError(e, v, 500, failed.Reason)
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return modelError(e, v, 0, fmt.Sprintf("Your invocation timed out while waiting for a response from container %s.", v.Name))
	case errors.Is(err, context.Canceled):
		return err
	case serving.Died(err):
		return modelError(e, v, 500, "the worker process died while it worked on the request")
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
