package tuning

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/tune"
)

// strategyOf is the strategy that chooses the trials of a definition. Each definition has a sequence of its own.
func (j *job) strategyOf(definition int) tune.Strategy {
	seed := j.Seed ^ uint64(definition)*0x9e3779b97f4a7c15
	switch *j.Config.Strategy {
	case awsapi.HyperParameterTuningJobStrategyTypeBayesian:
		return tune.Bayesian{Seed: seed}
	case awsapi.HyperParameterTuningJobStrategyTypeGrid:
		return tune.Grid{}
	case awsapi.HyperParameterTuningJobStrategyTypeHyperband:
		h, _ := j.hyperband(definition) // checked when the job was made
		h.Seed = seed
		return h
	}
	return tune.Random{Seed: seed}
}

// stopperOf is what stops the trials of a definition early, or nil.
func (j *job) stopperOf(definition int) tune.Stopper {
	if h, ok := j.strategyOf(definition).(tune.Hyperband); ok {
		return h
	}
	if awsapi.Val(j.Config.TrainingJobEarlyStoppingType) == awsapi.TrainingJobEarlyStoppingTypeAuto {
		return tune.Median{}
	}
	return nil
}

// epochKeys are the static hyper-parameters that SageMaker takes MaxResource from.
var epochKeys = []string{"epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs"}

// maxEpochs is the limit that SageMaker sets to MaxResource.
const maxEpochs = 20_000

// hyperband reads the limits of Hyperband, or infers the upper one as SageMaker does.
func (j *job) hyperband(definition int) (h tune.Hyperband, err error) {
	if c := j.Config.StrategyConfig; c != nil && c.HyperbandStrategyConfig != nil {
		h.Min, h.Max = int(awsapi.Val(c.HyperbandStrategyConfig.MinResource)), int(awsapi.Val(c.HyperbandStrategyConfig.MaxResource))
	}
	for _, key := range epochKeys {
		// The Python SDK writes hyper-parameters as JSON.
		text := strings.Trim(j.Definitions[definition].Request.StaticHyperParameters[key], `"`)
		if n, err := strconv.Atoi(text); h.Max == 0 && err == nil {
			h.Max = n
		}
	}
	switch {
	case h.Max == 0:
		return h, awsapi.Validation("MaxResource of hyperbandStrategyConfig is not given and cannot be inferred: staticHyperParameters have none of [%s]. "+
			"Provide hyperParameterTuningJobConfig.strategyConfig.hyperbandStrategyConfig.maxResource.", strings.Join(epochKeys, ", "))
	case h.Max > maxEpochs:
		return h, awsapi.Validation("Value '%d' for MaxResource of hyperbandStrategyConfig must be at most %d.", h.Max, maxEpochs)
	}
	if err := h.Check(); err != nil {
		return h, awsapi.Validation("Invalid hyperbandStrategyConfig: %v.", err)
	}
	return h, nil
}

// state is what a strategy may know of the trials of a definition.
func (j *job) state(definition int, trials []trial) tune.State {
	d := &j.Definitions[definition]
	s := tune.State{Space: d.Space, Goal: j.goal()}
	for _, t := range trials {
		if t.Definition == definition {
			s.Trials = append(s.Trials, t.told())
		}
	}
	for _, p := range d.Parents {
		told := make([]tune.Trial, len(p.Trials))
		for i, t := range p.Trials {
			told[i] = tune.Trial{Number: i, Params: t.Params, Metric: t.Metric}
		}
		if p.Related {
			s.Related = append(s.Related, told)
		} else {
			s.Earlier = append(s.Earlier, told...)
		}
	}
	return s
}

var errNoMetric = errors.New("no metric")

// told is a trial as strategies know it.
func (t *trial) told() tune.Trial {
	out := tune.Trial{Number: t.Index, Params: t.Params, Running: t.Finished == nil, Stopped: t.Early, Reports: t.Reports}
	switch {
	case t.Metric != nil:
		out.Metric = *t.Metric
	case t.Finished != nil:
		out.Err = errNoMetric
	}
	return out
}

// finite replaces what is no number, as a trial that diverges reports it, by the worst one: rows cannot hold it and strategies cannot rank it.
func finite(goal tune.Goal, x float64) float64 {
	switch worst := float64(math.MaxFloat32); {
	case math.Abs(x) <= worst:
		return x
	case goal == tune.Maximize:
		return -worst
	default:
		return worst
	}
}
