package experiments

import (
	"context"
	"math"

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
		for i, m := range in.MetricData {
			if code := c.put(m); code != "" {
				out.Errors = append(out.Errors, awsapi.BatchPutMetricsError{Code: &code, MetricIndex: new(int32(i))})
			}
		}
		c.LastModifiedTime = now(s)
		return componentRows.Put(tx, scope, *c.TrialComponentName, c)
	})
}

// put adds one value and returns the code of what is wrong with it, or "".
func (c *component) put(m awsapi.RawMetricData) string {
	x := *m.Value
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return awsapi.PutMetricsErrorCodeVALIDATIONERROR
	}
	summary := c.metric(*m.MetricName)
	if summary == nil {
		if len(c.Metrics) >= maxMetrics {
			return awsapi.PutMetricsErrorCodeMETRICLIMITEXCEEDED
		}
		c.Metrics = append(c.Metrics, awsapi.TrialComponentMetricSummary{MetricName: m.MetricName, SourceArn: c.TrialComponentArn,
			Min: new(x), Max: new(x), Count: new(int32(0))})
		summary = &c.Metrics[len(c.Metrics)-1]
	}
	if c.Sums == nil {
		c.Sums = map[string]sum{}
	}
	t := c.Sums[*m.MetricName]
	t.Sum, t.Squares = t.Sum+x, t.Squares+x*x
	c.Sums[*m.MetricName] = t
	*summary.Count++
	n := float64(*summary.Count)
	mean := t.Sum / n
	summary.Min, summary.Max, summary.Last = new(math.Min(*summary.Min, x)), new(math.Max(*summary.Max, x)), &x
	summary.Avg, summary.StdDev, summary.TimeStamp = &mean, new(math.Sqrt(math.Max(0, t.Squares/n-mean*mean))), m.Timestamp
	return ""
}

func (c *component) metric(name string) *awsapi.TrialComponentMetricSummary {
	for i := range c.Metrics {
		if *c.Metrics[i].MetricName == name {
			return &c.Metrics[i]
		}
	}
	return nil
}
