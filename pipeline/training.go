package pipeline

import (
	"fmt"
	"time"
)

// XGBoostImage is the built-in XGBoost image, in algorithm mode: no script, hyper-parameters only, text/csv with the label first and no header.
const XGBoostImage = "mobula/sagemaker-xgboost:3.2-1"

// GoImage is what runs a Go program as it is.
const GoImage = "mobula/go:1"

// TrainingSpec is what a Training step is made of, and each training job of a Tuning step.
type TrainingSpec struct {
	Image string // Defaults to XGBoostImage.
	// HyperParameters are text, numbers, bools or expressions.
	HyperParameters map[string]any
	Channels        []Channel
	// OutputPath is the prefix of the model: <OutputPath>/<job>/output/model.tar.gz. Defaults to s3://<default bucket>/<pipeline>/<step>.
	OutputPath  Expr[string]
	Environment map[string]any
	Metrics     []Metric // beyond those that the image defines itself
	Resources   Resources
	MaxRuntime  time.Duration // Defaults to 24 h.
	StepOptions
}

// A Channel is a training input.
type Channel struct {
	Name        string // train, validation, …
	URI         Expr[string]
	ContentType string // Defaults to text/csv.
	ByKey       bool   // a share of the objects for each host instead of all of them
}

// A Metric is found in a job's log by a regular expression whose first group is the value.
type Metric struct{ Name, Regex string }

// A TrainingStep trains a model.
type TrainingStep struct {
	step
	spec TrainingSpec
}

// Training adds a step that runs one training job.
func (w *Workflow) Training(name string, spec TrainingSpec) *TrainingStep {
	s := &TrainingStep{step: step{name: name, workflow: w, options: spec.StepOptions}, spec: spec}
	w.add(s)
	return s
}

// JobName is the name of the step's training job.
func (s *TrainingStep) JobName() Expr[string] { return property[string](&s.step, "TrainingJobName") }

// Model is where the model lies, as s3://bucket/…/model.tar.gz.
func (s *TrainingStep) Model() Expr[string] {
	return property[string](&s.step, "ModelArtifacts.S3ModelArtifacts")
}

// Metric is the last value of a metric of the job.
func (s *TrainingStep) Metric(name string) Expr[float64] {
	return property[float64](&s.step, "FinalMetricDataList['"+name+"'].Value")
}

func (s *TrainingStep) kind() string { return "Training" }

func (s *TrainingStep) arguments(b *builder) any {
	out := s.spec.render(b, s.name)
	out["ResourceConfig"] = b.in("Resources", s.spec.Resources.render)
	if len(s.spec.HyperParameters) > 0 {
		out["HyperParameters"] = b.texts("HyperParameters", s.spec.HyperParameters)
	}
	return out
}

// render gives what a training job and the definition of a tuning job's trainings have in common.
func (t TrainingSpec) render(b *builder, step string) map[string]any {
	image := t.Image
	if image == "" {
		image = XGBoostImage
	}
	algorithm := map[string]any{"TrainingInputMode": "File", "TrainingImage": image}
	var metrics []any
	for _, m := range t.Metrics {
		metrics = append(metrics, map[string]any{"Name": m.Name, "Regex": m.Regex})
	}
	if metrics != nil {
		algorithm["MetricDefinitions"] = metrics
	}
	if t.MaxRuntime == 0 {
		t.MaxRuntime = 24 * time.Hour
	}
	out := map[string]any{
		"RoleArn":                b.target.RoleARN,
		"AlgorithmSpecification": algorithm,
		"OutputDataConfig":       map[string]any{"S3OutputPath": b.value("OutputPath", t.outputPath(b.workflow, step))},
		"StoppingCondition":      map[string]any{"MaxRuntimeInSeconds": b.seconds("MaxRuntime", t.MaxRuntime)},
	}
	if channels := t.channels(b); len(channels) > 0 {
		out["InputDataConfig"] = channels
	}
	if len(t.Environment) > 0 {
		out["Environment"] = b.texts("Environment", t.Environment)
	}
	return out
}

func (t TrainingSpec) outputPath(w *Workflow, step string) Expr[string] {
	if t.OutputPath.node == nil {
		return S3(w.Name, step)
	}
	return t.OutputPath
}

func (t TrainingSpec) channels(b *builder) (out []any) {
	seen := map[string]bool{}
	for i, c := range t.Channels {
		at := fmt.Sprintf("Channels[%d]", i)
		if seen[c.Name] {
			b.problem(at, "another channel is named '%s'", c.Name)
		}
		seen[c.Name] = true
		if c.URI.node == nil {
			b.problem(at, "channel '%s' has no URI", c.Name)
			continue
		}
		distribution := "FullyReplicated"
		if c.ByKey {
			distribution = "ShardedByS3Key"
		}
		contentType := c.ContentType
		if contentType == "" {
			contentType = "text/csv"
		}
		out = append(out, map[string]any{"ChannelName": c.Name, "ContentType": contentType, "DataSource": map[string]any{
			"S3DataSource": map[string]any{"S3DataType": "S3Prefix", "S3Uri": b.value(at+".URI", c.URI), "S3DataDistributionType": distribution}}})
	}
	return out
}
