package search_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/platform/search"
	"github.com/mobula-ml/mobula/internal/store"
)

// rows are records as a room would hold them.
var rows = store.NewCollection("record", func(*awsapi.SearchRecord) store.Index { return store.Index{} })

func list(tx *store.Tx, scope store.Scope, _ map[string]string, q store.Query) (store.Page[awsapi.SearchRecord], error) {
	return rows.List(tx, scope, q)
}

// open gives a service over trial components named by their keys, each with a tag of its first letter.
func open(t testing.TB, env *platformtest.Env, components map[string]*awsapi.TrialComponent) *search.Service {
	t.Helper()
	scope := env.Caller.Scope()
	err := env.DB.Update(env.Ctx, func(tx *store.Tx) error {
		for name, c := range components {
			c.TrialComponentName, c.TrialComponentArn = &name, new(scope.ARN("experiment-trial-component/"+name))
			if err := rows.Insert(tx, scope, name, *c.TrialComponentArn, &awsapi.SearchRecord{TrialComponent: c}); err != nil {
				return err
			}
			if err := tx.SetTags(*c.TrialComponentArn, []awsapi.Tag{{Key: new("team.name"), Value: new(name[:1])}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return search.New(search.Deps{DB: env.DB, Listers: map[string]search.Lister{awsapi.ResourceTypeExperimentTrialComponent: list}})
}

func at(day int) *awsapi.Time {
	return awsapi.Stamp(time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC))
}

func three() map[string]*awsapi.TrialComponent {
	return map[string]*awsapi.TrialComponent{
		"alpha": {DisplayName: new("The first"), CreationTime: at(1), LastModifiedTime: at(9),
			Parents:    []awsapi.Parent{{TrialName: new("t1"), ExperimentName: new("e1")}, {TrialName: new("t2"), ExperimentName: new("e2")}},
			Parameters: map[string]awsapi.TrialComponentParameterValue{"depth": {NumberValue: new(5.0)}, "SageMaker.InstanceType": {StringValue: new("ml.m5.large")}},
			Metrics:    []awsapi.TrialComponentMetricSummary{{MetricName: new("validation:rmse"), Last: new(3.0), Min: new(2.0), Count: new(int32(9))}}},
		"beta": {CreationTime: at(2), LastModifiedTime: at(2), Parents: []awsapi.Parent{{TrialName: new("t2"), ExperimentName: new("e1")}},
			Source:     &awsapi.TrialComponentSource{SourceArn: new("arn:aws:sagemaker:us-east-1:1:training-job/j")},
			Parameters: map[string]awsapi.TrialComponentParameterValue{"depth": {NumberValue: new(10.0)}},
			Metrics:    []awsapi.TrialComponentMetricSummary{{MetricName: new("validation:rmse"), Last: new(1.0), Min: new(1.0)}}},
		"gamma": {CreationTime: at(3), LastModifiedTime: at(3), Status: &awsapi.TrialComponentStatus{PrimaryStatus: new("Completed")},
			InputArtifacts: map[string]awsapi.TrialComponentArtifact{"data": {Value: new("s3://bucket/x.csv")}}},
	}
}

// filter reads "Name Operator Value".
func filter(s string) awsapi.Filter {
	parts := strings.SplitN(s, " ", 3)
	f := awsapi.Filter{Name: &parts[0]}
	if len(parts) > 1 {
		f.Operator = &parts[1]
	}
	if len(parts) > 2 {
		f.Value = &parts[2]
	}
	return f
}

func request(filters ...string) *awsapi.SearchRequest {
	in := &awsapi.SearchRequest{Resource: new(awsapi.ResourceTypeExperimentTrialComponent), SearchExpression: &awsapi.SearchExpression{}}
	for _, f := range filters {
		in.SearchExpression.Filters = append(in.SearchExpression.Filters, filter(f))
	}
	return in
}

func names(out *awsapi.SearchResponse) string {
	var all []string
	for _, r := range out.Results {
		all = append(all, *r.TrialComponent.TrialComponentName)
	}
	return strings.Join(all, " ")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env, three())
	for _, c := range []struct{ want, filters string }{
		{"alpha gamma beta", ""},
		{"beta", "TrialComponentName Equals beta"},
		{"alpha gamma", "TrialComponentName NotEquals beta"},
		{"alpha", "DisplayName Contains first"},
		{"alpha beta", "TrialComponentName In alpha, beta,delta"},
		{"gamma beta", "DisplayName NotExists"},
		{"alpha", "DisplayName Exists"},
		{"alpha beta", "Parents.TrialName Equals t2"},
		{"alpha beta", "Parents.ExperimentName Equals e1"},
		{"gamma beta", "Parents.TrialName NotEquals t1"},
		{"gamma", "Parents NotExists"},
		{"beta", "Parameters.depth GreaterThan 9"},
		{"alpha", "Parameters.depth Equals 5.0"},
		{"alpha", "Parameters.depth.NumberValue LessThanOrEqualTo 5"},
		{"alpha", "Parameters.SageMaker.InstanceType Equals ml.m5.large"},
		{"beta", "Metrics.validation:rmse LessThan 2"},
		{"alpha", "Metrics.validation:rmse.Min GreaterThanOrEqualTo 2"},
		{"alpha", "Metrics.validation:rmse.Count Equals 9"},
		{"beta", "Source.SourceArn Equals arn:aws:sagemaker:us-east-1:1:training-job/j"},
		{"gamma", "Status.PrimaryStatus Equals Completed"},
		{"gamma", "InputArtifacts.data.Value Contains x.csv"},
		{"gamma", "InputArtifacts Contains x.csv"},
		{"gamma beta", "CreationTime GreaterThan 2026-01-01T12:00:00"},
		{"alpha gamma beta", "CreationTime GreaterThanOrEqualTo 2026-01-01T12:00:00Z"},
		{"beta", "CreationTime Equals 2026-01-02T13:00:00+01:00"},
		{"gamma", "Tags.team.name Equals g"},
		{"gamma", "tags.team.name"},
		{"beta", "Parameters.depth GreaterThan 1;Metrics.validation:rmse LessThan 2"},
		{"", "TrialComponentName Equals nobody"},
	} {
		in := request()
		if c.filters != "" {
			in = request(strings.Split(c.filters, ";")...)
		}
		if c.filters == "tags.team.name" {
			in.SearchExpression.Filters[0] = awsapi.Filter{Name: new("tags.team.name"), Value: new("g")} // Equals is what is meant
		}
		out, err := s.Search(env.Ctx, in)
		if err != nil {
			t.Errorf("%s: %v", c.filters, err)
			continue
		}
		if got := names(out); got != c.want || *out.TotalHits.Value != int64(len(out.Results)) {
			t.Errorf("%s: got %q of %d, want %q", c.filters, got, *out.TotalHits.Value, c.want)
		}
	}
}

func TestExpressionsNest(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env, three())
	in := request()
	in.SearchExpression = &awsapi.SearchExpression{Operator: new(awsapi.BooleanOperatorOr), Filters: []awsapi.Filter{filter("TrialComponentName Equals gamma")},
		SubExpressions: []awsapi.SearchExpression{{Filters: []awsapi.Filter{filter("Parents.TrialName Equals t2"), filter("Parameters.depth Equals 5")}}}}
	if out, err := s.Search(env.Ctx, in); err != nil || names(out) != "alpha gamma" {
		t.Errorf("Or of a filter and an And: %v, %v", out, err)
	}
	// alpha has t1 and e2, but in different parents.
	in.SearchExpression = &awsapi.SearchExpression{NestedFilters: []awsapi.NestedFilters{{NestedPropertyName: new("Parents"),
		Filters: []awsapi.Filter{filter("Parents.TrialName Equals t2"), filter("ExperimentName Equals e1")}}}}
	if out, err := s.Search(env.Ctx, in); err != nil || names(out) != "beta" {
		t.Errorf("nested filters: %v, %v", out, err)
	}
	in = request("Parents.TrialName Equals t2")
	in.VisibilityConditions = []awsapi.VisibilityConditions{{Key: new("Tags.team.name"), Value: new("a")}}
	if out, err := s.Search(env.Ctx, in); err != nil || names(out) != "alpha" {
		t.Errorf("visibility conditions: %v, %v", out, err)
	}
	in = request()
	in.CrossAccountFilterOption = new(awsapi.CrossAccountFilterOptionCrossAccount)
	if out, err := s.Search(env.Ctx, in); err != nil || len(out.Results) > 0 {
		t.Errorf("other accounts: %v, %v", out, err)
	}
}

func TestWrongRequestsAreRefused(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env, three())
	for f, want := range map[string]string{
		"Colour Equals red":                  "Unknown property name: 'Colour'",
		"Status.Colour Equals red":           "'Status.Colour'",
		"DisplayName GreaterThan a":          "GreaterThan is not supported for 'DisplayName'",
		"CreationTime Contains 2026":         "Contains is not supported for 'CreationTime'",
		"CreationTime GreaterThan yesterday": "'yesterday' of the filter on 'CreationTime' is not a timestamp",
		"DisplayName Equals":                 "'DisplayName' has no Value",
		"DisplayName Exists yes":             "Exists and a Value",
	} {
		_, err := s.Search(env.Ctx, request(f))
		var e *awsapi.Error
		if !errors.As(err, &e) || e.Code != "ValidationException" || !strings.Contains(e.Message, want) {
			t.Errorf("%s: %v, want %s", f, err, want)
		}
	}
	in := request()
	in.SortBy = new("Colour")
	if _, err := s.Search(env.Ctx, in); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("unknown SortBy: %v", err)
	}
	in = request()
	in.NextToken = new("bm9wZQ")
	if _, err := s.Search(env.Ctx, in); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("foreign token: %v", err)
	}
	in = request()
	for range 51 {
		in.SearchExpression.Filters = append(in.SearchExpression.Filters, filter("DisplayName Exists"))
	}
	if _, err := s.Search(env.Ctx, in); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("51 conditions: %v", err)
	}
}

func TestPagesHaveEveryRecordOnceInEveryOrder(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	all := map[string]*awsapi.TrialComponent{}
	for i := range 230 { // more than are read at a time
		c := &awsapi.TrialComponent{CreationTime: at(1 + i%7)}
		if i%10 != 0 {
			c.Metrics = []awsapi.TrialComponentMetricSummary{{MetricName: new("loss"), Max: new(float64(i % 23))}}
		}
		all[fmt.Sprintf("c%03d", i)] = c
	}
	s := open(t, env, all)
	for _, sortBy := range []string{"", "TrialComponentName", "CreationTime", "metrics.loss.max"} {
		for _, order := range []string{awsapi.SearchSortOrderAscending, awsapi.SearchSortOrderDescending} {
			in := request("TrialComponentName NotEquals c007")
			in.SortBy, in.SortOrder, in.MaxResults = awsapi.Optional(sortBy), &order, new(int32(37))
			seen := map[string]bool{}
			var last *float64
			for {
				out, err := s.Search(env.Ctx, in)
				if err != nil {
					t.Fatal(err)
				}
				if *out.TotalHits.Value != 229 {
					t.Fatalf("%d hits, want 229", *out.TotalHits.Value)
				}
				for _, r := range out.Results {
					if name := *r.TrialComponent.TrialComponentName; seen[name] {
						t.Errorf("%s %s: %s comes twice", sortBy, order, name)
					} else {
						seen[name] = true
					}
					if m := r.TrialComponent.Metrics; sortBy == "metrics.loss.max" && len(m) > 0 {
						if last != nil && (order == "Ascending" && *m[0].Max < *last || order == "Descending" && *m[0].Max > *last) {
							t.Errorf("%s: %v after %v", order, *m[0].Max, *last)
						}
						last = m[0].Max
					}
					if len(r.TrialComponent.Tags) != 1 {
						t.Errorf("tags %v", r.TrialComponent.Tags)
					}
				}
				if in.NextToken = out.NextToken; in.NextToken == nil {
					break
				}
			}
			if len(seen) != 229 {
				t.Errorf("%s %s: %d records", sortBy, order, len(seen))
			}
		}
	}
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	s := search.New(search.Deps{})
	for resource, want := range map[string][]string{
		awsapi.ResourceTypeExperimentTrialComponent: {"Parameters.", "Parents.ExperimentName", "Parents.TrialName"},
		awsapi.ResourceTypeModelPackageGroup:        nil,
		awsapi.ResourceTypeImage:                    nil,
	} {
		out, err := s.GetSearchSuggestions(t.Context(), &awsapi.GetSearchSuggestionsRequest{Resource: &resource,
			SuggestionQuery: &awsapi.SuggestionQuery{PropertyNameQuery: &awsapi.PropertyNameQuery{PropertyNameHint: new("par")}}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range out.PropertyNameSuggestions {
			got = append(got, *p.PropertyName)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", resource, got, want)
		}
	}
}

// FuzzSearch: no property name and no value may do more than be refused.
func FuzzSearch(f *testing.F) {
	env := platformtest.New(f)
	s := open(f, env, three())
	for _, seed := range []string{"Tags.team.name Equals g", "Parents.TrialName In a,b", "Metrics.validation:rmse.Min GreaterThan 1", "CreationTime LessThan 2026-01-01"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := s.Search(identity.With(t.Context(), env.Caller), request(text)); err != nil && !awsapi.IsCode(err, "ValidationException") {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func BenchmarkSearch(b *testing.B) {
	env := platformtest.New(b)
	all := map[string]*awsapi.TrialComponent{}
	for i := range 10000 {
		all[fmt.Sprintf("c%05d", i)] = three()["alpha"]
	}
	s := open(b, env, all)
	for b.Loop() {
		if _, err := s.Search(env.Ctx, request("Metrics.validation:rmse.Min LessThan 1")); err != nil {
			b.Fatal(err)
		}
	}
}
