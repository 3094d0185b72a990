package jobs

import (
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
)

// Series keeps the values that the metrics of a training job had, in the transaction of the job's end.
type Series interface {
	KeepSeries(tx *store.Tx, job *awsapi.DescribeTrainingJobResponse, values map[string][]awsapi.RawMetricData) error
}

// maxPoints is how many values of one metric are kept: the first ones.
const maxPoints = 10_000

// roundNumber is the step in a line such as `[12]#011validation-rmse:2.5`.
var roundNumber = regexp.MustCompile(`\[(\d+)\]`)

// series reads every value of every metric in the logs of the hosts, of the first host that has it. Lines carry no time, so they share the time that
// the job ran.
func (p *pass) series(ended time.Time) (map[string][]awsapi.RawMetricData, error) {
	if p.svc.Series == nil || p.job.Training == nil || p.job.Started == nil {
		return nil, nil
	}
	took := ended.Sub(*p.job.Started)
	all := map[string][]awsapi.RawMetricData{}
	definitions := p.job.definitions()
	_, hosts := p.job.cluster()
	for n := 1; n <= hosts; n++ {
		of := map[string][]awsapi.RawMetricData{}
		err := p.eachLine(n, func(line []byte, offset, size int64) {
			at := p.job.Started.Add(time.Duration(float64(took) * float64(offset) / float64(max(1, size))))
			eachMetric(string(line), definitions, p.job.xgboost(), func(name, text string) {
				x, wrong := strconv.ParseFloat(text, 64)
				if wrong != nil || math.IsNaN(x) || math.IsInf(x, 0) || len(of[name]) == maxPoints {
					return
				}
				step := int32(len(of[name]))
				if m := roundNumber.FindSubmatch(line); m != nil && p.job.xgboost() {
					if n, err := strconv.ParseInt(string(m[1]), 10, 32); err == nil {
						step = int32(n)
					}
				}
				of[name] = append(of[name], awsapi.RawMetricData{MetricName: &name, Value: &x, Step: &step, Timestamp: awsapi.Stamp(at)})
			})
		})
		if err != nil {
			return nil, err
		}
		for name, values := range of {
			if all[name] == nil {
				all[name] = values
			}
		}
	}
	return all, nil
}
