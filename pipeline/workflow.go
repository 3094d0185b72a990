package pipeline

import (
	"context"
)

// A Workflow is a pipeline as a Go program defines it. Declare parameters and steps on it, then hand it to Main, or to a Client, or Build it.
// It is not for use from several goroutines while it is being defined.
type Workflow struct {
	// Name is the pipeline's, 1 to 256 letters, digits and hyphens. Description and DisplayName are for people.
	Name, DisplayName, Description string
	// Experiment and Trial name what executions are recorded under. They default to the pipeline's name and the execution's id.
	Experiment, Trial Expr[string]
	// Target is where the workflow will run. A client fills in what is left out from what the service says of the caller.
	Target Target

	parameters []*parameter
	steps      []Step
}

// New begins a workflow.
func New(name string) *Workflow { return &Workflow{Name: name} }

// Target is what a definition must know of the place it runs in.
type Target struct {
	Region  string // Defaults to us-east-1.
	Account string // 12 digits. Defaults to 123456789012.
	RoleARN string // the role that jobs run under. Defaults to the role SageMakerExecutionRole of the account.
	Bucket  string // Defaults to sagemaker-<Region>-<Account>.
	Program Program
}

// Program is the executable that the Go steps run.
type Program struct {
	Name   string // the file's name. Defaults to that of the running program.
	SHA256 string // of its content, in hexadecimal. Defaults to that of the running program.
}

func (t Target) withDefaults() Target {
	defaults := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	defaults(&t.Region, "us-east-1")
	defaults(&t.Account, "123456789012")
	defaults(&t.RoleARN, "arn:aws:iam::"+t.Account+":role/SageMakerExecutionRole")
	defaults(&t.Bucket, "sagemaker-"+t.Region+"-"+t.Account)
	return t
}

// A Step is one node of a workflow: what Processing, Training, Tuning, Condition, Register, Model and Fail return.
type Step interface {
	// Name is the step's name.
	Name() string
	base() *step
	kind() string
	// arguments returns what the definition has under Arguments.
	arguments(b *builder) any
}

// step is what all steps have.
type step struct {
	name          string
	workflow      *Workflow
	options       StepOptions
	propertyFiles []PropertyFile
	after         []Step
}

func (s *step) Name() string { return s.name }
func (s *step) base() *step  { return s }

// After makes the step wait for others although it refers to nothing of theirs.
func (s *step) After(others ...Step) { s.after = append(s.after, others...) }

// PropertyFile is a JSON file in an output of a step that expressions may look into.
type PropertyFile struct {
	Name   string
	Output string // the name of the step's output that holds the file
	Path   string // inside the output
}

func (w *Workflow) add(s Step) { w.steps = append(w.steps, s) }

// A StepFunc is the code of a step. Its error ends the job as Failed, with the error's text as the reason; ctx ends when the job is stopped.
type StepFunc func(ctx context.Context, job *Job) error

// Code is what a Processing step runs.
type Code struct {
	run        StepFunc
	version    string
	image      string
	entrypoint []string
}

// Func is a Go function of this very program as the code of a step.
func Func(fn StepFunc) Code { return Code{run: fn} }

// Version makes v stand for the whole program in the cache key of the step, so that an edit elsewhere in the program does not run it again.
// Change v when what the step computes changes.
func (c Code) Version(v string) Code { c.version = v; return c }

// Image is a container image, with its entrypoint, as the code of a step.
func Image(uri string, entrypoint ...string) Code { return Code{image: uri, entrypoint: entrypoint} }
