package wiretest_test

import (
	"context"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/wire/wiretest"
)

type room struct{}

func (room) DeleteFeatureGroup(context.Context, *awsapi.DeleteFeatureGroupRequest) error { return nil }
func (room) DescribeTrial(context.Context, *awsapi.DescribeTrialRequest) error           { return nil }
func (room) Start(context.Context) error                                                 { return nil }

type recorder struct {
	testing.TB
	failures int
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failures++ }

func TestCheckMethodsFindsTheOneThatDoesNotFit(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	if wiretest.CheckMethods(r, []any{room{}}); r.failures != 1 {
		t.Errorf("%d failures, want 1", r.failures)
	}
	if wiretest.CheckMethods(r, []any{room{}}, "DescribeTrial"); r.failures != 1 {
		t.Error("an exception was not kept")
	}
}
