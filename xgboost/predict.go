package xgboost

import (
	"errors"
	"fmt"
	"runtime"
)

// Predict returns the predictions of the rows of x, Outputs of them for each row, row after row, by the library and on all cores.
func (m *Model) Predict(x Dense) ([]float32, error) {
	if err := x.check(); err != nil {
		return nil, err
	}
	b, err := m.library()
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(m)
	if x.Cols != m.features {
		return nil, wrongFeatures(x.Cols, m.features)
	}
	if m.inPlace() {
		var out []float32
		err := onOwnThread(func() (err error) {
			out, err = b.predictDense(x)
			return err
		})
		return out, err
	}
	matrix, err := NewDMatrix(x, Info{}, 0)
	if err != nil {
		return nil, err
	}
	defer matrix.Close()
	return m.PredictMatrix(matrix)
}

// PredictMatrix returns the predictions of a matrix, as Predict does of a table.
func (m *Model) PredictMatrix(x *Matrix) ([]float32, error) {
	b, err := m.library()
	if err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(m)
	var out []float32
	err = onOwnThread(func() (err error) {
		// A booster of its own: this prediction leaves a cache behind, which is not made for two threads.
		if b, err = newBooster(); err != nil {
			return err
		}
		defer b.free()
		if err := b.load(m.data); err != nil {
			return err
		}
		out, err = b.predictMatrix(x)
		return err
	})
	return out, err
}

// PredictRow returns the prediction of one row: by the trees in Go, or by the library for a model that those cannot do. NaN is missing.
func (m *Model) PredictRow(row []float32) ([]float32, error) {
	t, err := m.Trees()
	if err == nil {
		return t.PredictRow(row, nil)
	}
	var unsupported *UnsupportedError
	if !errors.As(err, &unsupported) {
		return nil, err
	}
	return m.Predict(Dense{Data: row, Rows: 1, Cols: len(row)})
}

// Evaluate measures the model on x. metrics are names such as "rmse" or "auc"; without any it is the objective's own.
func (m *Model) Evaluate(x *Matrix, metrics ...string) ([]Metric, error) {
	if err := Load(); err != nil {
		return nil, err
	}
	evals := []Eval{{Name: "data", Data: x}}
	var out []Metric
	err := onOwnThread(func() error {
		b, err := newBooster()
		if err != nil {
			return err
		}
		defer b.free()
		if err := b.load(m.data); err != nil {
			return err
		}
		for _, metric := range metrics {
			if err := b.set([]Param{{"eval_metric", metric}}); err != nil {
				return err
			}
		}
		line, err := b.eval(0, evals)
		if err != nil {
			return err
		}
		out, err = parseMetrics(line, evals)
		return err
	})
	for i := range out {
		out[i].Eval = ""
	}
	return out, err
}

// inPlace says whether the library may read a table where it lies. A dart model sums differently then, and a linear one cannot.
func (m *Model) inPlace() bool {
	t, err := m.Trees()
	return err == nil && t.weights == nil
}

func wrongFeatures(have, want int) error {
	return fmt.Errorf("the row has %d features; the model was trained with %d", have, want)
}

// Features returns the number of features of a row.
func (m *Model) Features() (int, error) {
	if t, err := m.Trees(); err == nil {
		return t.Features(), nil
	}
	_, err := m.library()
	return m.features, err
}
