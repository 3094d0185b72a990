package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/platform/registry"
)

const model = "s3://" + platformtest.Bucket + "/model.tar.gz"

// open gives a registry with the group g, and model data to register.
func open(t *testing.T) (*platformtest.Env, *registry.Service) {
	t.Helper()
	e := platformtest.New(t)
	s := registry.New(registry.Deps{DB: e.DB, Objects: e.Objects, World: e.World})
	if _, err := e.Objects.Put(e.Ctx, platformtest.Bucket, "model.tar.gz", strings.NewReader("model"), object.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateModelPackageGroup(e.Ctx, &awsapi.CreateModelPackageGroupInput{ModelPackageGroupName: new("G")}); err != nil {
		t.Fatal(err)
	}
	return e, s
}

func request(change func(*awsapi.CreateModelPackageInput)) *awsapi.CreateModelPackageInput {
	in := &awsapi.CreateModelPackageInput{ModelPackageGroupName: new("G"), InferenceSpecification: &awsapi.InferenceSpecification{
		Containers: []awsapi.ModelPackageContainerDefinition{{Image: new("image"), ModelDataUrl: new(model)}}}}
	if change != nil {
		change(in)
	}
	return in
}

func register(t *testing.T, e *platformtest.Env, s *registry.Service, change func(*awsapi.CreateModelPackageInput)) string {
	t.Helper()
	out, err := s.CreateModelPackage(e.Ctx, request(change))
	if err != nil {
		t.Fatal(err)
	}
	return *out.ModelPackageArn
}

func TestPackagesThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	e, s := open(t)
	for want, change := range map[string]func(*awsapi.CreateModelPackageInput){
		"and not both":        func(in *awsapi.CreateModelPackageInput) { in.ModelPackageName = new("p") },
		"must be given":       func(in *awsapi.CreateModelPackageInput) { in.InferenceSpecification = nil },
		"group/none does not": func(in *awsapi.CreateModelPackageInput) { in.ModelPackageGroupName = new("none") },
		"Could not access": func(in *awsapi.CreateModelPackageInput) {
			in.InferenceSpecification.Containers[0].ModelDataUrl = new(model + "x")
		},
		"'/data' at 'inferenc": func(in *awsapi.CreateModelPackageInput) {
			in.InferenceSpecification.Containers[0].ModelDataUrl = new("/data")
		},
	} {
		if _, err := s.CreateModelPackage(e.Ctx, request(change)); !awsapi.IsCode(err, "ValidationException") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if arn := register(t, e, s, nil); !strings.HasSuffix(arn, ":model-package/g/1") {
		t.Errorf("the first version is %s: a refused one took a number", arn)
	}
	if _, err := s.CreateModelPackageGroup(e.Ctx, &awsapi.CreateModelPackageGroupInput{ModelPackageGroupName: new("G")}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("the same group again: %v", err)
	}
}

func TestVersionsAreNeverGivenTwice(t *testing.T) {
	t.Parallel()
	e, s := open(t)
	first := register(t, e, s, func(in *awsapi.CreateModelPackageInput) { in.ClientToken = new("token") })
	if again := register(t, e, s, func(in *awsapi.CreateModelPackageInput) { in.ClientToken = new("token") }); again != first {
		t.Errorf("the same token: %s and %s", first, again)
	}
	second := register(t, e, s, nil)
	if err := s.DeleteModelPackageGroup(e.Ctx, &awsapi.DeleteModelPackageGroupInput{ModelPackageGroupName: new("G")}); !awsapi.IsCode(err, "ConflictException") {
		t.Errorf("a group with packages was deleted: %v", err)
	}
	if err := s.DeleteModelPackage(e.Ctx, &awsapi.DeleteModelPackageInput{ModelPackageName: &second}); err != nil {
		t.Fatal(err)
	}
	if third := register(t, e, s, nil); !strings.HasSuffix(third, "/3") {
		t.Errorf("after the deletion of version 2 comes %s", third)
	}
}

func TestListsOfPackages(t *testing.T) {
	t.Parallel()
	e, s := open(t)
	for i := range 5 {
		arn := register(t, e, s, nil)
		if i%2 == 0 {
			if _, err := s.UpdateModelPackage(e.Ctx, &awsapi.UpdateModelPackageInput{ModelPackageArn: &arn, ModelApprovalStatus: new("Approved")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	register(t, e, s, func(in *awsapi.CreateModelPackageInput) {
		in.ModelPackageGroupName, in.ModelPackageName = nil, new("alone")
	})
	for _, c := range []struct {
		in   awsapi.ListModelPackagesInput
		want string
	}{
		{awsapi.ListModelPackagesInput{ModelPackageGroupName: new("G")}, "1 2 3 4 5"},
		{awsapi.ListModelPackagesInput{ModelPackageGroupName: new("G"), ModelApprovalStatus: new("Approved")}, "1 3 5"},
		{awsapi.ListModelPackagesInput{}, "alone"},
		{awsapi.ListModelPackagesInput{ModelPackageType: new(awsapi.ModelPackageTypeVersioned)}, "1 2 3 4 5"},
		{awsapi.ListModelPackagesInput{ModelPackageType: new(awsapi.ModelPackageTypeBoth), NameContains: new("ALO")}, "alone"},
	} {
		c.in.SortOrder, c.in.MaxResults = new("Ascending"), new(int32(2))
		var all []string
		for {
			out, err := s.ListModelPackages(e.Ctx, &c.in)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range out.ModelPackageSummaryList {
				if p.ModelPackageVersion == nil {
					all = append(all, *p.ModelPackageName)
				} else {
					all = append(all, fmt.Sprint(*p.ModelPackageVersion))
				}
			}
			if c.in.NextToken = out.NextToken; c.in.NextToken == nil {
				break
			}
		}
		if got := strings.Join(all, " "); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestAPackageIsChanged(t *testing.T) {
	t.Parallel()
	e, s := open(t)
	arn := register(t, e, s, func(in *awsapi.CreateModelPackageInput) {
		in.CustomerMetadataProperties = map[string]string{"a": "1", "b": "2"}
	})
	in := &awsapi.UpdateModelPackageInput{ModelPackageArn: &arn, ModelApprovalStatus: new("Rejected"), ApprovalDescription: new("too big"), ClientToken: new("t"),
		CustomerMetadataProperties: map[string]string{"a": "3"}, CustomerMetadataPropertiesToRemove: []string{"b"},
		AdditionalInferenceSpecificationsToAdd: []awsapi.AdditionalInferenceSpecificationDefinition{{Name: new("gpu")}}}
	for range 2 { // the second is the same request again
		if _, err := s.UpdateModelPackage(e.Ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	missing := arn + "9"
	out, err := s.BatchDescribeModelPackage(e.Ctx, &awsapi.BatchDescribeModelPackageInput{ModelPackageArnList: []string{arn, missing}})
	if err != nil || *out.ModelPackageSummaries[arn].ModelApprovalStatus != "Rejected" || *out.BatchDescribeModelPackageErrorMap[missing].ErrorCode != "ValidationException" {
		t.Errorf("batch: %+v, %v", out, err)
	}
	d, err := s.DescribeModelPackage(e.Ctx, &awsapi.DescribeModelPackageInput{ModelPackageName: &arn})
	if err != nil || len(d.CustomerMetadataProperties) != 1 || d.CustomerMetadataProperties["a"] != "3" || len(d.AdditionalInferenceSpecifications) != 1 {
		t.Errorf("package: %+v, %v", d, err)
	}
}

func TestPoliciesOfGroups(t *testing.T) {
	t.Parallel()
	e, s := open(t)
	get := func() (*awsapi.GetModelPackageGroupPolicyOutput, error) {
		return s.GetModelPackageGroupPolicy(e.Ctx, &awsapi.GetModelPackageGroupPolicyInput{ModelPackageGroupName: new("G")})
	}
	if _, err := get(); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("before there is one: %v", err)
	}
	for _, bad := range []string{"text", "[]", `{"Version":"2012-10-17"}`} {
		if _, err := s.PutModelPackageGroupPolicy(e.Ctx, &awsapi.PutModelPackageGroupPolicyInput{ModelPackageGroupName: new("G"), ResourcePolicy: &bad}); !awsapi.IsCode(err, "ValidationException") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	policy := `{"Version":"2012-10-17","Statement":[]}`
	if _, err := s.PutModelPackageGroupPolicy(e.Ctx, &awsapi.PutModelPackageGroupPolicyInput{ModelPackageGroupName: new("G"), ResourcePolicy: &policy}); err != nil {
		t.Fatal(err)
	}
	if out, err := get(); err != nil || *out.ResourcePolicy != policy {
		t.Errorf("policy %+v, %v", out, err)
	}
	remove := &awsapi.DeleteModelPackageGroupPolicyInput{ModelPackageGroupName: new("G")}
	if err := s.DeleteModelPackageGroupPolicy(e.Ctx, remove); err != nil {
		t.Error(err)
	}
	if err := s.DeleteModelPackageGroupPolicy(e.Ctx, remove); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("deleted twice: %v", err)
	}
}
