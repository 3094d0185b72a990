package jobs

import (
	"bufio"
	"errors"
	"io"
	"math"
	"os"
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

// series reads every value of every metric in the log of the first host. Lines carry no time, so they share the time that the job ran.
func (p *pass) series(ended time.Time) (map[string][]awsapi.RawMetricData, error) {
	if p.svc.Series == nil || p.job.Training == nil || p.job.Started == nil {
		return nil, nil
	}
	f, err := os.Open(p.svc.logPath(p.job, 1))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	took := float64(ended.Sub(*p.job.Started)) / float64(max(1, info.Size()))
	out := map[string][]awsapi.RawMetricData{}
	definitions := p.job.definitions()
	lines := bufio.NewReaderSize(f, 1<<16)
	for offset := int64(0); ; {
		line, err := lines.ReadSlice('\n')
		eachMetric(string(line), definitions, p.job.xgboost(), func(name, text string) {
			x, wrong := strconv.ParseFloat(text, 64)
			if wrong != nil || math.IsNaN(x) || math.IsInf(x, 0) || len(out[name]) == maxPoints {
				return
			}
			step := int32(len(out[name]))
			if m := roundNumber.FindSubmatch(line); m != nil && p.job.xgboost() {
				if n, err := strconv.ParseInt(string(m[1]), 10, 32); err == nil {
					step = int32(n)
				}
			}
			at := p.job.Started.Add(time.Duration(took * float64(offset)))
			out[name] = append(out[name], awsapi.RawMetricData{MetricName: &name, Value: &x, Step: &step, Timestamp: awsapi.Stamp(at)})
		})
		offset += int64(len(line))
		if err == io.EOF {
			return out, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
}
