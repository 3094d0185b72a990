package xgboost

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Params are XGBoost's parameters under the names that SageMaker's built-in algorithm gives them. A nil field is XGBoost's own default,
// named in each comment, so the zero value trains. `new(0.2)` makes a pointer.
type Params struct {
	Objective *string `xgb:"objective"` // What is learnt. Defaults to reg:squarederror.
	NumClass  *int    `xgb:"num_class"` // Number of classes, at least 2, for multi:softmax and multi:softprob.
	Booster   *string `xgb:"booster"`   // gbtree, dart or gblinear. Defaults to gbtree.

	Eta            *float64 `xgb:"eta"`              // Step size, 0 to 1. Defaults to 0.3.
	Gamma          *float64 `xgb:"gamma"`            // Loss reduction that a split must bring. Defaults to 0.
	MaxDepth       *int     `xgb:"max_depth"`        // Depth of a tree, 0 for no limit. Defaults to 6.
	MinChildWeight *float64 `xgb:"min_child_weight"` // Sum of hessians that a leaf must have. Defaults to 1.
	MaxDeltaStep   *float64 `xgb:"max_delta_step"`   // Bound of a leaf's weight, 0 for none. Defaults to 0.

	Subsample       *float64 `xgb:"subsample"`         // Share of rows for each tree, above 0. Defaults to 1.
	SamplingMethod  *string  `xgb:"sampling_method"`   // uniform or gradient_based. Defaults to uniform.
	ColsampleByTree *float64 `xgb:"colsample_bytree"`  // Share of columns for each tree, above 0. Defaults to 1.
	ColsampleLevel  *float64 `xgb:"colsample_bylevel"` // Share of columns for each level, above 0. Defaults to 1.
	ColsampleNode   *float64 `xgb:"colsample_bynode"`  // Share of columns for each split, above 0. Defaults to 1.

	Lambda *float64 `xgb:"lambda"` // L2 regularisation. Defaults to 1.
	Alpha  *float64 `xgb:"alpha"`  // L1 regularisation. Defaults to 0.

	TreeMethod      *string `xgb:"tree_method"`       // auto, exact, approx or hist. Defaults to auto, which is hist.
	GrowPolicy      *string `xgb:"grow_policy"`       // depthwise or lossguide. Defaults to depthwise.
	MaxLeaves       *int    `xgb:"max_leaves"`        // Leaves of a tree, 0 for no limit. Defaults to 0.
	MaxBin          *int    `xgb:"max_bin"`           // Histogram bins of a column, at least 2. Defaults to 256.
	NumParallelTree *int    `xgb:"num_parallel_tree"` // Trees in each round. Defaults to 1.
	Updater         *string `xgb:"updater"`           // Comma-separated tree updaters, chosen by TreeMethod otherwise.
	RefreshLeaf     *int    `xgb:"refresh_leaf"`      // Whether the refresh updater changes leaves too, 0 or 1. Defaults to 1.
	ProcessType     *string `xgb:"process_type"`      // default or update. Defaults to default.

	MonotoneConstraints    *string `xgb:"monotone_constraints"`    // Such as "(1,-1,0)". Defaults to none.
	InteractionConstraints *string `xgb:"interaction_constraints"` // Such as "[[0,1],[2,3]]". Defaults to none.
	MaxCatToOneHot         *int    `xgb:"max_cat_to_onehot"`       // Categories below which each gets a split of its own. Defaults to 4.

	ScalePosWeight *float64 `xgb:"scale_pos_weight"` // Weight of the positive class. Defaults to 1.
	BaseScore      *float64 `xgb:"base_score"`       // Prediction before the first tree. Estimated from the labels otherwise.
	Seed           *int     `xgb:"seed"`             // Of every random choice. Defaults to 0.

	SampleType    *string  `xgb:"sample_type"`    // dart: uniform or weighted. Defaults to uniform.
	NormalizeType *string  `xgb:"normalize_type"` // dart: tree or forest. Defaults to tree.
	RateDrop      *float64 `xgb:"rate_drop"`      // dart: share of trees dropped, 0 to 1. Defaults to 0.
	OneDrop       *int     `xgb:"one_drop"`       // dart: whether at least one tree is dropped, 0 or 1. Defaults to 0.
	SkipDrop      *float64 `xgb:"skip_drop"`      // dart: chance that a round drops none, 0 to 1. Defaults to 0.

	TweediePower *float64 `xgb:"tweedie_variance_power"`      // Between 1 and 2. Defaults to 1.5.
	AFTLoss      *string  `xgb:"aft_loss_distribution"`       // normal, logistic or extreme. Defaults to normal.
	AFTLossScale *float64 `xgb:"aft_loss_distribution_scale"` // Defaults to 1.

	EvalMetric []string `xgb:"eval_metric"` // What is measured after each round. Defaults to the objective's own.
	Threads    *int     `xgb:"nthread"`     // At least 1. Defaults to the machine's cores.
	Verbosity  *int     `xgb:"verbosity"`   // What the library writes to standard error, 0 nothing to 3 all. Defaults to 1.

	Extra map[string]string // Parameters of XGBoost that have no field here, passed on as they are.
}

// Param is one parameter as the library takes it.
type Param struct{ Name, Value string }

// aliases are XGBoost's second names of parameters that SageMaker lists under the first.
var aliases = map[string]string{
	"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha",
}

// ParseParams reads parameters from their text, checks each and returns them. A name that is not a field of Params is an error.
func ParseParams(values map[string]string) (Params, error) {
	var p Params
	fields := fieldsByName(reflect.ValueOf(&p).Elem())
	for _, given := range slices.Sorted(maps.Keys(values)) {
		name, value := given, values[given]
		if second, ok := aliases[given]; ok {
			name = second
			if _, twice := values[name]; twice {
				return Params{}, &ParamError{Name: given, Value: value, Rule: fmt.Sprintf("it is another name of %q, which is given too", name)}
			}
		}
		field, ok := fields[name]
		if !ok {
			return Params{}, &ParamError{Name: given, Value: value, Rule: "there is no such parameter; known are " + strings.Join(ParamNames(), ", ")}
		}
		if err := checkParam(name, value); err != nil {
			return Params{}, err
		}
		setField(field, strings.TrimSpace(value))
	}
	return p, nil
}

// ParamNames returns the names that ParseParams knows, sorted, without second names.
func ParamNames() []string {
	return slices.Sorted(maps.Keys(fieldsByName(reflect.ValueOf(&Params{}).Elem())))
}

// List returns the parameters that are set, sorted by name; EvalMetric gives one entry for each metric.
func (p Params) List() []Param {
	var list []Param
	fields := fieldsByName(reflect.ValueOf(&p).Elem())
	for name, field := range fields {
		if name == "eval_metric" {
			continue
		}
		if !field.IsNil() {
			list = append(list, Param{name, format(field.Elem())})
		}
	}
	for name, value := range p.Extra {
		list = append(list, Param{name, value})
	}
	slices.SortFunc(list, func(a, b Param) int { return strings.Compare(a.Name, b.Name) })
	for _, metric := range p.EvalMetric {
		list = append(list, Param{"eval_metric", metric})
	}
	return list
}

// Validate checks each parameter that is set against its range.
func (p Params) Validate() error {
	for _, one := range p.List() {
		if _, extra := p.Extra[one.Name]; extra {
			if _, field := rules[one.Name]; field {
				return &ParamError{Name: one.Name, Value: one.Value, Rule: "it has a field of its own and may not be in Extra"}
			}
			continue
		}
		if err := checkParam(one.Name, one.Value); err != nil {
			return err
		}
	}
	return nil
}

func fieldsByName(v reflect.Value) map[string]reflect.Value {
	fields := make(map[string]reflect.Value, v.NumField())
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("xgb"); name != "" {
			fields[name] = v.Field(i)
		}
	}
	return fields
}

// setField stores a text that checkParam has accepted.
func setField(field reflect.Value, text string) {
	switch field.Interface().(type) {
	case *string:
		field.Set(reflect.ValueOf(&text))
	case *int:
		n, _ := strconv.Atoi(text)
		field.Set(reflect.ValueOf(&n))
	case *float64:
		f, _ := strconv.ParseFloat(text, 64)
		field.Set(reflect.ValueOf(&f))
	case []string:
		var list []string
		for part := range strings.SplitSeq(text, ",") {
			list = append(list, strings.TrimSpace(part))
		}
		field.Set(reflect.ValueOf(list))
	}
}

func format(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Int:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	default:
		return v.String()
	}
}

func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
