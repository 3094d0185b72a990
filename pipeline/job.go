package pipeline

// A Job is what a step function finds where it runs.
type Job struct {
	step *ProcessingStep
	root string // the folder that stands for /opt/ml
	args map[string]string
}
