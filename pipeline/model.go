package pipeline

// ModelSpec is what a Model step is made of.
type ModelSpec struct {
	Image       string // Defaults to XGBoostImage.
	Model       Expr[string]
	Environment map[string]any
	StepOptions
}

// A ModelStep makes a model that endpoints can serve.
type ModelStep struct {
	step
	spec ModelSpec
}

// Model adds a step that makes a model.
func (w *Workflow) Model(name string, spec ModelSpec) *ModelStep {
	s := &ModelStep{step: step{name: name, workflow: w, options: spec.StepOptions}, spec: spec}
	w.add(s)
	return s
}

// ModelName is the name of the model.
func (s *ModelStep) ModelName() Expr[string] { return property[string](&s.step, "ModelName") }

func (s *ModelStep) kind() string { return "Model" }

func (s *ModelStep) arguments(b *builder) any {
	return map[string]any{"ExecutionRoleArn": b.target.RoleARN, "PrimaryContainer": container(b, s.spec.Image, s.spec.Model, s.spec.Environment)}
}
