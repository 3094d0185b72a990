package experiments

import (
	"cmp"
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

// A point is one value of a metric. Step is -1 where none was given.
type point struct {
	At    int64 // seconds since 1970
	Step  int64
	Value float64
}

// chunk is a row of a metric's values, in the order in which they came. All chunks of a metric but the last are full.
type chunk struct {
	Series string // "<component>/<metric>"
	Number int
	Points []point
}

// chunkSize keeps a row small enough to be written again with each batch of values.
const chunkSize = 200

var chunkRows = store.NewCollection("trial-component-metric", func(c *chunk) store.Index { return store.Index{Parent: c.Series} })

func seriesOf(component, metric string) string { return component + "/" + metric }

func (c *chunk) row() string { return fmt.Sprintf("%s/%08d", c.Series, c.Number) }

// appendPoints adds values to a metric that has n so far.
func appendPoints(tx *store.Tx, scope store.Scope, series string, n int, points []point) error {
	for len(points) > 0 {
		c := &chunk{Series: series, Number: n / chunkSize}
		took := min(len(points), chunkSize-n%chunkSize)
		var err error
		if n%chunkSize == 0 {
			c.Points = points[:took]
			err = chunkRows.Insert(tx, scope, c.row(), scope.ARN("experiment-trial-component-metric/"+c.row()), c)
		} else if c, err = chunkRows.Get(tx, scope, c.row()); err == nil {
			c.Points = append(c.Points, points[:took]...)
			err = chunkRows.Put(tx, scope, c.row(), c)
		}
		if err != nil {
			return err
		}
		n, points = n+took, points[took:]
	}
	return nil
}

// eachChunk calls fn for the chunks of a metric in their order.
func eachChunk(tx *store.Tx, scope store.Scope, series string, fn func(*chunk) error) error {
	for q := (store.Query{Parent: series, Limit: 20}); ; {
		page, err := chunkRows.List(tx, scope, q)
		if err != nil {
			return err
		}
		for i := range page.Items {
			if err := fn(&page.Items[i]); err != nil {
				return err
			}
		}
		if q.Token = page.Next; q.Token == "" {
			return nil
		}
	}
}

// dropSeries removes the values of all metrics of a component.
func dropSeries(tx *store.Tx, scope store.Scope, c *component) error {
	for metric := range c.Sums {
		var rows []string
		if err := eachChunk(tx, scope, seriesOf(*c.TrialComponentName, metric), func(k *chunk) error { rows = append(rows, k.row()); return nil }); err != nil {
			return err
		}
		for _, row := range rows {
			if err := chunkRows.Delete(tx, scope, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxBuckets is how many values one query gives; one that has more is Truncated.
const maxBuckets = 10_000

// BatchGetMetrics reads time series of metrics: the values of each period, or of each step, made one by a statistic. Times are in seconds
// since 1970. A query that cannot be answered says so in its place, and the others are answered.
func (s *Service) BatchGetMetrics(ctx context.Context, in *awsapi.BatchGetMetricsRequest) (*awsapi.BatchGetMetricsResponse, error) {
	out := &awsapi.BatchGetMetricsResponse{}
	return out, s.DB.View(ctx, func(tx *store.Tx) error {
		for i := range in.MetricQueries {
			result, err := answer(tx, identity.From(ctx).Scope(), &in.MetricQueries[i])
			if err != nil {
				return err
			}
			out.MetricQueryResults = append(out.MetricQueryResults, *result)
		}
		return nil
	})
}

// periods are the lengths of the buckets in seconds; of steps, each is one.
var periods = map[string]int64{awsapi.PeriodOneMinute: 60, awsapi.PeriodFiveMinute: 300, awsapi.PeriodOneHour: 3600, awsapi.PeriodIterationNumber: 1}

func answer(tx *store.Tx, scope store.Scope, q *awsapi.MetricQuery) (*awsapi.MetricQueryResult, error) {
	out := &awsapi.MetricQueryResult{Status: new(awsapi.MetricQueryResultStatusComplete), XAxisValues: []int64{}, MetricValues: []float64{}}
	wrong := func(format string, args ...any) (*awsapi.MetricQueryResult, error) {
		out.Status, out.Message = new(awsapi.MetricQueryResultStatusValidationError), new(fmt.Sprintf(format, args...))
		return out, nil
	}
	steps := *q.XAxisType == awsapi.XAxisTypeIterationNumber
	if steps != (*q.Period == awsapi.PeriodIterationNumber) {
		return wrong("Period '%s' does not fit XAxisType '%s'.", *q.Period, *q.XAxisType)
	}
	c, err := componentOf(tx, scope, *q.ResourceArn)
	if awsapi.IsNotFound(err) {
		return wrong("ResourceArn '%s' does not exist.", *q.ResourceArn)
	}
	if err != nil {
		return nil, err
	}
	buckets := map[int64]*bucket{}
	err = eachChunk(tx, scope, seriesOf(*c.TrialComponentName, *q.MetricName), func(k *chunk) error {
		for _, p := range k.Points {
			x := p.At
			if steps {
				x = p.Step
			}
			if steps && x < 0 || q.Start != nil && x < *q.Start || q.End != nil && x > *q.End {
				continue
			}
			x -= x % periods[*q.Period]
			if buckets[x] == nil {
				buckets[x] = &bucket{min: math.Inf(1), max: math.Inf(-1)}
			}
			buckets[x].add(p)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, x := range sortedKeys(buckets) {
		if len(out.XAxisValues) == maxBuckets {
			out.Status = new(awsapi.MetricQueryResultStatusTruncated)
			break
		}
		out.XAxisValues, out.MetricValues = append(out.XAxisValues, x), append(out.MetricValues, buckets[x].stat(*q.MetricStat))
	}
	return out, nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// componentOf finds the component that an ARN names: itself, or the one of a job.
func componentOf(tx *store.Tx, scope store.Scope, arn string) (*component, error) {
	if strings.Contains(arn, ":experiment-trial-component/") {
		c, err := componentRows.GetARN(tx, arn)
		return missing(c, err, "Trial component", arn)
	}
	page, err := componentRows.List(tx, scope, store.Query{Keys: map[string]string{"source": arn}, Limit: 1})
	if err == nil && len(page.Items) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return missing[component](nil, err, "Trial component of", arn)
	}
	return &page.Items[0], nil
}

// A bucket gathers the values of one place on the x axis.
type bucket struct {
	n                      int
	sum, squares, min, max float64
	last                   float64
	lastAt                 int64
}

func (b *bucket) add(p point) {
	b.n++
	b.sum, b.squares = b.sum+p.Value, b.squares+p.Value*p.Value
	b.min, b.max = math.Min(b.min, p.Value), math.Max(b.max, p.Value)
	if p.At >= b.lastAt {
		b.last, b.lastAt = p.Value, p.At
	}
}

func (b *bucket) stat(name string) float64 {
	mean := b.sum / float64(b.n)
	switch name {
	case awsapi.MetricStatisticMin:
		return b.min
	case awsapi.MetricStatisticMax:
		return b.max
	case awsapi.MetricStatisticAvg:
		return mean
	case awsapi.MetricStatisticCount:
		return float64(b.n)
	case awsapi.MetricStatisticStdDev:
		return math.Sqrt(math.Max(0, b.squares/float64(b.n)-mean*mean))
	}
	return b.last
}

// timely bounds the timestamps of values, as the service does: not older than two weeks, not more than two hours ahead.
func timely(at, now time.Time) bool {
	return at.After(now.Add(-14*24*time.Hour)) && at.Before(now.Add(2*time.Hour))
}
