package pipeline_test

import (
	"context"
	"time"

	"github.com/mobula-ml/mobula/pipeline"
)

// fixed is a place and a program that golden files can be written for.
var fixed = pipeline.Target{RoleARN: "arn:aws:iam::123456789012:role/MobulaExecution", Program: pipeline.Program{Name: "houses", SHA256: "5e"}}

func nothing(context.Context, *pipeline.Job) error { return nil }

// houses is a workflow with a step of most types, as a user would write it.
func houses() *pipeline.Workflow {
	w := pipeline.New("house-prices")
	w.Target = fixed
	instances := w.Integer("ProcessingInstanceCount", 1)
	group := w.String("FeatureGroupName", "houses", pipeline.OneOf("houses", "flats"))
	trainSize := w.Float("TrainSize", 0.6)
	shuffle := w.Boolean("Shuffle", true)
	threshold := w.Float("RMSEThreshold", 15000)
	hosts := pipeline.Resources{InstanceType: pipeline.Const("ml.m5.2xlarge"), InstanceCount: instances}
	const half = 12 * time.Hour

	ingest := w.Processing("FeatureStoreIngestion", pipeline.Func(nothing).Version("2"), pipeline.ProcessingSpec{
		Args:      map[string]any{"feature-group": group, "actors": 10},
		Inputs:    []pipeline.Input{{Name: "raw", URI: pipeline.S3("data/house_pricing.csv"), ByKey: true}},
		Resources: hosts, StepOptions: pipeline.StepOptions{Cache: half},
	})
	prepare := w.Processing("PreprocessData", pipeline.Func(nothing), pipeline.ProcessingSpec{
		Args:        map[string]any{"feature-group": group, "train": trainSize, "shuffle": shuffle},
		Outputs:     []pipeline.Output{{Name: "train"}, {Name: "validation"}, {Name: "test"}},
		Environment: map[string]any{"GROUP": group},
		StepOptions: pipeline.StepOptions{Cache: half, DependsOn: []pipeline.Step{ingest}},
	})
	tune := w.Tuning("HPTuning", pipeline.TuningSpec{
		Training: pipeline.TrainingSpec{
			HyperParameters: map[string]any{"num_round": 100, "objective": "reg:squarederror"},
			Channels: []pipeline.Channel{
				{Name: "train", URI: prepare.Output("train")}, {Name: "validation", URI: prepare.Output("validation")},
			},
			OutputPath: pipeline.S3("models"),
		},
		Objective: pipeline.Minimize("validation:rmse"),
		Ranges: []pipeline.Range{
			pipeline.Continuous("eta", 0.2, 1), pipeline.Continuous("subsample", 0.2, 1),
			pipeline.Integer("max_depth", 1, 8), pipeline.Integer("min_child_weight", 0, 120),
		},
		MaxJobs: 4, Seed: new(7), StepOptions: pipeline.StepOptions{Cache: half, DependsOn: []pipeline.Step{prepare}},
	})
	evaluate := w.Processing("EvaluateModel", pipeline.Func(nothing), pipeline.ProcessingSpec{
		Inputs: []pipeline.Input{
			{Name: "model", URI: tune.TopModel(0), Path: "/opt/ml/processing/model"},
			{Name: "test", URI: prepare.Output("test"), Path: "/opt/ml/processing/test"},
		},
		Outputs:       []pipeline.Output{{Name: "evaluation"}},
		PropertyFiles: []pipeline.PropertyFile{{Name: "EvaluationReport", Output: "evaluation", Path: "evaluation.json"}},
	})
	register := w.Register("RegisterTrainedModel", pipeline.RegisterSpec{
		Group: pipeline.Const("house-prices"), Model: tune.TopModel(0), ModelQuality: evaluate.File("EvaluationReport"),
		Description: "XGBoost model to predict house prices",
	})
	fail := w.Fail("RMSEFail", pipeline.Join(" ", "Execution failed due to RMSE >", threshold))
	w.Condition("CheckEvaluation", pipeline.ConditionSpec{
		If:   []pipeline.Condition{pipeline.LessThanOrEqualTo(pipeline.JSON[float64](evaluate, "EvaluationReport", "regression_metrics.rmse.value"), threshold)},
		Then: []pipeline.Step{register},
		Else: []pipeline.Step{fail},
	})
	return w
}

// everyKind has the steps, conditions and expressions that houses does not use.
func everyKind() *pipeline.Workflow {
	w := pipeline.New("every-kind")
	w.Target, w.Description = fixed, "One of each"
	w.Experiment, w.Trial = pipeline.Const("trees"), pipeline.Join("-", "run", pipeline.StartDateTime)
	rounds := w.Integer("Rounds", 10)
	bucket := w.String("Bucket", "", pipeline.Required())
	deploy := w.Boolean("Deploy", false)
	clean := w.Processing("Clean", pipeline.Image("registry/clean:1", "python3", "/opt/ml/processing/input/code/clean.py"), pipeline.ProcessingSpec{
		Inputs:     []pipeline.Input{{Name: "raw", URI: pipeline.Join("/", "s3:/", bucket, "raw")}},
		Outputs:    []pipeline.Output{{Name: "rows", URI: pipeline.Join("/", "s3:/", bucket, "rows"), Path: "/opt/ml/processing/rows"}},
		MaxRuntime: time.Hour,
		StepOptions: pipeline.StepOptions{DisplayName: "Clean the rows", Description: "Drops what is wrong", Cache: 30 * 24 * time.Hour, Retry: []pipeline.RetryPolicy{
			{Exceptions: []string{pipeline.Throttling, pipeline.ServiceFault}, Interval: 2 * time.Second, BackoffRate: 1.5, MaxAttempts: 3},
			{Exceptions: []string{pipeline.CapacityError}, ExpireAfter: time.Hour},
		}},
	})
	train := w.Training("Train", pipeline.TrainingSpec{
		HyperParameters: map[string]any{"num_round": rounds, "eta": 0.3},
		Channels:        []pipeline.Channel{{Name: "train", URI: clean.Output("rows"), ByKey: true}},
		Environment:     map[string]any{"EXECUTION": pipeline.PipelineExecutionID},
		Metrics:         []pipeline.Metric{{Name: "loss", Regex: "loss=([0-9.]+)"}},
		Resources:       pipeline.Resources{InstanceCount: pipeline.Const(2)},
		StepOptions:     pipeline.StepOptions{Cache: 90 * time.Minute},
	})
	model := w.Model("MakeModel", pipeline.ModelSpec{Model: train.Model()})
	register := w.Register("Register", pipeline.RegisterSpec{
		Group: pipeline.Const("trees"), Model: train.Model(), Approval: pipeline.Const(pipeline.Approved),
		CustomerMetadata: map[string]any{"execution": pipeline.PipelineExecutionARN, "job": train.JobName()},
	})
	good := pipeline.LessThan(train.Metric("loss"), pipeline.Const(0.5))
	large := pipeline.GreaterThanOrEqualTo(pipeline.Number(rounds), pipeline.Const(5.0))
	score := w.Transform("Score", pipeline.TransformSpec{Model: model.ModelName(), Data: clean.Output("rows"), ByLine: true, InputFilter: "$[1:]", JoinInput: true})
	inner := w.Condition("Deployable", pipeline.ConditionSpec{
		If: []pipeline.Condition{pipeline.Equals(deploy, pipeline.Const(true))}, Then: []pipeline.Step{model, score},
	})
	fail := w.Fail("Unfit", pipeline.Join(" ", "loss is", train.Metric("loss"), "after", pipeline.Text(rounds), "rounds"))
	w.Condition("Good", pipeline.ConditionSpec{
		If: []pipeline.Condition{
			pipeline.Or(pipeline.And(good, large), pipeline.Not(pipeline.In(bucket, pipeline.Const("a"), pipeline.Const("b")))),
			pipeline.GreaterThan(rounds, pipeline.Const(0)),
			pipeline.Equals(pipeline.Property[string](train, "TrainingJobStatus"), pipeline.Const("Completed")),
		},
		Then: []pipeline.Step{register, inner}, Else: []pipeline.Step{fail},
	})
	return w
}
