package houseprices

import (
	"time"

	"github.com/mobula-ml/mobula/pipeline"
)

// The names of the workflow's resources.
const (
	PipelineName = "house-prices"
	GroupName    = "house-prices"
	dataKey      = "house-prices/raw/house_pricing.csv"
)

// Options change the workflow.
type Options struct {
	// Search is how many training jobs the tuning step has. Defaults to 4.
	Search int
}

// Workflow defines the pipeline.
func Workflow(o Options) *pipeline.Workflow {
	if o.Search == 0 {
		o.Search = 4
	}
	w := pipeline.New(PipelineName)
	w.Description = "House prices from a CSV file to a registered model"
	instances := w.Integer("ProcessingInstanceCount", 1)
	group := w.String("FeatureGroupName", "house-prices")
	prefix := w.String("FeatureStorePrefix", "house-prices/feature-store")
	actors := w.Integer("IngestionActors", 10)
	check := w.Boolean("CheckData", true)
	trainSize := w.Float("TrainSize", 0.6)
	validationSize := w.Float("ValidationSize", 0.2)
	seed := w.Integer("ShuffleSeed", 42)
	threshold := w.Float("RMSEThreshold", 15000)

	const cache = 12 * time.Hour
	host := pipeline.Resources{InstanceType: pipeline.Const("ml.m5.2xlarge"), InstanceCount: instances}

	ingestion := w.Processing("FeatureStoreIngestion", pipeline.Func(ingest).Version("1"), pipeline.ProcessingSpec{
		Args:        map[string]any{"feature-group": group, "prefix": prefix, "actors": actors, "check": check, "bucket": pipeline.DefaultBucket()},
		Inputs:      []pipeline.Input{{Name: "raw", URI: pipeline.S3(dataKey)}},
		Resources:   host,
		StepOptions: pipeline.StepOptions{Cache: cache},
	})
	prepared := w.Processing("PreprocessData", pipeline.Func(prepare).Version("1"), pipeline.ProcessingSpec{
		Args:        map[string]any{"feature-group": group, "train-size": trainSize, "validation-size": validationSize, "seed": seed},
		Outputs:     []pipeline.Output{{Name: "train"}, {Name: "validation"}, {Name: "test"}},
		Resources:   host,
		StepOptions: pipeline.StepOptions{Cache: cache, DependsOn: []pipeline.Step{ingestion}},
	})
	tuned := w.Tuning("HPTuning", pipeline.TuningSpec{
		Training: pipeline.TrainingSpec{
			HyperParameters: map[string]any{"num_round": 100, "objective": "reg:squarederror", "eval_metric": "rmse", "tree_method": "hist", "seed": 47,
				"nthread": 1}, // more do not help with so few rows, and so two trials run side by side on two processors
			Channels: []pipeline.Channel{
				{Name: "train", URI: prepared.Output("train"), ContentType: "text/csv"},
				{Name: "validation", URI: prepared.Output("validation"), ContentType: "text/csv"},
			},
			Resources: pipeline.Resources{InstanceType: pipeline.Const("ml.m5.large")},
		},
		Strategy:  pipeline.Random,
		Objective: pipeline.Minimize("validation:rmse"),
		Ranges: []pipeline.Range{pipeline.Integer("max_depth", 1, 8), pipeline.Continuous("eta", 0.2, 1),
			pipeline.Integer("min_child_weight", 0, 120), pipeline.Continuous("subsample", 0.2, 1)},
		MaxJobs: o.Search, MaxParallel: o.Search, Seed: new(7),
		StepOptions: pipeline.StepOptions{Cache: cache},
	})
	evaluated := w.Processing("EvaluateModel", pipeline.Func(evaluate).Version("1"), pipeline.ProcessingSpec{
		Inputs:        []pipeline.Input{{Name: "model", URI: tuned.TopModel(0)}, {Name: "test", URI: prepared.Output("test")}},
		Outputs:       []pipeline.Output{{Name: "evaluation"}},
		PropertyFiles: []pipeline.PropertyFile{{Name: "EvaluationReport", Output: "evaluation", Path: reportFile}},
		Resources:     pipeline.Resources{InstanceType: pipeline.Const("ml.m5.xlarge"), InstanceCount: instances},
	})
	rmse := pipeline.JSON[float64](evaluated, "EvaluationReport", "regression_metrics.rmse.value")
	registered := w.Register("RegisterTrainedModel", pipeline.RegisterSpec{
		Group: pipeline.Const(GroupName), Description: "Prices of houses, in dollars", Model: tuned.TopModel(0),
		ModelQuality: evaluated.File("EvaluationReport"),
	})
	refused := w.Fail("RMSEFail", pipeline.Join(" ", "Execution failed due to RMSE >", threshold))
	w.Condition("CheckEvaluation", pipeline.ConditionSpec{
		If:   []pipeline.Condition{pipeline.LessThanOrEqualTo(rmse, threshold)},
		Then: []pipeline.Step{registered}, Else: []pipeline.Step{refused},
	})
	return w
}
