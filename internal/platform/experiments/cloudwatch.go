package experiments

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// What CloudWatch has here is the metrics of training jobs, in the namespace and with the dimension that they have on AWS. Others are empty.
const (
	trainingNamespace = "/aws/sagemaker/TrainingJobs"
	trainingDimension = "TrainingJobName"
)

// statistics are what can be asked of a bucket, by the names that CloudWatch has for them.
var statistics = map[string]func(*bucket) float64{
	"SampleCount": func(b *bucket) float64 { return float64(b.n) },
	"Average":     func(b *bucket) float64 { return b.sum / float64(b.n) },
	"Sum":         func(b *bucket) float64 { return b.sum },
	"Minimum":     func(b *bucket) float64 { return b.min },
	"Maximum":     func(b *bucket) float64 { return b.max },
}

// maxDatapoints is the most that one call of GetMetricStatistics gives.
const maxDatapoints = 1440

// GetMetricStatistics gives the values of a metric by periods of in.Period seconds, in the order of time. Times are UTC.
func (s *Service) GetMetricStatistics(ctx context.Context, in *awsapi.GetMetricStatisticsInput) (*awsapi.GetMetricStatisticsOutput, error) {
	if err := checkPeriod(*in.Period, in.StartTime, in.EndTime); err != nil {
		return nil, err
	}
	if len(in.ExtendedStatistics) > 0 || len(in.Statistics) == 0 {
		return nil, awsapi.Validation("Statistics must name one or more of SampleCount, Average, Sum, Minimum and Maximum; ExtendedStatistics are not served.")
	}
	if n := in.EndTime.Sub(in.StartTime.Time).Seconds() / float64(*in.Period); n > maxDatapoints {
		return nil, &awsapi.Error{Code: "InvalidParameterCombinationException", Status: 400, Message: fmt.Sprintf(
			"You have requested up to %.0f datapoints, which exceeds the limit of %d. You may reduce the datapoints requested by increasing Period, or decreasing the time range.", n, maxDatapoints)}
	}
	out := &awsapi.GetMetricStatisticsOutput{Label: in.MetricName}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		buckets, err := bucketsOf(tx, identity.From(ctx).Scope(), *in.Namespace, *in.MetricName, in.Dimensions, int64(*in.Period), in.StartTime, in.EndTime)
		for _, x := range sortedKeys(buckets) {
			b := buckets[x]
			d := awsapi.Datapoint{Timestamp: awsapi.Stamp(time.Unix(x, 0)), Unit: new(awsapi.StandardUnitNone)}
			for name, member := range map[string]**float64{"SampleCount": &d.SampleCount, "Average": &d.Average, "Sum": &d.Sum, "Minimum": &d.Minimum, "Maximum": &d.Maximum} {
				if slices.Contains(in.Statistics, name) {
					*member = new(statistics[name](b))
				}
			}
			out.Datapoints = append(out.Datapoints, d)
		}
		return err
	})
}

// GetMetricData answers several queries at once, the newest values first unless in.ScanBy says otherwise. Expressions are refused.
func (s *Service) GetMetricData(ctx context.Context, in *awsapi.GetMetricDataInput) (*awsapi.GetMetricDataOutput, error) {
	for _, q := range in.MetricDataQueries {
		if q.MetricStat == nil {
			return nil, awsapi.Validation("The query '%s' has no MetricStat; expressions are not served.", awsapi.Val(q.Id))
		}
		if err := checkPeriod(*q.MetricStat.Period, in.StartTime, in.EndTime); err != nil {
			return nil, err
		}
		if statistics[*q.MetricStat.Stat] == nil {
			return nil, awsapi.Validation("The query '%s' has the Stat '%s'; served are SampleCount, Average, Sum, Minimum and Maximum.", awsapi.Val(q.Id), *q.MetricStat.Stat)
		}
	}
	out := &awsapi.GetMetricDataOutput{}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		out.MetricDataResults = nil
		for _, q := range in.MetricDataQueries {
			m := q.MetricStat.Metric
			buckets, err := bucketsOf(tx, identity.From(ctx).Scope(), awsapi.Val(m.Namespace), awsapi.Val(m.MetricName), m.Dimensions, int64(*q.MetricStat.Period), in.StartTime, in.EndTime)
			if err != nil {
				return err
			}
			result := awsapi.MetricDataResult{Id: q.Id, Label: m.MetricName, StatusCode: new(awsapi.StatusCodeComplete)}
			if q.Label != nil {
				result.Label = q.Label
			}
			times := sortedKeys(buckets)
			if awsapi.Val(in.ScanBy) != awsapi.ScanByTimestampAscending {
				slices.Reverse(times)
			}
			for _, x := range times {
				result.Timestamps = append(result.Timestamps, *awsapi.Stamp(time.Unix(x, 0)))
				result.Values = append(result.Values, statistics[*q.MetricStat.Stat](buckets[x]))
			}
			if q.ReturnData == nil || *q.ReturnData {
				out.MetricDataResults = append(out.MetricDataResults, result)
			}
		}
		return nil
	})
}

// ListMetrics lists the metrics of training jobs, those of the newest job first.
func (s *Service) ListMetrics(ctx context.Context, in *awsapi.ListMetricsInput) (*awsapi.ListMetricsOutput, error) {
	out := &awsapi.ListMetricsOutput{}
	if in.Namespace != nil && *in.Namespace != trainingNamespace {
		return out, nil
	}
	job := ""
	for _, d := range in.Dimensions {
		if *d.Name != trainingDimension {
			return out, nil
		}
		job = awsapi.Val(d.Value)
	}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		scope := identity.From(ctx).Scope()
		q := store.Query{Limit: 100, Token: awsapi.Val(in.NextToken), Keys: map[string]string{}, SortBy: store.ByCreated, Descending: true}
		if job != "" {
			q.Keys["source"] = trainingARN(scope, job)
		}
		page, err := componentRows.List(tx, scope, q)
		out.Metrics, out.NextToken = nil, awsapi.Optional(page.Next)
		for i := range page.Items {
			name := page.Items[i].TrainingJob
			if name == "" {
				continue
			}
			for _, metric := range sortedKeys(page.Items[i].Sums) {
				if in.MetricName == nil || *in.MetricName == metric {
					out.Metrics = append(out.Metrics, awsapi.Metric{Namespace: new(trainingNamespace), MetricName: &metric,
						Dimensions: []awsapi.CloudWatchDimension{{Name: new(trainingDimension), Value: &name}}})
				}
			}
		}
		return err
	})
}

// trainingARN is the ARN of a training job by its name, which has small letters there.
func trainingARN(scope store.Scope, name string) string {
	return scope.ARN("training-job/" + strings.ToLower(name))
}

// checkPeriod refuses what is no period of CloudWatch's, in seconds, and times without one between them.
func checkPeriod(period int32, start, end *awsapi.Time) error {
	if period != 1 && period != 5 && period != 10 && period != 20 && period != 30 && (period < 60 || period%60 != 0) {
		return awsapi.Validation("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60; it is %d.", period)
	}
	if !start.Before(end.Time) {
		return awsapi.Validation("The parameter StartTime must be less than the parameter EndTime.")
	}
	return nil
}

// bucketsOf gathers the values of a metric from start until before end, by the beginning of their period in seconds since 1970.
func bucketsOf(tx *store.Tx, scope store.Scope, namespace, metric string, dimensions []awsapi.CloudWatchDimension, period int64, start, end *awsapi.Time) (map[int64]*bucket, error) {
	if namespace != trainingNamespace || len(dimensions) != 1 || awsapi.Val(dimensions[0].Name) != trainingDimension {
		return nil, nil
	}
	c, err := componentOf(tx, scope, trainingARN(scope, awsapi.Val(dimensions[0].Value)))
	if awsapi.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	buckets := map[int64]*bucket{}
	return buckets, eachChunk(tx, scope, seriesOf(*c.TrialComponentName, metric), func(k *chunk) error {
		for _, p := range k.Points {
			if x := p.At - p.At%period; x >= start.Unix()-start.Unix()%period && p.At < end.Unix() {
				if buckets[x] == nil {
					buckets[x] = &bucket{min: math.Inf(1), max: math.Inf(-1)}
				}
				buckets[x].add(p)
			}
		}
		return nil
	})
}
