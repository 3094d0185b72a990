package experiments

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// maxMetrics is the service's quota of metrics of one trial component.
const maxMetrics = 1000

// BatchPutMetrics adds values to the metrics of a trial component. A value that cannot be added is named in the answer; the others are added.
func (s *Service) BatchPutMetrics(ctx context.Context, in *awsapi.BatchPutMetricsRequest) (*awsapi.BatchPutMetricsResponse, error) {
	scope := identity.From(ctx).Scope()
	out := &awsapi.BatchPutMetricsResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		out.Errors = nil
		c, err := getComponent(tx, scope, in.TrialComponentName)
		if err != nil {
			return err
		}
		now := s.World.Now()
		good := map[string][]awsapi.RawMetricData{}
		for i, m := range in.MetricData {
			if code := c.refusal(m, good, now); code != "" {
				out.Errors = append(out.Errors, awsapi.BatchPutMetricsError{Code: &code, MetricIndex: new(int32(i))})
				continue
			}
			good[*m.MetricName] = append(good[*m.MetricName], m)
		}
		for _, name := range sortedKeys(good) {
			if err := c.put(tx, scope, name, good[name]); err != nil {
				return err
			}
		}
		c.LastModifiedTime = awsapi.Stamp(now)
		return componentRows.Put(tx, scope, *c.TrialComponentName, c)
	})
}

// refusal returns the code of what is wrong with a value, or "".
func (c *component) refusal(m awsapi.RawMetricData, good map[string][]awsapi.RawMetricData, now time.Time) string {
	if math.IsNaN(*m.Value) || math.IsInf(*m.Value, 0) || !timely(m.Timestamp.Time, now) {
		return awsapi.PutMetricsErrorCodeVALIDATIONERROR
	}
	if c.metric(*m.MetricName) == nil && good[*m.MetricName] == nil && len(c.Metrics)+len(good) >= maxMetrics {
		return awsapi.PutMetricsErrorCodeMETRICLIMITEXCEEDED
	}
	return ""
}

// put adds values to one metric: to its summary and to its series.
func (c *component) put(tx *store.Tx, scope store.Scope, name string, values []awsapi.RawMetricData) error {
	t := c.Sums[name]
	summary := c.metric(name)
	if summary == nil || t.Count == 0 { // what a job said of it so far has no values
		c.Metrics = slices.DeleteFunc(c.Metrics, func(m awsapi.TrialComponentMetricSummary) bool { return *m.MetricName == name })
		x := *values[0].Value
		c.Metrics = append(c.Metrics, awsapi.TrialComponentMetricSummary{MetricName: &name, SourceArn: c.TrialComponentArn, Min: new(x), Max: new(x)})
		summary = &c.Metrics[len(c.Metrics)-1]
	}
	points := make([]point, len(values))
	for i, m := range values {
		x := *m.Value
		points[i] = point{At: m.Timestamp.Unix(), Step: -1, Value: x}
		if m.Step != nil {
			points[i].Step = int64(*m.Step)
		}
		t.Sum, t.Squares = t.Sum+x, t.Squares+x*x
		summary.Min, summary.Max = new(math.Min(*summary.Min, x)), new(math.Max(*summary.Max, x))
		if summary.TimeStamp == nil || !m.Timestamp.Before(summary.TimeStamp.Time) {
			summary.Last, summary.TimeStamp = &x, m.Timestamp
		}
	}
	if err := appendPoints(tx, scope, seriesOf(*c.TrialComponentName, name), t.Count, points); err != nil {
		return err
	}
	t.Count += len(points)
	n := float64(t.Count)
	mean := t.Sum / n
	summary.Count, summary.Avg, summary.StdDev = new(int32(t.Count)), &mean, new(math.Sqrt(math.Max(0, t.Squares/n-mean*mean)))
	if c.Sums == nil {
		c.Sums = map[string]sum{}
	}
	c.Sums[name] = t
	return nil
}

func (c *component) metric(name string) *awsapi.TrialComponentMetricSummary {
	for i := range c.Metrics {
		if *c.Metrics[i].MetricName == name {
			return &c.Metrics[i]
		}
	}
	return nil
}

// KeepSeries adds the values that a training job reported to the job's component, which may not have been made yet.
func (s *Service) KeepSeries(tx *store.Tx, job *awsapi.DescribeTrainingJobResponse, values map[string][]awsapi.RawMetricData) error {
	scope := scopeOf(*job.TrainingJobArn)
	c := fromTraining(job)
	name := *c.TrialComponentName
	known, err := componentRows.Get(tx, scope, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		c.TrialComponentArn, c.CreationTime, c.LastModifiedTime = componentARN(scope, name), now(s), now(s)
		err = componentRows.Insert(tx, scope, name, *c.TrialComponentArn, c)
	case err == nil:
		c = known
	}
	if err != nil {
		return err
	}
	for _, metric := range sortedKeys(values) {
		if c.metric(metric) == nil && len(c.Metrics) >= maxMetrics {
			continue
		}
		if err := c.put(tx, scope, metric, values[metric]); err != nil {
			return err
		}
	}
	return componentRows.Put(tx, scope, name, c)
}
