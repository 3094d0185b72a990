package builtin

import (
	"fmt"
	"math"
	"strings"

	"github.com/mobula-ml/mobula/xgboost"
)

// checkLabels refuses labels that the objective has no meaning for. The library would, too, but names its own estimate of the base
// score where the label is at fault.
func (b blocks) checkLabels(p xgboost.Params) error {
	if p.Objective == nil {
		return nil
	}
	holds, rule := labelRule(*p.Objective, p.NumClass)
	if holds == nil {
		return nil
	}
	for _, one := range b {
		for _, y := range one.labels {
			if !holds(y) {
				return fmt.Errorf("label %v: objective %q needs labels %s", y, *p.Objective, rule)
			}
		}
	}
	return nil
}

func labelRule(objective string, classes *int) (holds func(float32) bool, rule string) {
	family, _, _ := strings.Cut(objective, ":")
	switch {
	case family == "binary", objective == "reg:logistic":
		return func(y float32) bool { return y >= 0 && y <= 1 }, "from 0 to 1"
	case family == "multi" && classes != nil:
		return func(y float32) bool { return y >= 0 && y < float32(*classes) && y == float32(math.Floor(float64(y))) },
			fmt.Sprintf("0, 1, … %d (num_class is %d)", *classes-1, *classes)
	case objective == "count:poisson", objective == "reg:tweedie":
		return func(y float32) bool { return y >= 0 }, "of at least 0"
	case objective == "reg:gamma":
		return func(y float32) bool { return y > 0 }, "above 0"
	case objective == "reg:squaredlogerror":
		return func(y float32) bool { return y > -1 }, "above -1"
	}
	return nil, ""
}
