package tuning

import (
	"math"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/tune"
)

func (t *trial) describe(j *job) *awsapi.HyperParameterTrainingJobSummary {
	d := &j.Definitions[t.Definition]
	out := &awsapi.HyperParameterTrainingJobSummary{TrainingJobName: &t.Job, TrainingJobArn: &t.ARN, TuningJobName: &j.Name,
		TrainingJobDefinitionName: d.Request.DefinitionName, CreationTime: awsapi.Stamp(t.Created), TrainingJobStatus: &t.Status,
		TunedHyperParameters: t.Params, FailureReason: awsapi.Optional(t.Reason), ObjectiveStatus: new(awsapi.ObjectiveStatusPending)}
	if t.Started != nil {
		out.TrainingStartTime = awsapi.Stamp(*t.Started)
	}
	if t.Finished != nil {
		out.TrainingEndTime = awsapi.Stamp(*t.Finished)
		out.ObjectiveStatus = new(awsapi.ObjectiveStatusFailed)
	}
	if t.Metric != nil {
		out.ObjectiveStatus = new(awsapi.ObjectiveStatusSucceeded)
		out.FinalHyperParameterTuningJobObjectiveMetric = &awsapi.FinalHyperParameterTuningJobObjectiveMetric{
			MetricName: d.Objective.MetricName, Value: new(float32(*t.Metric)), Type: d.Objective.Type}
	}
	return out
}

func (j *job) describe(now time.Time) *awsapi.DescribeHyperParameterTuningJobResponse {
	config := j.Config
	config.ParameterRanges = everyKind(config.ParameterRanges)
	out := &awsapi.DescribeHyperParameterTuningJobResponse{HyperParameterTuningJobName: &j.Name, HyperParameterTuningJobArn: &j.ARN,
		HyperParameterTuningJobConfig: &config, HyperParameterTuningJobStatus: &j.Status, WarmStartConfig: j.WarmStart,
		CreationTime: awsapi.Stamp(j.Created), LastModifiedTime: awsapi.Stamp(j.Modified), FailureReason: awsapi.Optional(j.Reason)}
	if j.Several {
		for i := range j.Definitions {
			out.TrainingJobDefinitions = append(out.TrainingJobDefinitions, *j.Definitions[i].shown())
		}
	} else {
		out.TrainingJobDefinition = j.Definitions[0].shown()
	}
	out.TrainingJobStatusCounters, out.ObjectiveStatusCounters = j.Counts.describe()
	until := now
	if j.Ended != nil {
		out.HyperParameterTuningEndTime, until = awsapi.Stamp(*j.Ended), *j.Ended
	}
	out.ConsumedResources = &awsapi.HyperParameterTuningJobConsumedResources{RuntimeInSeconds: new(int32(math.Ceil(until.Sub(j.Created).Seconds())))}
	out.TuningJobCompletionDetails = &awsapi.HyperParameterTuningJobCompletionDetails{NumberOfTrainingJobsObjectiveNotImproving: &j.NotImproving}
	if j.Converged != nil {
		out.TuningJobCompletionDetails.ConvergenceDetectedTime = awsapi.Stamp(*j.Converged)
	}
	if j.Best != nil {
		out.BestTrainingJob = j.Best.describe(j)
	}
	if w := j.WarmStart; w != nil && *w.WarmStartType == awsapi.HyperParameterTuningJobWarmStartTypeIdenticalDataAndAlgorithm {
		out.OverallBestTrainingJob = better(j.goal(), j.ParentBest, out.BestTrainingJob)
	}
	return out
}

// shown is the definition with what the service adds: the objective among the static hyper-parameters, and the cluster as a ResourceConfig, which
// the Python SDK reads from a job that it made with a HyperParameterTuningResourceConfig.
func (d *definition) shown() *awsapi.HyperParameterTrainingJobDefinition {
	out := d.Request
	out.StaticHyperParameters, out.ResourceConfig, out.HyperParameterRanges = d.static(), d.cluster(), everyKind(d.Request.HyperParameterRanges)
	algorithm := *out.AlgorithmSpecification
	algorithm.MetricDefinitions = append([]awsapi.MetricDefinition{}, algorithm.MetricDefinitions...) // clients read the list when it is empty, too
	out.AlgorithmSpecification = &algorithm
	return &out
}

// everyKind gives ranges a list for every kind, as clients read them all.
func everyKind(r *awsapi.ParameterRanges) *awsapi.ParameterRanges {
	if r == nil {
		return nil
	}
	return &awsapi.ParameterRanges{IntegerParameterRanges: append([]awsapi.IntegerParameterRange{}, r.IntegerParameterRanges...),
		ContinuousParameterRanges:  append([]awsapi.ContinuousParameterRange{}, r.ContinuousParameterRanges...),
		CategoricalParameterRanges: append([]awsapi.CategoricalParameterRange{}, r.CategoricalParameterRanges...)}
}

// better is the better of two trials, of which either may be missing.
func better(goal tune.Goal, a, b *awsapi.HyperParameterTrainingJobSummary) *awsapi.HyperParameterTrainingJobSummary {
	value := func(t *awsapi.HyperParameterTrainingJobSummary) float64 {
		return float64(*t.FinalHyperParameterTuningJobObjectiveMetric.Value)
	}
	if a == nil || b != nil && goal.Better(value(b), value(a)) {
		return b
	}
	return a
}

func (c counts) describe() (*awsapi.TrainingJobStatusCounters, *awsapi.ObjectiveStatusCounters) {
	return &awsapi.TrainingJobStatusCounters{Completed: &c.Completed, InProgress: &c.InProgress, RetryableError: &c.Retryable, NonRetryableError: &c.Failed, Stopped: &c.Stopped},
		&awsapi.ObjectiveStatusCounters{Succeeded: &c.Scored, Pending: &c.InProgress, Failed: &c.Unscored}
}
