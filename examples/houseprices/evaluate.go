package houseprices

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/mobula-ml/mobula/dataset"
	"github.com/mobula-ml/mobula/pipeline"
	"github.com/mobula-ml/mobula/xgboost"
)

// reportFile is what evaluate writes.
const reportFile = "evaluation.json"

// report has the form that the model registry reads as model quality.
type report struct {
	RegressionMetrics struct {
		RMSE measure `json:"rmse"`
		MAE  measure `json:"mae"`
	} `json:"regression_metrics"`
}

// measure is a metric and the spread of the errors that it was made from, both in dollars.
type measure struct {
	Value             float64 `json:"value"`
	StandardDeviation float64 `json:"standard_deviation"`
}

// evaluate compares what the best model says of the test set with the truth.
func evaluate(ctx context.Context, job *pipeline.Job) error {
	model, err := readModel(filepath.Join(job.Input("model"), "model.tar.gz"))
	if err != nil {
		return err
	}
	labels, rows, err := readTest(ctx, job.Input("test"))
	if err != nil {
		return err
	}
	predicted := make([]float64, len(rows))
	out := make([]float32, 0, 1)
	for i, row := range rows {
		if out, err = model.PredictRow(row, out[:0]); err != nil {
			return err
		}
		predicted[i] = float64(out[0])
	}
	r := measureErrors(labels, predicted)
	job.Logf("RMSE %.2f, MAE %.2f over %d houses", r.RegressionMetrics.RMSE.Value, r.RegressionMetrics.MAE.Value, len(rows))
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(job.Output("evaluation"), reportFile), b, 0o644)
}

// readModel takes the model out of its archive.
func readModel(archive string) (*xgboost.Trees, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", archive, err)
	}
	for entries := tar.NewReader(zip); ; {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s holds no xgboost-model", archive)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", archive, err)
		}
		if filepath.Base(h.Name) == "xgboost-model" {
			b, err := io.ReadAll(entries)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", archive, err)
			}
			return xgboost.ParseTrees(b)
		}
	}
}

// readTest reads the test set: the label first, then the features.
func readTest(ctx context.Context, folder string) (labels []float64, rows [][]float32, err error) {
	session, err := dataset.Open(dataset.Config{})
	if err != nil {
		return nil, nil, err
	}
	defer session.Close()
	schema := []dataset.Column{{Name: target, Type: "DOUBLE"}}
	for _, f := range features {
		schema = append(schema, dataset.Column{Name: f, Type: "DOUBLE"})
	}
	test, err := session.ReadCSV(ctx, folder, dataset.CSVOptions{Schema: schema, NoHeader: true})
	if err != nil {
		return nil, nil, err
	}
	data, width, err := test.Matrix(ctx)
	if err != nil {
		return nil, nil, err
	}
	for at := 0; at < len(data); at += width {
		labels = append(labels, float64(data[at]))
		rows = append(rows, data[at+1:at+width])
	}
	if len(rows) == 0 {
		return nil, nil, fmt.Errorf("the test set has no rows")
	}
	return labels, rows, nil
}

// measureErrors is RMSE and MAE, each with the population standard deviation of the errors.
func measureErrors(truth, predicted []float64) (r report) {
	n := float64(len(truth))
	var sum, squares, absolute float64
	for i := range truth {
		e := truth[i] - predicted[i]
		sum, squares, absolute = sum+e, squares+e*e, absolute+math.Abs(e)
	}
	spread := math.Sqrt(math.Max(0, squares/n-(sum/n)*(sum/n)))
	r.RegressionMetrics.RMSE = measure{math.Sqrt(squares / n), spread}
	r.RegressionMetrics.MAE = measure{absolute / n, spread}
	return r
}
