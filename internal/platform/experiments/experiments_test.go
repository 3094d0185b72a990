package experiments_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/experiments"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/store"
)

func open(t *testing.T, env *platformtest.Env) *experiments.Service {
	t.Helper()
	s := experiments.New(experiments.Deps{DB: env.DB, World: env.World, Log: env.Log})
	if err := s.Start(env.Ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// must fails the test of a call that should have worked.
func must[T any](t *testing.T) func(out *T, err error) *T {
	return func(out *T, err error) *T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// filed makes an experiment e with a trial t that holds the component c.
func filed(t *testing.T, env *platformtest.Env, s *experiments.Service) {
	t.Helper()
	must[awsapi.CreateExperimentResponse](t)(s.CreateExperiment(env.Ctx, &awsapi.CreateExperimentRequest{ExperimentName: new("e")}))
	must[awsapi.CreateTrialResponse](t)(s.CreateTrial(env.Ctx, &awsapi.CreateTrialRequest{ExperimentName: new("e"), TrialName: new("t")}))
	must[awsapi.CreateTrialComponentResponse](t)(s.CreateTrialComponent(env.Ctx, &awsapi.CreateTrialComponentRequest{TrialComponentName: new("c"),
		Parameters: map[string]awsapi.TrialComponentParameterValue{"depth": {NumberValue: new(3.0)}}}))
	must[awsapi.AssociateTrialComponentResponse](t)(s.AssociateTrialComponent(env.Ctx, &awsapi.AssociateTrialComponentRequest{TrialName: new("t"), TrialComponentName: new("c")}))
}

func TestWhatHoldsSomethingIsNotDeleted(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	filed(t, env, s)
	experiment := func() error {
		_, err := s.DeleteExperiment(env.Ctx, &awsapi.DeleteExperimentRequest{ExperimentName: new("e")})
		return err
	}
	trial := func() error {
		_, err := s.DeleteTrial(env.Ctx, &awsapi.DeleteTrialRequest{TrialName: new("t")})
		return err
	}
	component := func() error {
		_, err := s.DeleteTrialComponent(env.Ctx, &awsapi.DeleteTrialComponentRequest{TrialComponentName: new("c")})
		return err
	}
	apart := func() error {
		_, err := s.DisassociateTrialComponent(env.Ctx, &awsapi.DisassociateTrialComponentRequest{TrialName: new("t"), TrialComponentName: new("c")})
		return err
	}
	for i, c := range []struct {
		call func() error
		code string // "" is success
	}{{experiment, "ValidationException"}, {trial, "ValidationException"}, {component, "ValidationException"}, {apart, ""}, {apart, "ResourceNotFound"},
		{component, ""}, {component, "ResourceNotFound"}, {trial, ""}, {experiment, ""}, {experiment, "ResourceNotFound"}} {
		if err := c.call(); (err == nil) != (c.code == "") || c.code != "" && !awsapi.IsCode(err, c.code) {
			t.Errorf("call %d: %v, want %q", i, err, c.code)
		}
	}
}

func TestANameIsTakenOnce(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	filed(t, env, s)
	_, a := s.CreateExperiment(env.Ctx, &awsapi.CreateExperimentRequest{ExperimentName: new("e")})
	_, b := s.CreateTrial(env.Ctx, &awsapi.CreateTrialRequest{ExperimentName: new("e"), TrialName: new("t")})
	_, c := s.CreateTrialComponent(env.Ctx, &awsapi.CreateTrialComponentRequest{TrialComponentName: new("c")})
	for _, err := range []error{a, b, c} {
		if !awsapi.IsCode(err, "ValidationException") || !strings.Contains(err.Error(), "already exists") { // which the Python SDK looks for
			t.Errorf("the same name again: %v", err)
		}
	}
	if _, err := s.CreateTrial(env.Ctx, &awsapi.CreateTrialRequest{ExperimentName: new("none"), TrialName: new("u")}); !awsapi.IsNotFound(err) {
		t.Errorf("a trial of no experiment: %v", err)
	}
}

func TestAComponentIsChanged(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	filed(t, env, s)
	must[awsapi.UpdateTrialComponentResponse](t)(s.UpdateTrialComponent(env.Ctx, &awsapi.UpdateTrialComponentRequest{TrialComponentName: new("c"), DisplayName: new("shown"),
		Parameters:     map[string]awsapi.TrialComponentParameterValue{"rate": {NumberValue: new(0.1)}},
		InputArtifacts: map[string]awsapi.TrialComponentArtifact{"data": {Value: new("s3://b/k")}}, ParametersToRemove: []string{"depth"}}))
	d := must[awsapi.DescribeTrialComponentResponse](t)(s.DescribeTrialComponent(env.Ctx, &awsapi.DescribeTrialComponentRequest{TrialComponentName: new("c")}))
	if *d.DisplayName != "shown" || len(d.Parameters) != 1 || *d.Parameters["rate"].NumberValue != 0.1 || *d.InputArtifacts["data"].Value != "s3://b/k" {
		t.Errorf("after the update: %+v", d)
	}
	many := map[string]awsapi.TrialComponentParameterValue{}
	for i := range 301 {
		many[fmt.Sprint(i)] = awsapi.TrialComponentParameterValue{NumberValue: new(1.0)}
	}
	if _, err := s.UpdateTrialComponent(env.Ctx, &awsapi.UpdateTrialComponentRequest{TrialComponentName: new("c"), Parameters: many}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("too many parameters: %v", err)
	}
	d = must[awsapi.DescribeTrialComponentResponse](t)(s.DescribeTrialComponent(env.Ctx, &awsapi.DescribeTrialComponentRequest{TrialComponentName: new("c")}))
	if len(d.Parameters) != 1 {
		t.Errorf("what was refused left %d parameters", len(d.Parameters))
	}
}

func TestListsAreFilteredAndPaged(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	filed(t, env, s)
	for i := range 7 {
		name := fmt.Sprintf("c%d", i)
		must[awsapi.CreateTrialComponentResponse](t)(s.CreateTrialComponent(env.Ctx, &awsapi.CreateTrialComponentRequest{TrialComponentName: &name}))
		if i%2 == 0 {
			must[awsapi.AssociateTrialComponentResponse](t)(s.AssociateTrialComponent(env.Ctx, &awsapi.AssociateTrialComponentRequest{TrialName: new("t"), TrialComponentName: &name}))
		}
	}
	for _, c := range []struct {
		in   awsapi.ListTrialComponentsRequest
		want string
	}{
		{awsapi.ListTrialComponentsRequest{}, "c c0 c1 c2 c3 c4 c5 c6"},
		{awsapi.ListTrialComponentsRequest{TrialName: new("t")}, "c c0 c2 c4 c6"},
		{awsapi.ListTrialComponentsRequest{ExperimentName: new("e")}, "c c0 c2 c4 c6"},
		{awsapi.ListTrialComponentsRequest{SourceArn: new("arn:aws:sagemaker:us-east-1:123456789012:training-job/none")}, ""},
		{awsapi.ListTrialComponentsRequest{CreatedBefore: awsapi.Stamp(time.Unix(1, 0))}, ""},
	} {
		c.in.SortBy, c.in.SortOrder, c.in.MaxResults = new(awsapi.SortTrialComponentsByName), new(awsapi.SortOrderAscending), new(int32(3))
		var names []string
		for {
			out := must[awsapi.ListTrialComponentsResponse](t)(s.ListTrialComponents(env.Ctx, &c.in))
			for _, x := range out.TrialComponentSummaries {
				names = append(names, *x.TrialComponentName)
			}
			if c.in.NextToken = out.NextToken; c.in.NextToken == nil {
				break
			}
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if _, err := s.ListTrialComponents(env.Ctx, &awsapi.ListTrialComponentsRequest{TrialName: new("t"), ExperimentName: new("e")}); !awsapi.IsCode(err, "ValidationException") {
		t.Errorf("two filters: %v", err)
	}
	trials := must[awsapi.ListTrialsResponse](t)(s.ListTrials(env.Ctx, &awsapi.ListTrialsRequest{TrialComponentName: new("c2")}))
	if len(trials.TrialSummaries) != 1 || *trials.TrialSummaries[0].TrialName != "t" {
		t.Errorf("trials of a component: %+v", trials.TrialSummaries)
	}
}

// put sends n values of a metric: the step as value, a second apart.
func put(t *testing.T, env *platformtest.Env, s *experiments.Service, component, metric string, from, n int, start time.Time) {
	t.Helper()
	for n > 0 {
		in := &awsapi.BatchPutMetricsRequest{TrialComponentName: &component}
		for range min(n, 10) {
			in.MetricData = append(in.MetricData, awsapi.RawMetricData{MetricName: &metric, Value: new(float64(from)), Step: new(int32(from)),
				Timestamp: awsapi.Stamp(start.Add(time.Duration(from) * time.Second))})
			from, n = from+1, n-1
		}
		if out := must[awsapi.BatchPutMetricsResponse](t)(s.BatchPutMetrics(env.Ctx, in)); len(out.Errors) > 0 {
			t.Fatalf("put: %+v", out.Errors)
		}
	}
}

func TestASeriesIsReadAsItWasPut(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	filed(t, env, s)
	const n = 430 // more than two rows
	start := time.Now().Truncate(time.Hour).Add(-2 * time.Hour)
	put(t, env, s, "c", "loss", 0, n, start)
	d := must[awsapi.DescribeTrialComponentResponse](t)(s.DescribeTrialComponent(env.Ctx, &awsapi.DescribeTrialComponentRequest{TrialComponentName: new("c")}))
	if m := d.Metrics[0]; len(d.Metrics) != 1 || *m.Count != n || *m.Min != 0 || *m.Max != n-1 || *m.Last != n-1 || *m.Avg != (n-1)/2.0 {
		t.Errorf("summary: %+v", m)
	}
	query := func(stat, period, axis string, from, to *int64) awsapi.MetricQueryResult {
		t.Helper()
		out := must[awsapi.BatchGetMetricsResponse](t)(s.BatchGetMetrics(env.Ctx, &awsapi.BatchGetMetricsRequest{MetricQueries: []awsapi.MetricQuery{
			{MetricName: new("loss"), ResourceArn: d.TrialComponentArn, MetricStat: &stat, Period: &period, XAxisType: &axis, Start: from, End: to}}}))
		return out.MetricQueryResults[0]
	}
	all := query("Last", "IterationNumber", "IterationNumber", nil, nil)
	if len(all.XAxisValues) != n || !slices.IsSorted(all.XAxisValues) || all.MetricValues[n-1] != n-1 {
		t.Errorf("%d values by step, want %d", len(all.XAxisValues), n)
	}
	if some := query("Avg", "IterationNumber", "IterationNumber", new(int64(10)), new(int64(12))); !slices.Equal(some.MetricValues, []float64{10, 11, 12}) {
		t.Errorf("steps 10 to 12: %v", some.MetricValues)
	}
	minutes := query("Count", "OneMinute", "Timestamp", nil, nil)
	if len(minutes.XAxisValues) != 8 || minutes.XAxisValues[0] != start.Unix() || minutes.MetricValues[0] != 60 || minutes.MetricValues[7] != 10 {
		t.Errorf("by minute: %v %v", minutes.XAxisValues, minutes.MetricValues)
	}
	if hour := query("Max", "OneHour", "Timestamp", nil, nil); !slices.Equal(hour.MetricValues, []float64{n - 1}) {
		t.Errorf("by hour: %v", hour.MetricValues)
	}
	if wrong := query("Max", "OneHour", "IterationNumber", nil, nil); *wrong.Status != awsapi.MetricQueryResultStatusValidationError {
		t.Errorf("hours of steps: %v", *wrong.Status)
	}
	// A component of the same name that is made later has none of these values.
	must[awsapi.DisassociateTrialComponentResponse](t)(s.DisassociateTrialComponent(env.Ctx, &awsapi.DisassociateTrialComponentRequest{TrialName: new("t"), TrialComponentName: new("c")}))
	must[awsapi.DeleteTrialComponentResponse](t)(s.DeleteTrialComponent(env.Ctx, &awsapi.DeleteTrialComponentRequest{TrialComponentName: new("c")}))
	must[awsapi.CreateTrialComponentResponse](t)(s.CreateTrialComponent(env.Ctx, &awsapi.CreateTrialComponentRequest{TrialComponentName: new("c")}))
	if again := query("Last", "IterationNumber", "IterationNumber", nil, nil); len(again.XAxisValues) != 0 {
		t.Errorf("a new component has %d values", len(again.XAxisValues))
	}
}

func TestValuesThatCannotBeAreNamed(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	filed(t, env, s)
	now := awsapi.Stamp(time.Now())
	old := awsapi.Stamp(time.Now().Add(-15 * 24 * time.Hour))
	out := must[awsapi.BatchPutMetricsResponse](t)(s.BatchPutMetrics(env.Ctx, &awsapi.BatchPutMetricsRequest{TrialComponentName: new("c"), MetricData: []awsapi.RawMetricData{
		{MetricName: new("a"), Value: new(1.0), Timestamp: old}, {MetricName: new("a"), Value: new(2.0), Timestamp: now}}}))
	if len(out.Errors) != 1 || *out.Errors[0].MetricIndex != 0 || *out.Errors[0].Code != awsapi.PutMetricsErrorCodeVALIDATIONERROR {
		t.Errorf("errors %+v", out.Errors)
	}
	d := must[awsapi.DescribeTrialComponentResponse](t)(s.DescribeTrialComponent(env.Ctx, &awsapi.DescribeTrialComponentRequest{TrialComponentName: new("c")}))
	if len(d.Metrics) != 1 || *d.Metrics[0].Count != 1 || *d.Metrics[0].Last != 2 {
		t.Errorf("metrics %+v", d.Metrics)
	}
	if _, err := s.BatchPutMetrics(env.Ctx, &awsapi.BatchPutMetricsRequest{TrialComponentName: new("none")}); !awsapi.IsNotFound(err) {
		t.Errorf("no such component: %v", err)
	}
}

// trained is the event of a training job with an ExperimentConfig.
func trained(status string, config *awsapi.ExperimentConfig) store.Event {
	arn := store.Scope{Account: "123456789012", Region: "us-east-1"}.ARN("training-job/job")
	return store.Event{Type: "TrainingJob." + status, Resource: arn, Data: awsapi.Encode(&awsapi.DescribeTrainingJobResponse{TrainingJobArn: &arn, TrainingJobName: new("Job"),
		TrainingJobStatus: &status, HyperParameters: map[string]string{"depth": "5", "name": `"x"`}, ExperimentConfig: config,
		FinalMetricDataList: []awsapi.MetricData{{MetricName: new("rmse"), Value: new(float32(2)), Timestamp: awsapi.Stamp(time.Now())}}})}
}

func TestAJobBecomesAComponentOfItsTrial(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config *awsapi.ExperimentConfig
		trial  string
	}{
		"no config":        {nil, ""},
		"a trial":          {&awsapi.ExperimentConfig{ExperimentName: new("e"), TrialName: new("t"), RunName: new("c")}, "t"},
		"no trial":         {&awsapi.ExperimentConfig{ExperimentName: new("e")}, "Default-Run-Group-e"},
		"a trial that was": {&awsapi.ExperimentConfig{ExperimentName: new("e"), TrialName: new("gone")}, ""},
		"no experiment":    {&awsapi.ExperimentConfig{ExperimentName: new("gone")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := platformtest.New(t)
			s := open(t, env)
			filed(t, env, s)
			for _, status := range []string{"InProgress", "Completed"} {
				if err := env.DB.Update(env.Ctx, func(tx *store.Tx) error { return tx.Emit(trained(status, c.config)) }); err != nil {
					t.Fatal(err)
				}
			}
			of := &awsapi.DescribeTrialComponentRequest{TrialComponentName: new("job-aws-training-job")}
			platformtest.Eventually(t, "the job's component", func() bool {
				d, err := s.DescribeTrialComponent(env.Ctx, of)
				return err == nil && *d.Status.PrimaryStatus == awsapi.TrialComponentPrimaryStatusCompleted
			})
			d := must[awsapi.DescribeTrialComponentResponse](t)(s.DescribeTrialComponent(env.Ctx, of))
			if *d.Parameters["depth"].NumberValue != 5 || *d.Parameters["name"].StringValue != `"x"` || *d.Metrics[0].Last != 2 {
				t.Errorf("component %+v", d)
			}
			trials := must[awsapi.ListTrialsResponse](t)(s.ListTrials(env.Ctx, &awsapi.ListTrialsRequest{TrialComponentName: of.TrialComponentName}))
			got := ""
			for _, x := range trials.TrialSummaries {
				got += *x.TrialName
			}
			if got != c.trial {
				t.Errorf("in trial %q, want %q", got, c.trial)
			}
		})
	}
}

func TestWhatAJobReportedIsASeries(t *testing.T) {
	t.Parallel()
	env := platformtest.New(t)
	s := open(t, env)
	var job awsapi.DescribeTrainingJobResponse
	event := trained("Completed", nil)
	if err := json.Unmarshal(event.Data, &job); err != nil {
		t.Fatal(err)
	}
	values := map[string][]awsapi.RawMetricData{}
	for i := range 5 {
		values["rmse"] = append(values["rmse"], awsapi.RawMetricData{MetricName: new("rmse"), Value: new(float64(6 - i)), Step: new(int32(i)), Timestamp: awsapi.Stamp(time.Now())})
	}
	if err := env.DB.Update(env.Ctx, func(tx *store.Tx) error {
		if err := tx.Emit(event); err != nil {
			return err
		}
		return s.KeepSeries(tx, &job, values)
	}); err != nil {
		t.Fatal(err)
	}
	platformtest.Eventually(t, "the job's component", func() bool {
		d, err := s.DescribeTrialComponent(env.Ctx, &awsapi.DescribeTrialComponentRequest{TrialComponentName: new("job-aws-training-job")})
		return err == nil && d.CreatedBy != nil && len(d.Metrics) == 1 && *d.Metrics[0].Count == 5 && *d.Metrics[0].Last == 2 && *d.Metrics[0].Max == 6
	})
	cloudWatch(t, env, s)
}

// cloudWatch asks for the series that TestWhatAJobReportedIsASeries left.
func cloudWatch(t *testing.T, env *platformtest.Env, s *experiments.Service) {
	now := time.Now()
	dimensions := []awsapi.CloudWatchDimension{{Name: new("TrainingJobName"), Value: new("Job")}}
	in := func(change func(*awsapi.GetMetricStatisticsInput)) *awsapi.GetMetricStatisticsInput {
		x := &awsapi.GetMetricStatisticsInput{Namespace: new("/aws/sagemaker/TrainingJobs"), MetricName: new("rmse"), Dimensions: dimensions, Period: new(int32(3600)),
			Statistics: []string{"Average", "Maximum"}, StartTime: awsapi.Stamp(now.Add(-2 * time.Hour)), EndTime: awsapi.Stamp(now.Add(time.Hour))}
		change(x)
		return x
	}
	got := must[awsapi.GetMetricStatisticsOutput](t)(s.GetMetricStatistics(env.Ctx, in(func(*awsapi.GetMetricStatisticsInput) {})))
	all, most := 0.0, 0.0
	for _, d := range got.Datapoints { // an hour may have ended while the values were made
		all, most = all+*d.Average, max(most, *d.Maximum)
		if d.Sum != nil || d.Timestamp.Unix()%3600 != 0 {
			t.Errorf("%+v", d)
		}
	}
	if len(got.Datapoints) == 0 || len(got.Datapoints) == 1 && all != 4 || most != 6 {
		t.Errorf("%+v", got)
	}
	for name, change := range map[string]func(*awsapi.GetMetricStatisticsInput){
		"another namespace": func(x *awsapi.GetMetricStatisticsInput) { x.Namespace = new("AWS/SageMaker") },
		"another metric":    func(x *awsapi.GetMetricStatisticsInput) { x.MetricName = new("mae") },
		"another job": func(x *awsapi.GetMetricStatisticsInput) {
			x.Dimensions = []awsapi.CloudWatchDimension{{Name: new("TrainingJobName"), Value: new("other")}}
		},
		"no dimension": func(x *awsapi.GetMetricStatisticsInput) { x.Dimensions = nil },
		"another time": func(x *awsapi.GetMetricStatisticsInput) { x.EndTime = awsapi.Stamp(now.Add(-time.Hour)) },
	} {
		if got, err := s.GetMetricStatistics(env.Ctx, in(change)); err != nil || len(got.Datapoints) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for want, change := range map[string]func(*awsapi.GetMetricStatisticsInput){
		"Period must be":    func(x *awsapi.GetMetricStatisticsInput) { x.Period = new(int32(7)) },
		"StartTime must":    func(x *awsapi.GetMetricStatisticsInput) { x.EndTime = x.StartTime },
		"limit of 1440":     func(x *awsapi.GetMetricStatisticsInput) { x.Period = new(int32(1)) },
		"Statistics must":   func(x *awsapi.GetMetricStatisticsInput) { x.Statistics = nil },
		"ExtendedStatistic": func(x *awsapi.GetMetricStatisticsInput) { x.ExtendedStatistics = []string{"p50"} },
	} {
		if _, err := s.GetMetricStatistics(env.Ctx, in(change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	listed := must[awsapi.ListMetricsOutput](t)(s.ListMetrics(env.Ctx, &awsapi.ListMetricsInput{Dimensions: []awsapi.DimensionFilter{{Name: new("TrainingJobName"), Value: new("Job")}}}))
	if len(listed.Metrics) != 1 || *listed.Metrics[0].MetricName != "rmse" || *listed.Metrics[0].Dimensions[0].Value != "Job" {
		t.Errorf("%+v", listed)
	}
	query := awsapi.MetricDataQuery{Id: new("a"), MetricStat: &awsapi.MetricStat{Metric: &awsapi.Metric{Namespace: new("/aws/sagemaker/TrainingJobs"), MetricName: new("rmse"), Dimensions: dimensions},
		Period: new(int32(60)), Stat: new("SampleCount")}}
	data := must[awsapi.GetMetricDataOutput](t)(s.GetMetricData(env.Ctx, &awsapi.GetMetricDataInput{MetricDataQueries: []awsapi.MetricDataQuery{query},
		StartTime: awsapi.Stamp(now.Add(-time.Hour)), EndTime: awsapi.Stamp(now.Add(time.Hour))}))
	n := 0.0
	for _, v := range data.MetricDataResults[0].Values {
		n += v
	}
	if n != 5 || len(data.MetricDataResults[0].Timestamps) != len(data.MetricDataResults[0].Values) {
		t.Errorf("%+v", data)
	}
	if _, err := s.GetMetricData(env.Ctx, &awsapi.GetMetricDataInput{MetricDataQueries: []awsapi.MetricDataQuery{{Id: new("e"), Expression: new("a*2")}}}); err == nil || !strings.Contains(err.Error(), "expressions") {
		t.Errorf("an expression: %v", err)
	}
}
