package pipeline

import (
	"fmt"
	"strconv"
)

// Search strategies of a Tuning step.
const (
	Random    = "Random"
	Bayesian  = "Bayesian"
	Grid      = "Grid"
	Hyperband = "Hyperband"
)

// TuningSpec is what a Tuning step is made of.
type TuningSpec struct {
	Training    TrainingSpec // each job; its StepOptions are not used
	Strategy    string       // Defaults to Random.
	Objective   Objective
	Ranges      []Range
	MaxJobs     int  // Defaults to 1; Grid has as many as its values give.
	MaxParallel int  // Defaults to MaxJobs.
	EarlyStop   bool // stops jobs that fall behind
	// MinResource and MaxResource are the least and the most reports of the metric that Hyperband lets a job make. Default to the service's.
	MinResource, MaxResource int
	// Seed makes the search repeatable: new(7). Defaults to one of the service's choosing.
	Seed *int
	StepOptions
}

// An Objective is the metric that a search makes small or large.
type Objective struct{ goal, metric string }

// Minimize looks for the smallest value of a metric, such as validation:rmse.
func Minimize(metric string) Objective { return Objective{"Minimize", metric} }

// Maximize looks for the largest value of a metric.
func Maximize(metric string) Objective { return Objective{"Maximize", metric} }

// A Range is the values that one hyper-parameter may take.
type Range struct {
	name, kind, min, max, scale string
	values                      []string
}

// Continuous is the numbers from min to max.
func Continuous(name string, min, max float64) Range {
	f := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	return Range{name: name, kind: "Continuous", min: f(min), max: f(max), scale: "Auto"}
}

// Integer is the whole numbers from min to max, both included.
func Integer(name string, min, max int) Range {
	return Range{name: name, kind: "Integer", min: strconv.Itoa(min), max: strconv.Itoa(max), scale: "Auto"}
}

// Categorical is a choice of values.
func Categorical(name string, values ...string) Range {
	return Range{name: name, kind: "Categorical", values: values}
}

// Scale sets how a range of numbers is searched: Auto, Linear, Logarithmic or ReverseLogarithmic.
func (r Range) Scale(scale string) Range { r.scale = scale; return r }

// A TuningStep searches hyper-parameters with many training jobs.
type TuningStep struct {
	step
	spec TuningSpec
}

// Tuning adds a step that searches hyper-parameters.
func (w *Workflow) Tuning(name string, spec TuningSpec) *TuningStep {
	s := &TuningStep{step: step{name: name, workflow: w, options: spec.StepOptions}, spec: spec}
	w.add(s)
	return s
}

// JobName is the name of the step's tuning job.
func (s *TuningStep) JobName() Expr[string] {
	return property[string](&s.step, "HyperParameterTuningJobName")
}

// BestJob is the name of the best training job.
func (s *TuningStep) BestJob() Expr[string] {
	return property[string](&s.step, "BestTrainingJob.TrainingJobName")
}

// TopJob is the name of the training job at a place of the ranking, 0 being the best.
func (s *TuningStep) TopJob(place int) Expr[string] {
	return property[string](&s.step, fmt.Sprintf("TrainingJobSummaries[%d].TrainingJobName", place))
}

// TopModel is where the model of the training job at a place of the ranking lies, 0 being the best.
func (s *TuningStep) TopModel(place int) Expr[string] {
	return Join("/", s.spec.Training.outputPath(s.workflow, s.name), s.TopJob(place), "output/model.tar.gz")
}

func (s *TuningStep) kind() string { return "Tuning" }

func (s *TuningStep) arguments(b *builder) any {
	t := s.spec
	if t.Strategy == "" {
		t.Strategy = Random
	}
	t.MaxJobs = max(t.MaxJobs, 1)
	if t.MaxParallel == 0 {
		t.MaxParallel = t.MaxJobs
	}
	early := "Off"
	if t.EarlyStop {
		early = "Auto"
	}
	if t.Objective.metric == "" {
		b.problem("Objective", "a search needs an objective: Minimize or Maximize takes a metric")
	}
	config := map[string]any{
		"Strategy":                         t.Strategy,
		"ResourceLimits":                   map[string]any{"MaxNumberOfTrainingJobs": t.MaxJobs, "MaxParallelTrainingJobs": t.MaxParallel},
		"TrainingJobEarlyStoppingType":     early,
		"HyperParameterTuningJobObjective": map[string]any{"Type": t.Objective.goal, "MetricName": t.Objective.metric},
		"ParameterRanges":                  s.ranges(b),
	}
	if t.Strategy == Grid {
		config["ResourceLimits"] = map[string]any{"MaxParallelTrainingJobs": t.MaxParallel}
	}
	if t.MinResource > 0 || t.MaxResource > 0 {
		if t.Strategy != Hyperband {
			b.problem("MaxResource", "resources are for the strategy %s, and this is %s", Hyperband, t.Strategy)
		}
		resources := map[string]any{}
		for name, n := range map[string]int{"MinResource": t.MinResource, "MaxResource": t.MaxResource} {
			if n > 0 {
				resources[name] = n
			}
		}
		config["StrategyConfig"] = map[string]any{"HyperbandStrategyConfig": resources}
	}
	if t.Seed != nil {
		config["RandomSeed"] = *t.Seed
	}
	training := t.Training.render(b, s.name)
	training["HyperParameterTuningResourceConfig"] = b.in("Resources", t.Training.Resources.render)
	if len(t.Training.HyperParameters) > 0 {
		training["StaticHyperParameters"] = b.texts("HyperParameters", t.Training.HyperParameters)
	}
	return map[string]any{"HyperParameterTuningJobConfig": config, "TrainingJobDefinition": training}
}

func (s *TuningStep) ranges(b *builder) map[string]any {
	continuous, integer, categorical := []any{}, []any{}, []any{}
	seen := map[string]bool{}
	for i, r := range s.spec.Ranges {
		at := fmt.Sprintf("Ranges[%d]", i)
		_, static := s.spec.Training.HyperParameters[r.name]
		switch {
		case seen[r.name]:
			b.problem(at, "another range is for '%s'", r.name)
		case static:
			b.problem(at, "'%s' is a hyper-parameter with a fixed value too", r.name)
		case r.kind == "Categorical" && len(r.values) == 0:
			b.problem(at, "'%s' has no values to choose from", r.name)
		case r.kind != "Categorical" && number(r.min) > number(r.max):
			b.problem(at, "the range of '%s' begins at %s and ends at %s, below it", r.name, r.min, r.max)
		}
		seen[r.name] = true
		bounds := map[string]any{"Name": r.name, "MinValue": r.min, "MaxValue": r.max, "ScalingType": r.scale}
		switch r.kind {
		case "Continuous":
			continuous = append(continuous, bounds)
		case "Integer":
			integer = append(integer, bounds)
		default:
			categorical = append(categorical, map[string]any{"Name": r.name, "Values": r.values})
		}
	}
	if len(seen) == 0 {
		b.problem("Ranges", "a search needs at least one range")
	}
	return map[string]any{"ContinuousParameterRanges": continuous, "CategoricalParameterRanges": categorical, "IntegerParameterRanges": integer}
}

func number(s string) float64 {
	f, _ := strconv.ParseFloat(s, 64)
	return f
}
