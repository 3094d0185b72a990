package tuning

import (
	"maps"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/tune"
)

// parent is what one parent's trials came to.
type parent struct {
	Related bool // on other data or with another algorithm
	Trials  []parentTrial
}

type parentTrial struct {
	Params map[string]string // with the parent's static hyper-parameters: they may be tuned here
	Metric float64
}

// maxChanges is how many hyper-parameters may be static that the parent tuned, or have another static value.
const maxChanges = 10

// warm checks the parents of a job and keeps what their trials came to. Only their own trials count, not those of parents of theirs.
// The rules are those of the Developer Guide, "Run a Warm Start Hyperparameter Tuning Job".
func (j *job) warm(tx *store.Tx, w *awsapi.HyperParameterTuningJobWarmStartConfig) error {
	if w == nil {
		return nil
	}
	j.WarmStart = w
	related := *w.WarmStartType == awsapi.HyperParameterTuningJobWarmStartTypeTransferLearning
	launched := int(*j.Config.ResourceLimits.MaxNumberOfTrainingJobs)
	var names []string
	for _, named := range w.ParentHyperParameterTuningJobs {
		name := awsapi.Val(named.HyperParameterTuningJobName)
		if slices.Contains(names, name) {
			return awsapi.Validation("Parent hyperparameter tuning job '%s' is given twice in warmStartConfig.", name)
		}
		names = append(names, name)
		old, err := find(tx, j.Scope, &name)
		if err != nil {
			return err
		}
		if !over(old.Status) {
			return awsapi.Validation("Parent hyperparameter tuning job '%s' is in status %s; it must be Completed, Stopped or Failed.", name, old.Status)
		}
		if len(old.Definitions) != len(j.Definitions) {
			return awsapi.Validation("Parent hyperparameter tuning job '%s' has %d training job definitions, this one has %d; they must be the same.", name, len(old.Definitions), len(j.Definitions))
		}
		trials, err := trialsOf(tx, old)
		if err != nil {
			return err
		}
		launched += len(trials)
		for i := range j.Definitions {
			d := &j.Definitions[i]
			from := slices.IndexFunc(old.Definitions, func(o definition) bool {
				return !j.Several || awsapi.Val(o.Request.DefinitionName) == awsapi.Val(d.Request.DefinitionName)
			})
			if from < 0 {
				return awsapi.Validation("Parent hyperparameter tuning job '%s' has no training job definition named '%s'.", name, awsapi.Val(d.Request.DefinitionName))
			}
			if err := d.fitsParent(name, &old.Definitions[from], related); err != nil {
				return err
			}
			d.Parents = append(d.Parents, old.told(from, trials, related, d.Space))
		}
		if old.Best != nil && !related {
			j.ParentBest = better(j.goal(), j.ParentBest, old.Best.describe(old))
		}
	}
	if launched > maxTrials {
		return awsapi.LimitExceeded("The training jobs of this hyperparameter tuning job and of its parents are %d, above the limit of %d.", launched, maxTrials)
	}
	return nil
}

// told is what the trials of a definition came to, for one that searches another space. What was static may be tuned there: numbers lose the
// quotes that the Python SDK gives to static values.
func (j *job) told(definition int, trials []trial, related bool, space tune.Space) parent {
	static := maps.Clone(j.Definitions[definition].Request.StaticHyperParameters)
	for _, r := range space {
		if v, ok := static[r.Name]; ok && r.Kind != tune.Categorical {
			static[r.Name] = strings.Trim(v, `"`)
		}
	}
	p := parent{Related: related}
	for _, t := range trials {
		if t.Definition == definition && t.Metric != nil {
			params := map[string]string{}
			maps.Copy(params, static)
			maps.Copy(params, t.Params)
			p.Trials = append(p.Trials, parentTrial{params, *t.Metric})
		}
	}
	return p
}

// fitsParent compares a definition with that of a parent.
func (d *definition) fitsParent(name string, old *definition, related bool) error {
	if *d.Objective.MetricName != *old.Objective.MetricName || *d.Objective.Type != *old.Objective.Type {
		return awsapi.Validation("The objective metric must be that of parent hyperparameter tuning job '%s', %s %s; it is %s %s.",
			name, *old.Objective.Type, *old.Objective.MetricName, *d.Objective.Type, *d.Objective.MetricName)
	}
	have, had := d.kinds(), old.kinds()
	if len(have) != len(had) {
		return awsapi.Validation("The total number of static and tunable hyperparameters, %d, must be that of parent hyperparameter tuning job '%s', %d.", len(have), name, len(had))
	}
	changes := 0
	for _, key := range slices.Sorted(maps.Keys(have)) {
		was, known := had[key]
		switch {
		case !known:
			return awsapi.Validation("Hyperparameter %s is not one of parent hyperparameter tuning job '%s'.", key, name)
		case have[key] == "" && (was != "" || d.Request.StaticHyperParameters[key] != old.Request.StaticHyperParameters[key]):
			changes++
		case have[key] != "" && was != "" && have[key] != was:
			return awsapi.Validation("The type of hyperparameter %s must not change: it is %s, and %s in parent hyperparameter tuning job '%s'.", key, have[key], was, name)
		}
	}
	switch {
	case changes > maxChanges:
		return awsapi.Validation("%d hyperparameters have become static or have another static value than in parent hyperparameter tuning job '%s'; at most %d may.", changes, name, maxChanges)
	case related:
		return nil
	case awsapi.Val(d.Request.AlgorithmSpecification.TrainingImage) != awsapi.Val(old.Request.AlgorithmSpecification.TrainingImage):
		return awsapi.Validation("Warm start type IdenticalDataAndAlgorithm needs the training image of parent hyperparameter tuning job '%s', %s; it is %s. Use TransferLearning for another.",
			name, awsapi.Val(old.Request.AlgorithmSpecification.TrainingImage), awsapi.Val(d.Request.AlgorithmSpecification.TrainingImage))
	case d.inputs() != old.inputs():
		return awsapi.Validation("Warm start type IdenticalDataAndAlgorithm needs the input data of parent hyperparameter tuning job '%s', [%s]; it is [%s]. Use TransferLearning for other data.",
			name, old.inputs(), d.inputs())
	}
	return nil
}

// kinds are the kinds of the hyper-parameters by name: "" of a static one. What the Python SDK adds of itself does not count.
func (d *definition) kinds() map[string]tune.Kind {
	out := map[string]tune.Kind{}
	for name := range d.Request.StaticHyperParameters {
		if !strings.HasPrefix(name, "_tuning_") && !strings.HasPrefix(name, "sagemaker_") {
			out[name] = ""
		}
	}
	for _, r := range d.Space {
		out[r.Name] = r.Kind
	}
	return out
}

// inputs names the input data.
func (d *definition) inputs() string {
	var all []string
	for _, c := range d.Request.InputDataConfig {
		if c.DataSource != nil && c.DataSource.S3DataSource != nil {
			all = append(all, awsapi.Val(c.ChannelName)+"="+strings.TrimSuffix(awsapi.Val(c.DataSource.S3DataSource.S3Uri), "/"))
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
