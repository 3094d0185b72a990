package pipeline

// TransformSpec is what a Transform step is made of.
type TransformSpec struct {
	Model       Expr[string] // the model's name, such as ModelStep.ModelName
	Data        Expr[string] // the prefix of the objects to predict on
	ContentType string       // of the objects. Defaults to text/csv.
	Accept      string       // of the predictions. Defaults to text/csv.
	// ByLine sends records apart from one another, a line each, and puts the predictions of an object together again.
	ByLine bool
	// InputFilter, OutputFilter and JoinInput say, in JSONPath, what of a record the model gets, what of the result is kept, and whether the record
	// stands before its prediction.
	InputFilter, OutputFilter string
	JoinInput                 bool
	// OutputPath is where the predictions go, as <object>.out. Defaults to s3://<default bucket>/<pipeline>/<execution>/<step>, without the
	// execution where the step has a cache: results are found again where they were written.
	OutputPath  Expr[string]
	Environment map[string]any
	Resources   Resources // without its volume
	StepOptions
}

// A TransformStep predicts on all objects below a prefix.
type TransformStep struct {
	step
	spec TransformSpec
}

// Transform adds a step that runs one batch transform job.
func (w *Workflow) Transform(name string, spec TransformSpec) *TransformStep {
	s := &TransformStep{step: step{name: name, workflow: w, options: spec.StepOptions}, spec: spec}
	w.add(s)
	return s
}

// JobName is the name of the step's transform job.
func (s *TransformStep) JobName() Expr[string] { return property[string](&s.step, "TransformJobName") }

// Predictions is the prefix of the predictions.
func (s *TransformStep) Predictions() Expr[string] {
	return property[string](&s.step, "TransformOutput.S3OutputPath")
}

func (s *TransformStep) kind() string { return "Transform" }

func (s *TransformStep) arguments(b *builder) any {
	t := s.spec
	for name, e := range map[string]Expr[string]{"Model": t.Model, "Data": t.Data} {
		if e.node == nil {
			b.problem(name, "it is not given")
		}
	}
	if t.OutputPath.node == nil {
		if t.OutputPath = S3(b.workflow.Name, PipelineExecutionID, s.name); s.options.Cache != 0 {
			t.OutputPath = S3(b.workflow.Name, s.name)
		}
	}
	or := func(text, instead string) string {
		if text == "" {
			return instead
		}
		return text
	}
	input := map[string]any{"ContentType": or(t.ContentType, "text/csv"),
		"DataSource": map[string]any{"S3DataSource": map[string]any{"S3DataType": "S3Prefix", "S3Uri": b.or("Data", t.Data, "")}}}
	output := map[string]any{"S3OutputPath": b.value("OutputPath", t.OutputPath), "Accept": or(t.Accept, "text/csv")}
	if t.ByLine {
		input["SplitType"], output["AssembleWith"] = "Line", "Line"
	}
	resources := b.in("Resources", t.Resources.render)
	delete(resources, "VolumeSizeInGB")
	out := map[string]any{"ModelName": b.or("Model", t.Model, ""), "TransformInput": input, "TransformOutput": output, "TransformResources": resources}
	processing := map[string]any{}
	if t.InputFilter != "" {
		processing["InputFilter"] = t.InputFilter
	}
	if t.OutputFilter != "" {
		processing["OutputFilter"] = t.OutputFilter
	}
	if t.JoinInput {
		processing["JoinSource"] = "Input"
	}
	if len(processing) > 0 {
		out["DataProcessing"] = processing
	}
	if len(t.Environment) > 0 {
		out["Environment"] = b.texts("Environment", t.Environment)
	}
	return out
}
