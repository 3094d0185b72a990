package tuning_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
)

// long makes the trials ones that go on until they are stopped.
func long(in *awsapi.CreateHyperParameterTuningJobRequest) *awsapi.CreateHyperParameterTuningJobRequest {
	in.TrainingJobDefinition.StaticHyperParameters["num_round"] = "1000000"
	return in
}

func (r *room) training(t testing.TB, name string, n int) {
	t.Helper()
	platformtest.Eventually(t, "trials of "+name+" run", func() bool {
		running := 0
		for _, s := range r.trials(t, name) {
			if s.TrainingStartTime != nil || *s.TrainingJobStatus == "InProgress" {
				running++
			}
		}
		return running >= n
	})
}

func TestStopAndLimits(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	data(t, e)
	r := newRoom(t, e)
	stop := long(request("stop", "Random", 5, 2))
	r.create(t, stop)
	timed := long(request("timed", "Random", 5, 2))
	timed.HyperParameterTuningJobConfig.ResourceLimits.MaxRuntimeInSeconds = new(int32(1))
	r.create(t, timed)
	target := request("target", "Random", 50, 1)
	target.HyperParameterTuningJobConfig.TuningJobCompletionCriteria = &awsapi.TuningJobCompletionCriteria{TargetObjectiveMetricValue: new(float32(1000))}
	r.create(t, target)
	same := choices(request("same", "Random", 50, 1), "max_depth", "2") // every trial is the same, so none improves
	same.HyperParameterTuningJobConfig.TuningJobCompletionCriteria = &awsapi.TuningJobCompletionCriteria{BestObjectiveNotImproving: &awsapi.BestObjectiveNotImproving{MaxNumberOfTrainingJobsNotImproving: new(int32(3))}}
	r.create(t, same)

	name := "stop"
	r.training(t, name, 2)
	if err := r.DeleteHyperParameterTuningJob(e.Ctx, &awsapi.DeleteHyperParameterTuningJobRequest{HyperParameterTuningJobName: &name}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("deleting a job that runs: %v", err)
	}
	if err := r.StopHyperParameterTuningJob(e.Ctx, &awsapi.StopHyperParameterTuningJobRequest{HyperParameterTuningJobName: &name}); err != nil {
		t.Fatal(err)
	}
	d := r.ended(t, name, "Stopped")
	if c := d.TrainingJobStatusCounters; *c.Stopped != 2 || *c.InProgress != 0 {
		t.Errorf("counters of a stopped job: %+v", c)
	}
	if err := r.StopHyperParameterTuningJob(e.Ctx, &awsapi.StopHyperParameterTuningJobRequest{HyperParameterTuningJobName: &name}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("stopping a job that has ended: %v", err)
	}
	if d := r.ended(t, "timed", "Stopped"); *d.TrainingJobStatusCounters.Stopped != 2 || !strings.Contains(awsapi.Val(d.FailureReason), "maxRuntimeInSeconds") {
		t.Errorf("beyond the time limit: %+v, %s", d.TrainingJobStatusCounters, awsapi.Val(d.FailureReason))
	}
	if r.ended(t, "target", "Completed"); len(r.trials(t, "target")) != 1 {
		t.Errorf("%d trials until the target", len(r.trials(t, "target")))
	}
	if d := r.ended(t, "same", "Completed"); len(r.trials(t, "same")) != 4 || *d.TuningJobCompletionDetails.NumberOfTrainingJobsObjectiveNotImproving != 3 {
		t.Errorf("%d trials that did not improve, %+v", len(r.trials(t, "same")), d.TuningJobCompletionDetails)
	}
}

func TestConvergenceEndsAJob(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	data(t, e)
	r := newRoom(t, e)
	in := choices(request("converges", "Bayesian", 50, 3), "max_depth", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
	in.HyperParameterTuningJobConfig.TuningJobCompletionCriteria = &awsapi.TuningJobCompletionCriteria{ConvergenceDetected: &awsapi.ConvergenceDetected{CompleteOnConvergence: new("Enabled")}}
	r.create(t, in)
	d := r.ended(t, "converges", "Completed")
	if n := len(r.trials(t, "converges")); n >= 25 || d.TuningJobCompletionDetails.ConvergenceDetectedTime == nil {
		t.Errorf("%d trials, %+v", n, d.TuningJobCompletionDetails)
	}
}

// TestEarlyStopping wants a trial that learns slowly to be stopped, when one that learned quickly came before it.
func TestEarlyStopping(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	data(t, e)
	r := newRoom(t, e)
	auto := choices(request("auto", "Grid", 0, 1), "eta", "0.3", "0.5", "1e-7") // a grid is tried in the order of its values
	auto.TrainingJobDefinition.StaticHyperParameters["num_round"] = "3000"
	auto.HyperParameterTuningJobConfig.TrainingJobEarlyStoppingType = new("Auto")
	r.create(t, auto)
	rungs := long(request("rungs", "Hyperband", 4, 2))
	rungs.HyperParameterTuningJobConfig.StrategyConfig = &awsapi.HyperParameterTuningJobStrategyConfig{HyperbandStrategyConfig: &awsapi.HyperbandStrategyConfig{MaxResource: new(int32(20))}}
	r.create(t, rungs)

	d := r.ended(t, "auto", "Completed")
	for _, s := range r.trials(t, "auto") {
		want := "Completed"
		if s.TunedHyperParameters["eta"] == "1e-7" {
			want = "Stopped"
		}
		if *s.TrainingJobStatus != want || s.FinalHyperParameterTuningJobObjectiveMetric == nil {
			t.Errorf("trial with eta %s is %s: %+v", s.TunedHyperParameters["eta"], *s.TrainingJobStatus, s.FinalHyperParameterTuningJobObjectiveMetric)
		}
	}
	if *d.TrainingJobStatusCounters.Stopped != 1 || d.BestTrainingJob.TunedHyperParameters["eta"] == "1e-7" {
		t.Errorf("counters %+v, best %+v", d.TrainingJobStatusCounters, d.BestTrainingJob)
	}
	// Trials that go on beyond the last epoch are all stopped, and the best of them is the best.
	d = r.ended(t, "rungs", "Completed")
	if all := r.trials(t, "rungs", bestFirst); *d.TrainingJobStatusCounters.Stopped != 4 || *d.BestTrainingJob.TrainingJobName != *all[0].TrainingJobName {
		t.Errorf("counters %+v, best %+v", d.TrainingJobStatusCounters, d.BestTrainingJob)
	}
	one, err := r.jobs.DescribeTrainingJob(e.Ctx, &awsapi.DescribeTrainingJobRequest{TrainingJobName: d.BestTrainingJob.TrainingJobName})
	if err != nil || *one.TrainingJobStatus != "Stopped" || *one.SecondaryStatus != "Stopped" {
		t.Errorf("%+v, %v", one, err)
	}
}

func TestWarmStart(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	data(t, e)
	r := newRoom(t, e)
	r.create(t, request("parent", "Random", 6, 3))
	r.ended(t, "parent", "Completed")
	r.create(t, long(request("running", "Random", 1, 1)))
	child := func(name, kind string, parents ...string) *awsapi.CreateHyperParameterTuningJobRequest {
		in := request(name, "Bayesian", 2, 1)
		in.WarmStartConfig = &awsapi.HyperParameterTuningJobWarmStartConfig{WarmStartType: &kind}
		for _, p := range parents {
			in.WarmStartConfig.ParentHyperParameterTuningJobs = append(in.WarmStartConfig.ParentHyperParameterTuningJobs, awsapi.ParentHyperParameterTuningJob{HyperParameterTuningJobName: &p})
		}
		return in
	}
	const identical, transfer = "IdenticalDataAndAlgorithm", "TransferLearning"
	for want, change := range map[string]func(in *awsapi.CreateHyperParameterTuningJobRequest){
		"Parent hyperparameter tuning job 'running' is in status InProgress": func(in *awsapi.CreateHyperParameterTuningJobRequest) {
			in.WarmStartConfig.ParentHyperParameterTuningJobs[0].HyperParameterTuningJobName = new("running")
		},
		"can't find a tuning job with name nobody": func(in *awsapi.CreateHyperParameterTuningJobRequest) {
			in.WarmStartConfig.ParentHyperParameterTuningJobs[0].HyperParameterTuningJobName = new("nobody")
		},
		"is given twice": func(in *awsapi.CreateHyperParameterTuningJobRequest) {
			in.WarmStartConfig.ParentHyperParameterTuningJobs = slices.Repeat(in.WarmStartConfig.ParentHyperParameterTuningJobs, 2)
		},
		"objective metric must be that of parent hyperparameter tuning job 'parent', Minimize validation:rmse; it is Minimize validation:mae": func(in *awsapi.CreateHyperParameterTuningJobRequest) {
			in.HyperParameterTuningJobConfig.HyperParameterTuningJobObjective.MetricName = new("validation:mae")
		},
		"The total number of static and tunable hyperparameters, 5,": func(in *awsapi.CreateHyperParameterTuningJobRequest) {
			in.TrainingJobDefinition.StaticHyperParameters["gamma"] = "0"
		},
		"The type of hyperparameter max_depth must not change: it is Categorical, and Integer": func(in *awsapi.CreateHyperParameterTuningJobRequest) {
			ranges := in.HyperParameterTuningJobConfig.ParameterRanges
			ranges.IntegerParameterRanges, ranges.CategoricalParameterRanges = nil, []awsapi.CategoricalParameterRange{{Name: new("max_depth"), Values: []string{"1"}}}
		},
		"needs the training image of parent": func(in *awsapi.CreateHyperParameterTuningJobRequest) {
			in.TrainingJobDefinition.AlgorithmSpecification.TrainingImage = new("sagemaker-xgboost:3.2-1")
		},
		"needs the input data of parent": func(in *awsapi.CreateHyperParameterTuningJobRequest) {
			in.TrainingJobDefinition.InputDataConfig[0].DataSource.S3DataSource.S3Uri = new("s3://" + platformtest.Bucket + "/validation/")
		},
		"are 755, above the limit of 750": func(in *awsapi.CreateHyperParameterTuningJobRequest) {
			in.HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs = new(int32(749))
		},
	} {
		in := child("wrong", identical, "parent")
		change(in)
		if _, err := r.CreateHyperParameterTuningJob(e.Ctx, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	best := func(name string) float32 {
		return *r.describe(t, name).BestTrainingJob.FinalHyperParameterTuningJobObjectiveMetric.Value
	}
	same := child("same", identical, "parent")
	same.HyperParameterTuningJobConfig.ParameterRanges.IntegerParameterRanges = nil // max_depth becomes static
	same.TrainingJobDefinition.StaticHyperParameters["max_depth"] = "3"
	r.create(t, same)
	d := r.ended(t, "same", "Completed")
	if o := d.OverallBestTrainingJob; o == nil || *o.FinalHyperParameterTuningJobObjectiveMetric.Value != min(best("parent"), best("same")) || o.TuningJobName == nil ||
		best(*o.TuningJobName) != *o.FinalHyperParameterTuningJobObjectiveMetric.Value || *d.WarmStartConfig.WarmStartType != identical {
		t.Errorf("overall best %+v", o)
	}
	other := child("other", transfer, "parent", "same")
	other.TrainingJobDefinition.InputDataConfig[0].DataSource.S3DataSource.S3Uri = new("s3://" + platformtest.Bucket + "/validation/")
	r.create(t, other)
	if d := r.ended(t, "other", "Completed"); d.OverallBestTrainingJob != nil || best("other") > 2*best("parent") {
		t.Errorf("with what its parents knew it came to %v, they to %v: %+v", best("other"), best("parent"), d.OverallBestTrainingJob)
	}
}

func TestJobsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	r := quietRoom(t, e)
	type in = awsapi.CreateHyperParameterTuningJobRequest
	several := func(r *in) {
		d := *r.TrainingJobDefinition
		d.DefinitionName, d.TuningObjective, d.HyperParameterRanges = new("one"), r.HyperParameterTuningJobConfig.HyperParameterTuningJobObjective, r.HyperParameterTuningJobConfig.ParameterRanges
		other := d
		other.DefinitionName = new("two")
		r.TrainingJobDefinition, r.TrainingJobDefinitions = nil, []awsapi.HyperParameterTrainingJobDefinition{d, other}
		r.HyperParameterTuningJobConfig.HyperParameterTuningJobObjective, r.HyperParameterTuningJobConfig.ParameterRanges = nil, nil
	}
	hyperband := func(low, high *int32) func(r *in) {
		return func(r *in) {
			r.HyperParameterTuningJobConfig.Strategy = new("Hyperband")
			r.HyperParameterTuningJobConfig.StrategyConfig = &awsapi.HyperParameterTuningJobStrategyConfig{HyperbandStrategyConfig: &awsapi.HyperbandStrategyConfig{MinResource: low, MaxResource: high}}
		}
	}
	config := func(r *in) *awsapi.HyperParameterTuningJobConfig { return r.HyperParameterTuningJobConfig }
	for want, change := range map[string]func(r *in){
		"Value 'Enabled' at 'autotune.mode' is not served":                func(r *in) { r.Autotune = &awsapi.Autotune{Mode: new("Enabled")} },
		"Exactly one of trainingJobDefinition and trainingJobDefinitions": func(r *in) { r.TrainingJobDefinition = nil },
		"Image 'x/y:1' cannot be run": func(r *in) {
			r.TrainingJobDefinition.AlgorithmSpecification.TrainingImage = new("x/y:1")
		},
		"'ml.m5' is not an instance type":                                    func(r *in) { r.TrainingJobDefinition.ResourceConfig.InstanceType = new("ml.m5") },
		"Exactly one of resourceConfig and":                                  func(r *in) { r.TrainingJobDefinition.ResourceConfig = nil },
		"The Grid strategy needs categorical parameter ranges only; max_dep": func(r *in) { config(r).Strategy = new("Grid") },
		"must be 2 for the Grid strategy": func(r *in) {
			choices(r, "max_depth", "1", "2")
			config(r).Strategy = new("Grid")
		},
		"must be Off for the Hyperband strategy": func(r *in) {
			hyperband(nil, new(int32(9)))(r)
			config(r).TrainingJobEarlyStoppingType = new("Auto")
		},
		"MaxResource of hyperbandStrategyConfig is not given and cannot be inferred": hyperband(new(int32(1)), nil),
		"must be at most 20000":                     hyperband(nil, new(int32(20001))),
		"the minimum of the epochs, 9, must be":     hyperband(new(int32(9)), new(int32(3))),
		"must be provided only with the Hyperband":  func(r *in) { hyperband(nil, new(int32(9)))(r); config(r).Strategy = new("Random") },
		"hyperParameterTuningJobObjective must not": func(r *in) { config(r).HyperParameterTuningJobObjective = nil },
		"parameterRanges must not be null":          func(r *in) { config(r).ParameterRanges = nil },
		"parameterRanges must hold at least one":    func(r *in) { config(r).ParameterRanges = &awsapi.ParameterRanges{} },
		"MinValue 'low' is not a number":            func(r *in) { config(r).ParameterRanges.IntegerParameterRanges[0].MinValue = new("low") },
		"range max_depth: minimum 9 must not be":    func(r *in) { config(r).ParameterRanges.IntegerParameterRanges[0].MinValue = new("9") },
		"eta is both in staticHyperParameters and":  func(r *in) { r.TrainingJobDefinition.StaticHyperParameters["eta"] = "1" },
		"maxNumberOfTrainingJobs' is above the":     func(r *in) { config(r).ResourceLimits.MaxNumberOfTrainingJobs = new(int32(751)) },
		"maxParallelTrainingJobs' is above the":     func(r *in) { config(r).ResourceLimits.MaxParallelTrainingJobs = new(int32(101)) },
		"trainingJobDefinitions has two definitions named 'one'": func(r *in) {
			several(r)
			r.TrainingJobDefinitions[1].DefinitionName = new("one")
		},
		"trainingJobDefinitions[1].definitionName must not be null":  func(r *in) { several(r); r.TrainingJobDefinitions[1].DefinitionName = nil },
		"trainingJobDefinitions[1].tuningObjective must not be null": func(r *in) { several(r); r.TrainingJobDefinitions[1].TuningObjective = nil },
		"trainingJobDefinitions[0].hyperParameterRanges must not be": func(r *in) { several(r); r.TrainingJobDefinitions[0].HyperParameterRanges = nil },
		"must not be provided with trainingJobDefinitions":           func(r *in) { p := config(r).ParameterRanges; several(r); config(r).ParameterRanges = p },
		"must have one type; 'one' has Minimize and 'two' has Maximiz": func(r *in) {
			several(r)
			r.TrainingJobDefinitions[1].TuningObjective = &awsapi.HyperParameterTuningJobObjective{Type: new("Maximize"), MetricName: new(metric)}
		},
	} {
		bad := request("bad", "Random", 5, 1)
		change(bad)
		if _, err := r.CreateHyperParameterTuningJob(e.Ctx, bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if list, err := r.ListHyperParameterTuningJobs(e.Ctx, &awsapi.ListHyperParameterTuningJobsRequest{}); err != nil || len(list.HyperParameterTuningJobSummaries) != 0 {
		t.Errorf("what was refused is listed: %+v, %v", list, err)
	}
	inferred := request("inferred", "Hyperband", 5, 1)
	inferred.TrainingJobDefinition.StaticHyperParameters["epochs"] = `"9"` // as the Python SDK writes it
	r.create(t, inferred)
	if _, err := r.CreateHyperParameterTuningJob(e.Ctx, inferred); !awsapi.IsCode(err, "ResourceInUse") {
		t.Errorf("a second job of the name: %v", err)
	}
}

// TestKilledServerChoosesNothingAnew kills the server again and again while a tuning job runs. The trials that it had chosen keep their values
// and have one training job each, and the values of all follow from the metrics as they would have without a kill.
func TestKilledServerChoosesNothingAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := platformtest.Open(t, dir)
	data(t, e)
	r := quietRoom(t, e)
	seeded := func(name string) *awsapi.CreateHyperParameterTuningJobRequest {
		in := request(name, "Bayesian", 6, 1)
		in.HyperParameterTuningJobConfig.RandomSeed = new(int32(7))
		return in
	}
	r.create(t, seeded("killed"))
	e.Close()
	for _, after := range []time.Duration{60, 150, 250, 400} {
		cmd := exec.CommandContext(context.Background(), os.Args[0])
		cmd.Env = append(os.Environ(), "TUNING_TEST_SERVER="+dir)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond) // the moment of the kill is what is tried
		cmd.Process.Kill()
		cmd.Wait()
	}
	e = platformtest.Open(t, dir)
	defer e.Close()
	r = newRoom(t, e)
	values := func(name string) (all []string) {
		for _, s := range r.trials(t, name) {
			all = append(all, fmt.Sprint(s.TunedHyperParameters, *s.FinalHyperParameterTuningJobObjectiveMetric.Value))
		}
		return all
	}
	r.ended(t, "killed", "Completed")
	r.create(t, seeded("calm"))
	r.ended(t, "calm", "Completed")
	killed, calm := values("killed"), values("calm")
	if len(killed) != 6 || !slices.Equal(killed, calm) {
		t.Errorf("with kills:\n%s\nand without:\n%s", strings.Join(killed, "\n"), strings.Join(calm, "\n"))
	}
	list, err := r.jobs.ListTrainingJobs(e.Ctx, &awsapi.ListTrainingJobsRequest{NameContains: new("killed"), MaxResults: new(int32(100))})
	if err != nil || len(list.TrainingJobSummaries) != 6 {
		t.Errorf("%d training jobs of 6 trials, %v", len(list.TrainingJobSummaries), err)
	}
}
