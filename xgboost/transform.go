package xgboost

/*
#cgo linux LDFLAGS: -lm
#include <math.h>
*/
import "C"

import "math"

// objective is how a sum of trees becomes a prediction, after XGBoost's src/objective. The exponential and the logarithm are the C
// library's own, which the XGBoost library calls too: Go's differ in the last bit.
type objective struct {
	// toMargin turns base_score, which is kept as a prediction, into what the sum starts at.
	toMargin func(float32) float32
	// transform turns the sums of one row into predictions in place and returns those that are left.
	transform func([]float32) []float32
}

var objectives = map[string]objective{
	"reg:squarederror":     {same, keep},
	"reg:squaredlogerror":  {same, keep},
	"reg:pseudohubererror": {same, keep},
	"reg:absoluteerror":    {same, keep},
	"reg:quantileerror":    {same, keep},
	"reg:logistic":         {logit, each(sigmoid)},
	"binary:logistic":      {logit, each(sigmoid)},
	"binary:logitraw":      {same, keep},
	"binary:hinge":         {same, each(step)},
	"reg:gamma":            {log, each(exp)},
	"reg:tweedie":          {log, each(exp)},
	"count:poisson":        {log, each(exp)},
	"survival:cox":         {log, each(exp)},
	"survival:aft":         {log, each(expWide)},
	"rank:pairwise":        {same, keep},
	"rank:ndcg":            {same, keep},
	"rank:map":             {same, keep},
	"multi:softprob":       {same, softmax},
	"multi:softmax":        {same, argmax},
}

func same(x float32) float32 { return x }

func keep(x []float32) []float32 { return x }

func each(f func(float32) float32) func([]float32) []float32 {
	return func(x []float32) []float32 {
		for i := range x {
			x[i] = f(x[i])
		}
		return x
	}
}

func exp(x float32) float32 { return float32(C.expf(C.float(x))) }

// expWide is for the one objective that computes in double precision on the way.
func expWide(x float32) float32 { return float32(C.exp(C.double(x))) }

func log(x float32) float32 { return float32(C.logf(C.float(x))) }

func step(x float32) float32 {
	if x > 0 {
		return 1
	}
	return 0
}

func sigmoid(x float32) float32 {
	const overflows = 88.7
	return 1 / (exp(min(-x, overflows)) + 1 + 1e-16)
}

// logit keeps clear of 0 and 1 by the library's epsilon.
func logit(x float32) float32 {
	const epsilon = float32(1e-6)
	x = min(max(x, epsilon), 1-epsilon)
	return -log(1/x - 1)
}

func softmax(x []float32) []float32 {
	top := x[0]
	for _, v := range x[1:] {
		top = float32(math.Max(float64(v), float64(top)))
	}
	var sum float64
	for i := range x {
		x[i] = exp(x[i] - top)
		sum += float64(x[i])
	}
	for i := range x {
		x[i] /= float32(sum)
	}
	return x
}

func argmax(x []float32) []float32 {
	best := 0
	for i := range x {
		if x[i] > x[best] {
			best = i
		}
	}
	x[0] = float32(best)
	return x[:1]
}
