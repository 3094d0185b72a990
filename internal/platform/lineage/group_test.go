package lineage_test

import (
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/lineage"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
)

func TestTheAccountsLineageGroup(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	s := lineage.New(lineage.Deps{DB: e.DB, Objects: e.Objects, World: e.World, Log: e.Log})
	name := new("sagemaker-default-lineage-group")
	list := func(in awsapi.ListLineageGroupsRequest) int {
		t.Helper()
		out, err := s.ListLineageGroups(e.Ctx, &in)
		if err != nil {
			t.Fatal(err)
		}
		return len(out.LineageGroupSummaries)
	}
	if _, err := s.DescribeLineageGroup(e.Ctx, &awsapi.DescribeLineageGroupRequest{LineageGroupName: name}); !awsapi.IsNotFound(err) || list(awsapi.ListLineageGroupsRequest{}) != 0 {
		t.Fatalf("a group without entities: %v", err)
	}
	made, err := s.CreateContext(e.Ctx, &awsapi.CreateContextRequest{ContextName: new("c"), ContextType: new("Endpoint"), Source: &awsapi.ContextSource{SourceUri: new("u")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateContext(e.Ctx, &awsapi.UpdateContextRequest{ContextName: new("c"), Description: new("changed")}); err != nil {
		t.Fatal(err)
	}
	of, err := s.DescribeContext(e.Ctx, &awsapi.DescribeContextRequest{ContextName: made.ContextArn})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.DescribeLineageGroup(e.Ctx, &awsapi.DescribeLineageGroupRequest{LineageGroupName: name})
	if err != nil || *got.LineageGroupArn != arn("lineage-group/"+*name) || *of.LineageGroupArn != *got.LineageGroupArn ||
		!got.CreationTime.Equal(of.CreationTime.Time) || !got.LastModifiedTime.Equal(of.LastModifiedTime.Time) {
		t.Errorf("%+v, %v; its context %+v", got, err, of)
	}
	hour := awsapi.Stamp(time.Now().Add(time.Hour))
	if list(awsapi.ListLineageGroupsRequest{CreatedBefore: hour}) != 1 || list(awsapi.ListLineageGroupsRequest{CreatedAfter: hour}) != 0 {
		t.Error("the list does not go by the time")
	}
	if out, err := s.GetLineageGroupPolicy(e.Ctx, &awsapi.GetLineageGroupPolicyRequest{LineageGroupName: got.LineageGroupArn}); err != nil || out.ResourcePolicy != nil {
		t.Errorf("policy %+v, %v", out, err)
	}
	if _, err := s.GetLineageGroupPolicy(e.Ctx, &awsapi.GetLineageGroupPolicyRequest{LineageGroupName: new("another")}); !awsapi.IsNotFound(err) {
		t.Errorf("another group: %v", err)
	}
}
