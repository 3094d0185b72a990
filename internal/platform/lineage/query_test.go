package lineage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/lineage"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/store"
)

// chain makes artifacts a0 → a1 → … and from a1 also b → c, and returns the ARNs by name.
func chain(t *testing.T, env *platformtest.Env, s *lineage.Service) map[string]string {
	t.Helper()
	arns := map[string]string{}
	made := func(name, kind string) {
		out, err := s.CreateArtifact(env.Ctx, &awsapi.CreateArtifactRequest{ArtifactName: &name, ArtifactType: &kind,
			Source: &awsapi.ArtifactSource{SourceUri: new("s3://data/" + name)}, Properties: map[string]string{"name": name}})
		if err != nil {
			t.Fatal(err)
		}
		arns[name] = *out.ArtifactArn
	}
	for i := range 13 {
		made(fmt.Sprintf("a%d", i), "DataSet")
	}
	made("b", "Model")
	out, err := s.CreateAction(env.Ctx, &awsapi.CreateActionRequest{ActionName: new("c"), ActionType: new("Approval"), Source: &awsapi.ActionSource{SourceUri: new(csv)}})
	if err != nil {
		t.Fatal(err)
	}
	arns["c"] = *out.ActionArn
	joins := [][2]string{{"a1", "b"}, {"b", "c"}}
	for i := range 12 {
		joins = append(joins, [2]string{fmt.Sprintf("a%d", i), fmt.Sprintf("a%d", i+1)})
	}
	for _, j := range joins {
		in := &awsapi.AddAssociationRequest{SourceArn: new(arns[j[0]]), DestinationArn: new(arns[j[1]]), AssociationType: new(awsapi.AssociationEdgeTypeContributedTo)}
		if _, err := s.AddAssociation(env.Ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	return arns
}

// shown is the names of a query's vertices, sorted, and how many edges it has, over pages of 3.
func shown(t *testing.T, env *platformtest.Env, s *lineage.Service, arns map[string]string, in awsapi.QueryLineageRequest) (string, int) {
	t.Helper()
	names := map[string]string{}
	for name, arn := range arns {
		names[arn] = name
	}
	var all []string
	edges := 0
	in.MaxResults = new(int32(3))
	for {
		out, err := s.QueryLineage(env.Ctx, &in)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range out.Vertices {
			all = append(all, names[*v.Arn])
		}
		edges += len(out.Edges)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	slices.Sort(all)
	return strings.Join(all, " "), edges
}

func TestQueriesGoBothWays(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	arns := chain(t, env, s)
	up, down, both := new(awsapi.DirectionAscendants), new(awsapi.DirectionDescendants), new(awsapi.DirectionBoth)
	for name, c := range map[string]struct {
		in    awsapi.QueryLineageRequest
		want  string
		edges int
	}{
		"up":               {awsapi.QueryLineageRequest{Direction: up}, "a0 a1", 1},
		"up, no edges":     {awsapi.QueryLineageRequest{Direction: up, IncludeEdges: new(false)}, "a0", 0},
		"down two":         {awsapi.QueryLineageRequest{Direction: down, MaxDepth: new(int32(2))}, "a1 a2 a3 b c", 4},
		"both, one":        {awsapi.QueryLineageRequest{Direction: both, MaxDepth: new(int32(1))}, "a0 a1 a2 b", 3},
		"ten at most":      {awsapi.QueryLineageRequest{Direction: down, IncludeEdges: new(false)}, "a10 a11 a2 a3 a4 a5 a6 a7 a8 a9 b c", 0},
		"a type":           {awsapi.QueryLineageRequest{Direction: down, IncludeEdges: new(false), Filters: &awsapi.QueryFilters{Types: []string{"Model"}}}, "b", 0},
		"a lineage type":   {awsapi.QueryLineageRequest{Direction: down, IncludeEdges: new(false), Filters: &awsapi.QueryFilters{LineageTypes: []string{"Action"}}}, "c", 0},
		"with the way":     {awsapi.QueryLineageRequest{Direction: down, Filters: &awsapi.QueryFilters{LineageTypes: []string{"Action"}}}, "a1 b c", 2},
		"a property":       {awsapi.QueryLineageRequest{IncludeEdges: new(false), Filters: &awsapi.QueryFilters{Properties: map[string]string{"name": "a0", "other": "x"}}}, "a0", 0},
		"made before 1970": {awsapi.QueryLineageRequest{Filters: &awsapi.QueryFilters{CreatedBefore: awsapi.Stamp(time.Unix(0, 0))}}, "", 0},
		"changed lately":   {awsapi.QueryLineageRequest{Direction: up, IncludeEdges: new(false), Filters: &awsapi.QueryFilters{ModifiedAfter: awsapi.Stamp(time.Unix(1, 0))}}, "a0", 0},
	} {
		c.in.StartArns = []string{arns["a1"]}
		if got, edges := shown(t, env, s, arns, c.in); got != c.want || edges != c.edges {
			t.Errorf("%s: %q with %d edges, want %q with %d", name, got, edges, c.want, c.edges)
		}
	}
	if _, err := s.QueryLineage(env.Ctx, &awsapi.QueryLineageRequest{}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("no start: %v", err)
	}
	if _, err := s.QueryLineage(env.Ctx, &awsapi.QueryLineageRequest{StartArns: []string{arn("artifact/" + strings.Repeat("0", 32))}}); !awsapi.IsNotFound(err) {
		t.Errorf("unknown start: %v", err)
	}
}

func TestAQueryNamesJobsByWhatTheyAre(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	emit(t, env, flow()...)
	platformtest.Eventually(t, "the endpoint's context", hasContext(env, s, "Live-aws-endpoint"))
	out, err := s.QueryLineage(env.Ctx, &awsapi.QueryLineageRequest{StartArns: []string{arn("context/live-aws-endpoint")}, Direction: new(awsapi.DirectionAscendants),
		IncludeEdges: new(false), Filters: &awsapi.QueryFilters{LineageTypes: []string{"TrialComponent"}, Types: []string{"TrainingJob", "ProcessingJob"}}})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, v := range out.Vertices {
		kinds[*v.Type]++
	}
	if kinds["TrainingJob"] != 1 || kinds["ProcessingJob"] != 2 || len(kinds) != 2 {
		t.Errorf("jobs behind the endpoint: %v", kinds)
	}
}

// trained is a job that reads a file and writes another.
func trained(name, in, out string) store.Event {
	return store.Event{Type: "TrainingJob.Completed", Resource: arn("training-job/" + name), Data: awsapi.Encode(&awsapi.DescribeTrainingJobResponse{
		TrainingJobArn: new(arn("training-job/" + name)), TrainingJobName: &name, AlgorithmSpecification: &awsapi.AlgorithmSpecification{TrainingImage: new(image)},
		HyperParameters: map[string]string{"sagemaker_submit_directory": `"s3://data/code.tar.gz"`}, ModelArtifacts: &awsapi.ModelArtifacts{S3ModelArtifacts: &out},
		InputDataConfig: []awsapi.Channel{{ChannelName: new("train"), DataSource: &awsapi.DataSource{S3DataSource: &awsapi.S3DataSource{S3Uri: &in}}}}})}
}

// What lies at a URI another time is another artifact, and what has changed behind our back still leads back.
func TestArtifactsAreKnownByContent(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	base := "s3://" + platformtest.Bucket + "/"
	write := func(key, text string) {
		if _, err := env.Objects.Put(env.Ctx, platformtest.Bucket, key, strings.NewReader(text), object.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	component := func(job string) string { return arn("experiment-trial-component/" + job + "-aws-training-job") }
	run := func(job, in, out string) {
		emit(t, env, trained(job, in, out))
		platformtest.Eventually(t, job, func() bool {
			l, err := s.ListAssociations(env.Ctx, &awsapi.ListAssociationsRequest{SourceArn: new(component(job))})
			return err == nil && len(l.AssociationSummaries) > 0
		})
	}
	write("in/part-1", "one")
	write("model", "first")
	run("first", base+"in/", base+"model")
	run("reader", base+"model", base+"other")
	write("model", "second")
	run("second", base+"in", base+"model")
	list, err := s.ListArtifacts(env.Ctx, &awsapi.ListArtifactsRequest{SourceUri: new(base + "model")})
	if err != nil || len(list.ArtifactSummaries) != 2 {
		t.Fatalf("artifacts of a URI that was written twice: %+v, %v", list, err)
	}
	if id := list.ArtifactSummaries[0].Source.SourceTypes; len(id) != 1 || *id[0].SourceIdType != awsapi.ArtifactSourceIdTypeS3ETag {
		t.Errorf("the source of an object: %+v", id)
	}
	if n := artifactARN(t, env, s, base+"in"); n == "" {
		t.Error("the same prefix is two artifacts")
	}
	if met := back(t, env, s, component("reader"), map[string]bool{}); !met[component("first")] || met[component("second")] {
		t.Errorf("the reader of the first model leads back to %v", met)
	}
	write("model", "changed by hand")
	run("late", base+"model", base+"late")
	if met := back(t, env, s, component("late"), map[string]bool{}); !met[component("second")] {
		t.Errorf("the reader of a changed model leads back to %v", met)
	}
	if met := back(t, env, s, component("late"), map[string]bool{}); !met[artifactARN(t, env, s, "s3://data/code.tar.gz")] {
		t.Error("the code of a job is not on the way back")
	}
}
