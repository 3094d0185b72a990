package lineage_test

import (
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
)

func TestAnActionIsMadeChangedListedAndDeleted(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	for _, x := range [][2]string{{"b", "Approval"}, {"a", "Approval"}, {"c", "Other"}} {
		in := &awsapi.CreateActionRequest{ActionName: &x[0], ActionType: &x[1], Source: &awsapi.ActionSource{SourceUri: new(csv)}, Properties: map[string]string{"k": "v"}}
		if _, err := s.CreateAction(env.Ctx, in); err != nil {
			t.Fatal(err)
		}
		if _, err := s.CreateAction(env.Ctx, in); err == nil {
			t.Errorf("action %s was made twice", x[0])
		}
	}
	in := &awsapi.ListActionsRequest{ActionType: new("Approval"), SortBy: new(awsapi.SortActionsByName), SortOrder: new(awsapi.SortOrderAscending), MaxResults: new(int32(1))}
	names := ""
	for {
		out, err := s.ListActions(env.Ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range out.ActionSummaries {
			names += *a.ActionName
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if names != "ab" {
		t.Errorf("actions of the type by name: %q, want ab", names)
	}
	if _, err := s.UpdateAction(env.Ctx, &awsapi.UpdateActionRequest{ActionName: new("a"), Status: new(awsapi.ActionStatusCompleted),
		Properties: map[string]string{"n": "1"}, PropertiesToRemove: []string{"k"}}); err != nil {
		t.Fatal(err)
	}
	d, err := s.DescribeAction(env.Ctx, &awsapi.DescribeActionRequest{ActionName: new(arn("action/a"))})
	if err != nil || *d.Status != awsapi.ActionStatusCompleted || len(d.Properties) != 1 || d.Properties["n"] != "1" {
		t.Errorf("after the update: %+v, %v", d, err)
	}
	if _, err := s.AddAssociation(env.Ctx, &awsapi.AddAssociationRequest{SourceArn: new(arn("action/a")), DestinationArn: new(arn("action/b"))}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeleteAction(env.Ctx, &awsapi.DeleteActionRequest{ActionName: new("b")}); err == nil {
		t.Error("an action that an association names was deleted")
	}
	if _, err := s.DeleteAction(env.Ctx, &awsapi.DeleteActionRequest{ActionName: new("c")}); err != nil {
		t.Error(err)
	}
	if _, err := s.DescribeAction(env.Ctx, &awsapi.DescribeActionRequest{ActionName: new("c")}); !awsapi.IsNotFound(err) {
		t.Errorf("after the deletion: %v, want ResourceNotFound", err)
	}
}
