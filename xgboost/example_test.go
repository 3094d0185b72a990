package xgboost_test

import (
	"context"
	"fmt"
	"math"

	"github.com/mobula-ml/mobula/xgboost"
)

// A model learns y = 10·x from a table, and predicts a row in Go.
func Example() {
	x := xgboost.Dense{Rows: 200, Cols: 1}
	var labels []float32
	for i := range x.Rows {
		x.Data = append(x.Data, float32(i%20))
		labels = append(labels, float32(i%20)*10)
	}
	data, err := xgboost.NewDMatrix(x, xgboost.Info{Labels: labels}, 0)
	if err != nil {
		panic(err)
	}
	defer data.Close()
	model, err := xgboost.Train(context.Background(), xgboost.Params{Eta: new(0.5), MaxDepth: new(5)}, data, xgboost.TrainOptions{
		Rounds: 20,
		Evals:  []xgboost.Eval{{Name: "train", Data: data}},
		Progress: func(r xgboost.Round) {
			if r.Index%10 == 9 {
				fmt.Printf("round %d of %d: %s %.2f\n", r.Index+1, r.Rounds, r.Metrics[0].Name, r.Metrics[0].Value)
			}
		},
	})
	if err != nil {
		panic(err)
	}
	prediction, err := model.PredictRow([]float32{7})
	if err != nil {
		panic(err)
	}
	fmt.Printf("x = 7: %.0f\n", prediction[0])
	// Output:
	// round 10 of 20: rmse 0.12
	// round 20 of 20: rmse 0.00
	// x = 7: 70
}

// A quantile matrix takes its rows in batches, here with a missing value, and may be shared between trainings.
func ExampleNewQuantileDMatrix() {
	nan := float32(math.NaN())
	data, err := xgboost.NewQuantileDMatrix(xgboost.Batches(
		xgboost.Batch{Columns: [][]float32{{1, 2, 3}, {0, nan, 1}}, Info: xgboost.Info{Labels: []float32{1, 2, 3}}},
		xgboost.Batch{Columns: [][]float32{{4, 5}, {0, 1}}, Info: xgboost.Info{Labels: []float32{4, 5}}},
	), xgboost.QuantileOptions{})
	if err != nil {
		panic(err)
	}
	defer data.Close()
	fmt.Println(data.Rows(), "rows,", data.Cols(), "features")
	// Output: 5 rows, 2 features
}
