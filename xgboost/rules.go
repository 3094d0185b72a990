package xgboost

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ParamError says that a parameter's value breaks its rule.
type ParamError struct{ Name, Value, Rule string }

func (e *ParamError) Error() string {
	return fmt.Sprintf("hyper-parameter %q: value %q: %s", e.Name, e.Value, e.Rule)
}

// rule is the range of one parameter. Ranges are those of SageMaker's built-in XGBoost algorithm.
type rule struct {
	kind             kind
	low, high        float64
	openLow, openTop bool     // whether the bound itself is outside
	choices          []string // for choice and list
}

type kind int

const (
	integer kind = iota
	number
	choice
	list
	text
)

var (
	inf      = math.Inf(1)
	positive = rule{kind: number, low: 0, high: inf}
	above0   = rule{kind: number, low: 0, high: inf, openLow: true}
	share    = rule{kind: number, low: 0, high: 1}
	portion  = rule{kind: number, low: 0, high: 1, openLow: true}
	flag     = rule{kind: integer, low: 0, high: 1}
	count0   = rule{kind: integer, low: 0, high: math.MaxInt32}
	count1   = rule{kind: integer, low: 1, high: math.MaxInt32}
)

func oneOf(choices ...string) rule { return rule{kind: choice, choices: choices} }

var rules = map[string]rule{
	"objective": oneOf("reg:squarederror", "reg:squaredlogerror", "reg:logistic", "reg:pseudohubererror", "reg:absoluteerror",
		"reg:quantileerror", "reg:gamma", "reg:tweedie", "binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson",
		"multi:softmax", "multi:softprob", "rank:pairwise", "rank:ndcg", "rank:map", "survival:aft", "survival:cox"),
	"num_class":                   {kind: integer, low: 2, high: math.MaxInt32},
	"booster":                     oneOf("gbtree", "gblinear", "dart"),
	"eta":                         share,
	"gamma":                       positive,
	"max_depth":                   count0,
	"min_child_weight":            positive,
	"max_delta_step":              positive,
	"subsample":                   portion,
	"sampling_method":             oneOf("uniform", "gradient_based"),
	"colsample_bytree":            portion,
	"colsample_bylevel":           portion,
	"colsample_bynode":            portion,
	"lambda":                      positive,
	"alpha":                       positive,
	"tree_method":                 oneOf("auto", "exact", "approx", "hist"),
	"grow_policy":                 oneOf("depthwise", "lossguide"),
	"max_leaves":                  count0,
	"max_bin":                     {kind: integer, low: 2, high: math.MaxInt32},
	"num_parallel_tree":           count1,
	"updater":                     {kind: text},
	"refresh_leaf":                flag,
	"process_type":                oneOf("default", "update"),
	"monotone_constraints":        {kind: text},
	"interaction_constraints":     {kind: text},
	"max_cat_to_onehot":           count1,
	"scale_pos_weight":            above0,
	"base_score":                  {kind: number, low: -inf, high: inf},
	"seed":                        {kind: integer, low: math.MinInt32, high: math.MaxInt32},
	"sample_type":                 oneOf("uniform", "weighted"),
	"normalize_type":              oneOf("tree", "forest"),
	"rate_drop":                   share,
	"one_drop":                    flag,
	"skip_drop":                   share,
	"tweedie_variance_power":      {kind: number, low: 1, high: 2, openLow: true, openTop: true},
	"aft_loss_distribution":       oneOf("normal", "logistic", "extreme"),
	"aft_loss_distribution_scale": above0,
	"eval_metric":                 {kind: list},
	"nthread":                     count1,
	"verbosity":                   {kind: integer, low: 0, high: 3},
}

func checkParam(name, value string) error {
	r, ok := rules[name]
	if !ok {
		return nil
	}
	value = strings.TrimSpace(value)
	broken := func(format string, args ...any) error {
		return &ParamError{Name: name, Value: value, Rule: fmt.Sprintf(format, args...)}
	}
	switch r.kind {
	case integer:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return broken("a whole number %s is needed", r.interval())
		}
		if !r.holds(float64(n)) {
			return broken("out of range; a whole number %s is needed", r.interval())
		}
	case number:
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return broken("a number %s is needed", r.interval())
		}
		if !r.holds(f) {
			return broken("out of range; a number %s is needed", r.interval())
		}
	case choice:
		if !slices.Contains(r.choices, value) {
			return broken("it must be one of %s", strings.Join(r.choices, ", "))
		}
	case list, text:
		if value == "" {
			return broken("it may not be empty")
		}
	}
	return nil
}

func (r rule) holds(f float64) bool {
	return (f > r.low || f == r.low && !r.openLow) && (f < r.high || f == r.high && !r.openTop)
}

// interval writes the range as words: "from 0 to 1", "above 0".
func (r rule) interval() string {
	bound := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	var words []string
	switch {
	case math.IsInf(r.low, -1) || r.low <= math.MinInt32:
	case r.openLow:
		words = append(words, "above "+bound(r.low))
	default:
		words = append(words, "from "+bound(r.low))
	}
	switch {
	case math.IsInf(r.high, 1) || r.high >= math.MaxInt32:
	case r.openTop:
		words = append(words, "below "+bound(r.high))
	default:
		words = append(words, "to "+bound(r.high))
	}
	if len(words) == 1 && strings.HasPrefix(words[0], "from ") {
		return "of at least " + bound(r.low)
	}
	return strings.Join(words, " ")
}
