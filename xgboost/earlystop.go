package xgboost

import (
	"fmt"
	"strconv"
	"strings"
)

// EarlyStopping ends a training when a metric has not improved for some rounds, and keeps the rounds up to the best.
type EarlyStopping struct {
	// Rounds without improvement, at least 1.
	Rounds int
	// Eval whose metric counts. Defaults to the last one.
	Eval string
	// Metric that counts. Defaults to the eval's last one. Whether more is better follows from its name.
	Metric string
}

func (s *EarlyStopping) check(evals []Eval) error {
	if s.Rounds < 1 {
		return fmt.Errorf("EarlyStopping.Rounds is %d; at least 1 is needed", s.Rounds)
	}
	if len(evals) == 0 {
		return fmt.Errorf("early stopping needs at least one eval")
	}
	if s.Eval == "" {
		return nil
	}
	for _, e := range evals {
		if e.Name == s.Eval {
			return nil
		}
	}
	return fmt.Errorf("EarlyStopping.Eval %q is no name of Evals", s.Eval)
}

// MoreIsBetter says whether a metric of that name is better when greater: auc, aucpr, map, ndcg and pre with any cut such as ndcg@5,
// and the interval-regression-accuracy of survival models.
func MoreIsBetter(metric string) bool {
	name, _, _ := strings.Cut(metric, "@")
	switch strings.TrimSuffix(name, "-") {
	case "auc", "aucpr", "map", "ndcg", "pre", "interval-regression-accuracy":
		return true
	}
	return false
}

// best is the best round so far.
type best struct {
	found bool
	round Round
	score float64
}

// see looks at a round and says whether there were too many without improvement.
func (b *best) see(round Round, s *EarlyStopping) (stop bool, err error) {
	watched := -1
	for i, m := range round.Metrics {
		if (s.Eval == "" || m.Eval == s.Eval) && (s.Metric == "" || m.Name == s.Metric) {
			watched = i
		}
	}
	if watched < 0 {
		return false, fmt.Errorf("EarlyStopping.Metric %q is none of those measured", s.Metric)
	}
	score := round.Metrics[watched].Value
	better := score < b.score
	if MoreIsBetter(round.Metrics[watched].Name) {
		better = score > b.score
	}
	if !b.found || better {
		*b = best{found: true, round: round, score: score}
	}
	return round.Index-b.round.Index >= s.Rounds, nil
}

// note writes the best round into the model, under the names that Python's package uses.
func (b *best) note(to *booster) error {
	if err := to.setAttr("best_iteration", strconv.Itoa(b.round.Index)); err != nil {
		return err
	}
	return to.setAttr("best_score", strconv.FormatFloat(b.score, 'g', -1, 64))
}

// parseMetrics reads the library's line "[3]\ttrain-rmse:1.5\tvalidation-rmse:2.5". Both names may contain a hyphen, so the evals,
// which come in order with the same metrics each, say where a name ends.
func parseMetrics(line string, evals []Eval) ([]Metric, error) {
	fields := strings.Split(line, "\t")[1:]
	if len(fields)%len(evals) != 0 {
		return nil, fmt.Errorf("%d metrics for %d evals in %q", len(fields), len(evals), line)
	}
	metrics := make([]Metric, len(fields))
	each := max(len(fields)/len(evals), 1)
	for i, field := range fields {
		eval := evals[i/each].Name
		rest, ok := strings.CutPrefix(field, eval+"-")
		at := strings.LastIndexByte(rest, ':')
		if !ok || at < 0 {
			return nil, fmt.Errorf("metric %q in %q is not of eval %q", field, line, eval)
		}
		v, err := strconv.ParseFloat(rest[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metric %q: %w", field, err)
		}
		metrics[i] = Metric{Eval: eval, Name: rest[:at], Value: v}
	}
	return metrics, nil
}
