package endpoints

import (
	"context"
	"encoding/json"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// PutEndpointPolicy keeps the resource policy of an endpoint. There is one account, so it gives nobody more than they have.
func (s *Service) PutEndpointPolicy(ctx context.Context, in *awsapi.PutEndpointPolicyRequest) (*awsapi.PutEndpointPolicyResponse, error) {
	var policy struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(*in.ResourcePolicy), &policy); err != nil || len(policy.Statement) == 0 {
		return nil, awsapi.Validation("Invalid resource policy: it must be a JSON object with a Statement.")
	}
	out := &awsapi.PutEndpointPolicyResponse{}
	return out, s.changePolicy(ctx, in.EndpointName, func(e *endpoint) error {
		e.Policy, out.EndpointArn = *in.ResourcePolicy, &e.ARN
		return nil
	})
}

// GetEndpointPolicy shows the resource policy of an endpoint.
func (s *Service) GetEndpointPolicy(ctx context.Context, in *awsapi.GetEndpointPolicyRequest) (*awsapi.GetEndpointPolicyResponse, error) {
	out := &awsapi.GetEndpointPolicyResponse{}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		e, err := getEndpoint(tx, identity.From(ctx).Scope(), in.EndpointName)
		if err != nil {
			return err
		}
		out.EndpointName, out.EndpointArn, out.ResourcePolicy = &e.Name, &e.ARN, &e.Policy
		return e.hasPolicy()
	})
}

// DeleteEndpointPolicy removes the resource policy of an endpoint.
func (s *Service) DeleteEndpointPolicy(ctx context.Context, in *awsapi.DeleteEndpointPolicyRequest) (*awsapi.DeleteEndpointPolicyResponse, error) {
	return &awsapi.DeleteEndpointPolicyResponse{}, s.changePolicy(ctx, in.EndpointName, func(e *endpoint) error {
		err := e.hasPolicy()
		e.Policy = ""
		return err
	})
}

func (e *endpoint) hasPolicy() error {
	if e.Policy == "" {
		return awsapi.NotFound("Cannot find resource policy for: %s", e.ARN)
	}
	return nil
}

func (s *Service) changePolicy(ctx context.Context, name *string, change func(*endpoint) error) error {
	scope := identity.From(ctx).Scope()
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		e, err := getEndpoint(tx, scope, name)
		if err != nil {
			return err
		}
		if err := change(e); err != nil {
			return err
		}
		return endpointRows.Put(tx, scope, e.Name, e)
	})
}
