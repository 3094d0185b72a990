package endpoints_test

import (
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/runner"
)

func TestEndpointPolicies(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := newRoom(t, e, runner.Auto)
	defer end(t, e, s)
	define(t, e, s, "one", []byte("x"))
	name, policy := new("one"), `{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}`
	get := func() (*awsapi.GetEndpointPolicyResponse, error) {
		return s.GetEndpointPolicy(e.Ctx, &awsapi.GetEndpointPolicyRequest{EndpointName: name})
	}
	remove := func() error {
		_, err := s.DeleteEndpointPolicy(e.Ctx, &awsapi.DeleteEndpointPolicyRequest{EndpointName: name})
		return err
	}
	put := func(document string) error {
		_, err := s.PutEndpointPolicy(e.Ctx, &awsapi.PutEndpointPolicyRequest{EndpointName: name, ResourcePolicy: &document})
		return err
	}
	if err := put(policy); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("an endpoint that is not there: %v", err)
	}
	create(t, e, s, *name, *name)
	if _, err := get(); !awsapi.IsNotFound(err) {
		t.Errorf("no policy yet: %v", err)
	}
	if err := put(`{"Version":"2012-10-17"}`); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("a policy without statements: %v", err)
	}
	if err := put(policy); err != nil {
		t.Fatal(err)
	}
	if got, err := get(); err != nil || *got.ResourcePolicy != policy || *got.EndpointName != *name {
		t.Errorf("%+v, %v", got, err)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if err := remove(); !awsapi.IsNotFound(err) {
		t.Errorf("removed again: %v", err)
	}
}
