package jobs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
)

// Reports reads the values that the log of a training job's first host gives to a metric, from a place in the log on, and returns the place to
// go on from. A line that is still being written is left for the next time.
func (s *Service) Reports(ctx context.Context, name, metric string, from int64) (values []float64, next int64, err error) {
	j, err := s.read(ctx, trainingKind, &name)
	if err != nil {
		return nil, from, err
	}
	f, err := os.Open(s.logPath(j, 1))
	if errors.Is(err, os.ErrNotExist) {
		return nil, from, nil
	}
	if err != nil {
		return nil, from, err
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, from, err
	}
	definitions := j.definitions()
	lines := bufio.NewReaderSize(f, 1<<16)
	for {
		line, err := lines.ReadSlice('\n')
		if err == io.EOF {
			return values, from, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return values, from, err
		}
		from += int64(len(line))
		eachMetric(string(line), definitions, j.xgboost(), func(name, text string) {
			if x, err := strconv.ParseFloat(text, 64); name == metric && err == nil {
				values = append(values, x)
			}
		})
	}
}
