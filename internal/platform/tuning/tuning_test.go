package tuning_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/jobs"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/platform/tuning"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/xgboost"
)

func TestMain(m *testing.M) {
	if runner.Main(os.Args[1:]) || builtin.Main(os.Args) {
		return
	}
	if dir := os.Getenv("TUNING_TEST_SERVER"); dir != "" {
		newRoom(&testing.T{}, platformtest.Open(&testing.T{}, dir))
		select {}
	}
	os.Exit(m.Run())
}

// room is the room under test with the room that runs its trials.
type room struct {
	*tuning.Service
	e    *platformtest.Env
	jobs *jobs.Service
}

// newRoom starts the rooms; the trials are real ones, of the built-in trainer.
func newRoom(t testing.TB, e *platformtest.Env) *room {
	t.Helper()
	r := quietRoom(t, e)
	if err := r.jobs.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.Engine.Start(e.Ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

// quietRoom is one whose engine does not run.
func quietRoom(t testing.TB, e *platformtest.Env) *room {
	t.Helper()
	hosts, _, err := runner.Choose(e.Ctx, runner.Auto, runner.Options{PlatformAddr: "127.0.0.1:9", Hidden: []string{e.Dir}})
	if err != nil {
		t.Fatal(err)
	}
	library, err := xgboost.LibraryPath()
	if err != nil {
		t.Fatal(err)
	}
	j := jobs.New(jobs.Deps{DB: e.DB, Engine: e.Engine, Objects: e.Objects, Keys: e.Keys, Runner: hosts, World: e.World, Log: e.Log, Capacity: capacity.New(8, 0),
		Dir: filepath.Join(e.Dir, "jobs"), LogDir: filepath.Join(e.Dir, "logs"), Socket: filepath.Join(e.Dir, "mobula.sock"), Library: library})
	return &room{tuning.New(tuning.Deps{DB: e.DB, Engine: e.Engine, World: e.World, Log: e.Log, Jobs: j}), e, j}
}

// data puts a few rows to train on.
func data(t testing.TB, e *platformtest.Env) {
	t.Helper()
	var rows strings.Builder
	for i := range 60 {
		fmt.Fprintf(&rows, "%d,%d,%d\n", i*3, i, i%7)
	}
	for _, key := range []string{"train/0.csv", "validation/0.csv"} {
		if _, err := e.Objects.Put(e.Ctx, platformtest.Bucket, key, strings.NewReader(rows.String()), object.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

const metric = "validation:rmse"

// request is a job of quick trials: a learning rate and a depth are searched for.
func request(name, strategy string, trials, parallel int32) *awsapi.CreateHyperParameterTuningJobRequest {
	channel := func(name string) awsapi.Channel {
		return awsapi.Channel{ChannelName: &name, ContentType: new("text/csv"), DataSource: &awsapi.DataSource{S3DataSource: &awsapi.S3DataSource{
			S3DataType: new("S3Prefix"), S3Uri: new("s3://" + platformtest.Bucket + "/" + name + "/")}}}
	}
	in := &awsapi.CreateHyperParameterTuningJobRequest{HyperParameterTuningJobName: &name,
		HyperParameterTuningJobConfig: &awsapi.HyperParameterTuningJobConfig{Strategy: &strategy,
			HyperParameterTuningJobObjective: &awsapi.HyperParameterTuningJobObjective{Type: new("Minimize"), MetricName: new(metric)},
			ResourceLimits:                   &awsapi.ResourceLimits{MaxNumberOfTrainingJobs: &trials, MaxParallelTrainingJobs: &parallel},
			ParameterRanges: &awsapi.ParameterRanges{
				ContinuousParameterRanges: []awsapi.ContinuousParameterRange{{Name: new("eta"), MinValue: new("0.01"), MaxValue: new("0.9"), ScalingType: new("Auto")}},
				IntegerParameterRanges:    []awsapi.IntegerParameterRange{{Name: new("max_depth"), MinValue: new("1"), MaxValue: new("5")}}}},
		TrainingJobDefinition: &awsapi.HyperParameterTrainingJobDefinition{RoleArn: new("arn:aws:iam::123456789012:role/r"),
			StaticHyperParameters:  map[string]string{"num_round": "4", "objective": "reg:squarederror"},
			AlgorithmSpecification: &awsapi.HyperParameterAlgorithmSpecification{TrainingImage: new("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-1"), TrainingInputMode: new("File")},
			InputDataConfig:        []awsapi.Channel{channel("train"), channel("validation")},
			OutputDataConfig:       &awsapi.OutputDataConfig{S3OutputPath: new("s3://" + platformtest.Bucket + "/models")},
			ResourceConfig:         &awsapi.ResourceConfig{InstanceType: new("ml.m5.large"), InstanceCount: new(int32(1)), VolumeSizeInGB: new(int32(1))},
			StoppingCondition:      &awsapi.StoppingCondition{MaxRuntimeInSeconds: new(int32(60))}}}
	if trials == 0 {
		in.HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs = nil
	}
	return in
}

// choices replaces the ranges by one with named values.
func choices(in *awsapi.CreateHyperParameterTuningJobRequest, name string, values ...string) *awsapi.CreateHyperParameterTuningJobRequest {
	in.HyperParameterTuningJobConfig.ParameterRanges = &awsapi.ParameterRanges{CategoricalParameterRanges: []awsapi.CategoricalParameterRange{{Name: &name, Values: values}}}
	return in
}

func (r *room) create(t testing.TB, in *awsapi.CreateHyperParameterTuningJobRequest) {
	t.Helper()
	if _, err := r.CreateHyperParameterTuningJob(r.e.Ctx, in); err != nil {
		t.Fatal(err)
	}
}

func (r *room) describe(t testing.TB, name string) *awsapi.DescribeHyperParameterTuningJobResponse {
	t.Helper()
	d, err := r.DescribeHyperParameterTuningJob(r.e.Ctx, &awsapi.DescribeHyperParameterTuningJobRequest{HyperParameterTuningJobName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ended waits for the end of a job and wants it to be the given one.
func (r *room) ended(t testing.TB, name, status string) (d *awsapi.DescribeHyperParameterTuningJobResponse) {
	t.Helper()
	platformtest.Eventually(t, name+" has ended", func() bool { d = r.describe(t, name); return d.HyperParameterTuningEndTime != nil })
	if *d.HyperParameterTuningJobStatus != status {
		t.Errorf("%s is %s: %s", name, *d.HyperParameterTuningJobStatus, awsapi.Val(d.FailureReason))
	}
	return d
}

func bestFirst(in *awsapi.ListTrainingJobsForHyperParameterTuningJobRequest) {
	in.SortBy = new("FinalObjectiveMetricValue")
}

// trials lists those of a job, by their names if nothing else is asked.
func (r *room) trials(t testing.TB, name string, change ...func(*awsapi.ListTrainingJobsForHyperParameterTuningJobRequest)) []awsapi.HyperParameterTrainingJobSummary {
	t.Helper()
	in := &awsapi.ListTrainingJobsForHyperParameterTuningJobRequest{HyperParameterTuningJobName: &name, MaxResults: new(int32(100))}
	for _, c := range change {
		c(in)
	}
	out, err := r.ListTrainingJobsForHyperParameterTuningJob(r.e.Ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	return out.TrainingJobSummaries
}

func TestEveryStrategyFindsABestTrial(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	data(t, e)
	r := newRoom(t, e)
	hyperband := request("hyperband", "Hyperband", 5, 3)
	hyperband.HyperParameterTuningJobConfig.StrategyConfig = &awsapi.HyperParameterTuningJobStrategyConfig{HyperbandStrategyConfig: &awsapi.HyperbandStrategyConfig{MinResource: new(int32(1)), MaxResource: new(int32(4))}}
	for _, c := range []struct {
		trials int
		in     *awsapi.CreateHyperParameterTuningJobRequest
	}{{4, request("random", "Random", 4, 2)}, {6, request("bayesian", "Bayesian", 6, 2)}, {3, choices(request("grid", "Grid", 0, 2), "max_depth", "1", "3", "5")}, {5, hyperband}} {
		name := *c.in.HyperParameterTuningJobName
		c.in.Tags = []awsapi.Tag{{Key: new("team"), Value: new("a")}}
		r.create(t, c.in)
		d := r.ended(t, name, "Completed")
		all := r.trials(t, name, bestFirst)
		if len(all) != c.trials || d.BestTrainingJob == nil || *d.BestTrainingJob.TrainingJobName != *all[0].TrainingJobName || d.OverallBestTrainingJob != nil {
			t.Fatalf("%s: %d trials, best %v", name, len(all), d.BestTrainingJob)
		}
		seen := map[string]bool{}
		for _, s := range all {
			seen[fmt.Sprint(s.TunedHyperParameters)] = true
			if awsapi.Val(s.ObjectiveStatus) != "Succeeded" || s.TrainingStartTime == nil || s.TrainingEndTime == nil {
				t.Errorf("%s: trial %+v", name, s)
			}
		}
		if len(seen) != c.trials {
			t.Errorf("%s: %d of %d trials differ", name, len(seen), c.trials)
		}
		if c, o := d.TrainingJobStatusCounters, d.ObjectiveStatusCounters; int(*c.Completed+*c.Stopped) != len(all) || int(*o.Succeeded) != len(all) || *o.Pending != 0 {
			t.Errorf("%s: counters %+v %+v", name, c, o)
		}
		if d.ConsumedResources == nil || *d.ConsumedResources.RuntimeInSeconds < 1 || d.TuningJobCompletionDetails == nil {
			t.Errorf("%s: %+v %+v", name, d.ConsumedResources, d.TuningJobCompletionDetails)
		}
		best, err := r.jobs.DescribeTrainingJob(e.Ctx, &awsapi.DescribeTrainingJobRequest{TrainingJobName: d.BestTrainingJob.TrainingJobName})
		if err != nil || awsapi.Val(best.TuningJobArn) != *d.HyperParameterTuningJobArn || best.HyperParameters["_tuning_objective_metric"] != metric ||
			best.HyperParameters["max_depth"] != d.BestTrainingJob.TunedHyperParameters["max_depth"] {
			t.Errorf("%s: best %+v, %v", name, best, err)
		}
		if _, err := e.Objects.Head(e.Ctx, platformtest.Bucket, "models/"+*d.BestTrainingJob.TrainingJobName+"/output/model.tar.gz"); err != nil {
			t.Errorf("%s: model of the best trial: %v", name, err)
		}
	}
}

func TestTrialsThatFail(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	data(t, e)
	r := newRoom(t, e)
	r.create(t, choices(request("some", "Grid", 0, 3), "max_depth", "deep", "2", "deeper"))
	r.create(t, choices(request("all", "Grid", 0, 2), "max_depth", "deep", "deeper"))
	silent := request("silent", "Random", 2, 2)
	silent.TrainingJobDefinition.InputDataConfig = silent.TrainingJobDefinition.InputDataConfig[:1] // there is no validation, so it has no metric
	r.create(t, silent)

	d := r.ended(t, "some", "Completed")
	if c, o := d.TrainingJobStatusCounters, d.ObjectiveStatusCounters; *c.Completed != 1 || *c.NonRetryableError != 2 || *o.Succeeded != 1 || *o.Failed != 2 {
		t.Errorf("counters %+v %+v", c, o)
	}
	failed := r.trials(t, "some", func(in *awsapi.ListTrainingJobsForHyperParameterTuningJobRequest) { in.StatusEquals = new("Failed") })
	if len(failed) != 2 || !strings.Contains(awsapi.Val(failed[0].FailureReason), "max_depth") || awsapi.Val(failed[0].ObjectiveStatus) != "Failed" {
		t.Errorf("failed trials: %+v", failed)
	}
	for name, want := range map[string]string{
		"all":    "No training job succeeded after 2 attempts. Please take a look at the training job failures to get more details.",
		"silent": "No objective metrics found after running 2 training jobs.",
	} {
		if d := r.ended(t, name, "Failed"); !strings.Contains(awsapi.Val(d.FailureReason), want) || d.BestTrainingJob != nil {
			t.Errorf("%s: %s", name, awsapi.Val(d.FailureReason))
		}
	}
}

func TestListOrdersFiltersAndPages(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	data(t, e)
	r := newRoom(t, e)
	for _, name := range []string{"list-b", "list-a", "other"} {
		r.create(t, choices(request(name, "Grid", 0, 5), "max_depth", "1", "2", "3", "wrong"))
		r.ended(t, name, "Completed")
	}
	list := func(change func(*awsapi.ListTrainingJobsForHyperParameterTuningJobRequest)) (depths []string) {
		for _, s := range r.trials(t, "list-a", change) {
			depths = append(depths, s.TunedHyperParameters["max_depth"])
		}
		return depths
	}
	type in = awsapi.ListTrainingJobsForHyperParameterTuningJobRequest
	for want, change := range map[string]func(*in){
		"[1 2 3 wrong]": func(*in) {},
		"[wrong 3 2 1]": func(r *in) { r.SortOrder = new("Descending") },
		"[3 2 1]":       bestFirst,
		"[1 2 3]":       func(r *in) { bestFirst(r); r.SortOrder = new("Descending") },
		"[wrong]":       func(r *in) { r.StatusEquals = new("Failed") },
		"[1 2]":         func(r *in) { r.SortBy, r.MaxResults = new("CreationTime"), new(int32(2)) },
	} {
		if got := fmt.Sprint(list(change)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	name := "list-a"
	page, err := r.ListTrainingJobsForHyperParameterTuningJob(e.Ctx, &in{HyperParameterTuningJobName: &name, MaxResults: new(int32(3))})
	if err != nil || page.NextToken == nil {
		t.Fatal(page, err)
	}
	page, err = r.ListTrainingJobsForHyperParameterTuningJob(e.Ctx, &in{HyperParameterTuningJobName: &name, MaxResults: new(int32(3)), NextToken: page.NextToken})
	if err != nil || len(page.TrainingJobSummaries) != 1 || page.NextToken != nil {
		t.Errorf("second page: %+v, %v", page, err)
	}
	if _, err = r.ListTrainingJobsForHyperParameterTuningJob(e.Ctx, &in{HyperParameterTuningJobName: &name, NextToken: new("?")}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("a wrong token: %v", err)
	}
	tuners, err := r.ListHyperParameterTuningJobs(e.Ctx, &awsapi.ListHyperParameterTuningJobsRequest{NameContains: new("list"), StatusEquals: new("Completed"), SortBy: new("Name"), SortOrder: new("Ascending")})
	if err != nil || len(tuners.HyperParameterTuningJobSummaries) != 2 || *tuners.HyperParameterTuningJobSummaries[0].HyperParameterTuningJobName != "list-a" {
		t.Errorf("tuning jobs: %+v, %v", tuners, err)
	}
	if err := r.DeleteHyperParameterTuningJob(e.Ctx, &awsapi.DeleteHyperParameterTuningJobRequest{HyperParameterTuningJobName: &name}); err != nil {
		t.Error(err)
	}
	if _, err := r.DescribeHyperParameterTuningJob(e.Ctx, &awsapi.DescribeHyperParameterTuningJobRequest{HyperParameterTuningJobName: &name}); !awsapi.IsCode(err, "ResourceNotFound") {
		t.Errorf("a deleted job: %v", err)
	}
}

func TestSeveralDefinitions(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	data(t, e)
	r := newRoom(t, e)
	in := request("several", "Random", 4, 2)
	in.HyperParameterTuningJobConfig.HyperParameterTuningJobObjective.Type = new("Maximize") // the worse of the two depths wins
	for _, depth := range []string{"1", "4"} {
		d := *in.TrainingJobDefinition
		d.DefinitionName, d.StaticHyperParameters = new("depth-"+depth), maps.Clone(d.StaticHyperParameters)
		d.StaticHyperParameters["max_depth"] = depth
		d.HyperParameterRanges = &awsapi.ParameterRanges{ContinuousParameterRanges: in.HyperParameterTuningJobConfig.ParameterRanges.ContinuousParameterRanges}
		d.TuningObjective = in.HyperParameterTuningJobConfig.HyperParameterTuningJobObjective
		d.HyperParameterTuningResourceConfig, d.ResourceConfig = &awsapi.HyperParameterTuningResourceConfig{AllocationStrategy: new("Prioritized"),
			InstanceConfigs: []awsapi.HyperParameterTuningInstanceConfig{{InstanceType: new("ml.m5.large"), InstanceCount: new(int32(1)), VolumeSizeInGB: new(int32(2))}}}, nil
		in.TrainingJobDefinitions = append(in.TrainingJobDefinitions, d)
	}
	in.TrainingJobDefinition, in.HyperParameterTuningJobConfig.ParameterRanges, in.HyperParameterTuningJobConfig.HyperParameterTuningJobObjective = nil, nil, nil
	r.create(t, in)
	d := r.ended(t, "several", "Completed")
	if d.TrainingJobDefinition != nil || len(d.TrainingJobDefinitions) != 2 || awsapi.Val(d.BestTrainingJob.TrainingJobDefinitionName) != "depth-1" {
		t.Errorf("%+v", d)
	}
	count := map[string]int{}
	for _, s := range r.trials(t, "several") {
		count[*s.TrainingJobDefinitionName]++
		one, err := r.jobs.DescribeTrainingJob(e.Ctx, &awsapi.DescribeTrainingJobRequest{TrainingJobName: s.TrainingJobName})
		if err != nil || "depth-"+one.HyperParameters["max_depth"] != *s.TrainingJobDefinitionName || *one.ResourceConfig.InstanceType != "ml.m5.large" {
			t.Errorf("%+v, %v", one, err)
		}
	}
	if count["depth-1"] != 2 || count["depth-4"] != 2 {
		t.Errorf("trials by definition: %v", count)
	}
}
