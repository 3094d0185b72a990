package pipeline

// A FailStep ends an execution as Failed.
type FailStep struct {
	step
	message Expr[string]
}

// Fail adds a step that ends the execution as Failed, with a message.
func (w *Workflow) Fail(name string, message Expr[string]) *FailStep {
	s := &FailStep{step: step{name: name, workflow: w}, message: message}
	w.add(s)
	return s
}

func (s *FailStep) kind() string { return "Fail" }

func (s *FailStep) arguments(b *builder) any {
	return map[string]any{"ErrorMessage": b.or("ErrorMessage", s.message, "")}
}
