package builtin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/xgboost"
)

// settings are the hyper-parameters of a training job: those of the library and those of the image around it.
type settings struct {
	params        xgboost.Params
	rounds        int
	earlyStopping int    // 0 for none
	stopMetric    string // the metric that early stopping watches; "" for the last one
	csvWeights    bool
	ignored       []string // names that SageMaker accepts and this version of XGBoost has no use for
}

// withoutEffect are names that SageMaker's image still accepts and XGBoost 3 no longer knows.
var withoutEffect = []string{"sketch_eps", "predictor", "dsplit", "lambda_bias", "deterministic_histogram", "prob_buffer_row", "save_model_on_termination"}

// metrics that the library measures; SageMaker's image computes some more with scikit-learn.
var metrics = []string{"aft-nloglik", "auc", "aucpr", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik", "interval-regression-accuracy",
	"logloss", "mae", "map", "mape", "merror", "mlogloss", "mphe", "ndcg", "poisson-nloglik", "pre", "rmse", "rmsle", "tweedie-nloglik"}

// readHyperparameters reads hyperparameters.json: texts, of which some clients quote once more as JSON.
func readHyperparameters(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil // SageMaker writes none where the job has none.
	}
	if err != nil {
		return nil, err
	}
	var raw map[string]any
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("%s is not an object of hyper-parameters: %w", path, err)
	}
	values := make(map[string]string, len(raw))
	for name, v := range raw {
		text, ok := v.(string)
		if !ok {
			bare, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			text = string(bare)
		}
		var quoted string
		if json.Unmarshal([]byte(text), &quoted) == nil {
			text = quoted
		}
		values[name] = text
	}
	return values, nil
}

// parseSettings checks every hyper-parameter by the rules of SageMaker's built-in algorithm.
func parseSettings(values map[string]string) (settings, error) {
	var s settings
	values = maps.Clone(values)
	// Names of script mode and of the SDK's own bookkeeping say nothing to the algorithm.
	maps.DeleteFunc(values, func(name, _ string) bool { return strings.HasPrefix(name, "sagemaker_") })
	if _, ok := values["num_round"]; !ok {
		return s, &xgboost.ParamError{Name: "num_round", Rule: "it is required: the number of rounds to train, of at least 1"}
	}
	var err error
	if s.rounds, err = takeInt(values, "num_round", 1); err != nil {
		return s, err
	}
	if s.earlyStopping, err = takeInt(values, "early_stopping_rounds", 1); err != nil {
		return s, err
	}
	weights, err := takeInt(values, "csv_weights", 0)
	if err != nil || weights > 1 {
		return s, errors.Join(err, orRule(err == nil, "csv_weights", strconv.Itoa(weights), "it must be 0 or 1"))
	}
	s.csvWeights = weights == 1
	tuning := take(values, "_tuning_objective_metric")
	for _, name := range []string{"_kfold", "_num_cv_round"} {
		if v, ok := values[name]; ok {
			return s, &xgboost.ParamError{Name: name, Value: v, Rule: "cross-validation is not served here; leave it out and give a validation channel"}
		}
	}
	if v := take(values, "use_dask_gpu_training"); v != "" && v != "false" {
		return s, &xgboost.ParamError{Name: "use_dask_gpu_training", Value: v, Rule: "there is no GPU training here; leave it out"}
	}
	if values["tree_method"] == "gpu_hist" {
		return s, &xgboost.ParamError{Name: "tree_method", Value: "gpu_hist", Rule: "there is no GPU training here; use hist"}
	}
	if values["objective"] == "reg:linear" {
		values["objective"] = "reg:squarederror" // The same, by its name since XGBoost 1.0.
	}
	for _, name := range withoutEffect {
		if _, ok := values[name]; ok {
			delete(values, name)
			s.ignored = append(s.ignored, name)
		}
	}
	if s.params, err = xgboost.ParseParams(values); err != nil {
		return s, err
	}
	return s, s.checkTogether(tuning)
}

// checkTogether holds the rules that span several hyper-parameters.
func (s *settings) checkTogether(tuning string) error {
	p := &s.params
	objective := "reg:squarederror"
	if p.Objective != nil {
		objective = *p.Objective
	}
	multi := strings.HasPrefix(objective, "multi:")
	switch {
	case multi && p.NumClass == nil:
		return &xgboost.ParamError{Name: "num_class", Rule: fmt.Sprintf("it is required for objective %q", objective)}
	case !multi && p.NumClass != nil:
		return &xgboost.ParamError{Name: "num_class", Value: strconv.Itoa(*p.NumClass), Rule: fmt.Sprintf("it is for the objectives multi:softmax and multi:softprob only, not %q", objective)}
	}
	if tuning != "" {
		name := strings.TrimPrefix(strings.TrimPrefix(tuning, "validation:"), "train:")
		if !slices.Contains(p.EvalMetric, name) {
			p.EvalMetric = append(p.EvalMetric, name)
		}
		s.stopMetric = name
	}
	for _, metric := range p.EvalMetric {
		if err := checkMetric(metric, objective); err != nil {
			return err
		}
	}
	return nil
}

func checkMetric(metric, objective string) error {
	broken := func(rule string) error {
		return &xgboost.ParamError{Name: "eval_metric", Value: metric, Rule: rule}
	}
	name, threshold, cut := strings.Cut(metric, "@")
	if !slices.Contains(metrics, strings.TrimSuffix(name, "-")) {
		return broken("it must be one of " + strings.Join(metrics, ", "))
	}
	if cut {
		if !slices.Contains([]string{"error", "ndcg", "map", "pre", "tweedie-nloglik"}, name) {
			return broken("only error, ndcg, map, pre and tweedie-nloglik take a threshold")
		}
		if _, err := strconv.ParseFloat(strings.TrimSuffix(threshold, "-"), 64); err != nil {
			return broken("a number is needed after the @")
		}
	}
	if strings.HasPrefix(name, "auc") && !strings.HasPrefix(objective, "binary:") && !strings.HasPrefix(objective, "rank:") && !strings.HasPrefix(objective, "multi:") {
		return broken(fmt.Sprintf("it is for classification and ranking, not for objective %q", objective))
	}
	if name == "aft-nloglik" && objective != "survival:aft" {
		return broken(fmt.Sprintf("it is for objective survival:aft, not for %q", objective))
	}
	return nil
}

func take(values map[string]string, name string) string {
	v := values[name]
	delete(values, name)
	return v
}

// takeInt removes a whole number of at least low; without it the result is 0.
func takeInt(values map[string]string, name string, low int) (int, error) {
	text, ok := values[name]
	if !ok {
		return 0, nil
	}
	delete(values, name)
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return n, orRule(err != nil || n < low, name, text, fmt.Sprintf("a whole number of at least %d is needed", low))
}

func orRule(broken bool, name, value, rule string) error {
	if !broken {
		return nil
	}
	return &xgboost.ParamError{Name: name, Value: value, Rule: rule}
}
