package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Resources are the hosts of a job.
type Resources struct {
	InstanceType  Expr[string] // Defaults to ml.m5.xlarge.
	InstanceCount Expr[int]    // Defaults to 1.
	VolumeSizeGB  Expr[int]    // Defaults to 30.
}

func (r Resources) render(b *builder) map[string]any {
	return map[string]any{
		"InstanceType":   b.or("InstanceType", r.InstanceType, "ml.m5.xlarge"),
		"InstanceCount":  b.or("InstanceCount", r.InstanceCount, 1),
		"VolumeSizeInGB": b.or("VolumeSizeInGB", r.VolumeSizeGB, 30),
	}
}

// ProcessingSpec is what a Processing step is made of.
type ProcessingSpec struct {
	// Args are given to the code as --name value. A value is a string, a number, a bool or an expression.
	Args map[string]any
	// Environment is added to that of the code. Values are as in Args.
	Environment   map[string]any
	Inputs        []Input
	Outputs       []Output
	PropertyFiles []PropertyFile
	Resources     Resources
	MaxRuntime    time.Duration // whole seconds. Defaults to the service's own limit.
	StepOptions
}

// An Input is S3 objects that the code finds as files: the object at URI, or all whose keys begin with it.
type Input struct {
	Name string // of the input; Job.Input finds its folder by it
	URI  Expr[string]
	Path string // Defaults to /opt/ml/processing/input/<Name>.
	// ByKey gives each host a share of the objects instead of all of them.
	ByKey bool
}

// An Output is a folder whose files become S3 objects when the code has succeeded.
type Output struct {
	Name string
	// URI is the prefix of the objects. Defaults to s3://<default bucket>/<pipeline>/<execution>/<step>/<Name>, new for each execution.
	URI  Expr[string]
	Path string // Defaults to /opt/ml/processing/output/<Name>.
}

// A ProcessingStep runs code over files.
type ProcessingStep struct {
	step
	code Code
	spec ProcessingSpec
}

// Processing adds a step that runs code, a function of this program or an image.
func (w *Workflow) Processing(name string, code Code, spec ProcessingSpec) *ProcessingStep {
	s := &ProcessingStep{step: step{name: name, workflow: w, options: spec.StepOptions, propertyFiles: spec.PropertyFiles}, code: code, spec: spec}
	w.add(s)
	return s
}

// Output is where the step's output of that name lies, as s3://bucket/prefix.
func (s *ProcessingStep) Output(name string) Expr[string] {
	return Expr[string]{reference{path: fmt.Sprintf("Steps.%s.ProcessingOutputConfig.Outputs['%s'].S3Output.S3Uri", s.name, name), owner: s.workflow, want: "String"}}
}

// JobName is the name of the processing job that the step ran.
func (s *ProcessingStep) JobName() Expr[string] {
	return property[string](&s.step, "ProcessingJobName")
}

// File is where the step's property file of that name lies, as s3://bucket/key.
func (s *ProcessingStep) File(propertyFile string) Expr[string] {
	for _, f := range s.spec.PropertyFiles {
		if f.Name == propertyFile {
			return Join("/", s.Output(f.Output), f.Path)
		}
	}
	return Expr[string]{reference{path: "Steps." + s.name + ".PropertyFiles." + propertyFile, owner: s.workflow}}
}

func (s *ProcessingStep) kind() string { return "Processing" }

const (
	inputRoot  = "/opt/ml/processing/input/"
	outputRoot = "/opt/ml/processing/output/"
	codeInput  = "code"
)

func (i Input) path() string {
	if i.Path == "" {
		return inputRoot + i.Name
	}
	return i.Path
}

func (o Output) path() string {
	if o.Path == "" {
		return outputRoot + o.Name
	}
	return o.Path
}

func (s *ProcessingStep) arguments(b *builder) any {
	app := map[string]any{"ImageUri": s.code.image}
	if len(s.code.entrypoint) > 0 {
		app["ContainerEntrypoint"] = s.code.entrypoint
	}
	environment := maps.Clone(s.spec.Environment)
	inputs := slices.Clone(s.spec.Inputs)
	if s.code.image == "" {
		if s.code.run == nil {
			b.problem("", "the step has no code: Func takes a function, Image an image")
		}
		program := b.program()
		inputs = append(inputs, Input{Name: codeInput, URI: S3("mobula/bin", program.SHA256, program.Name)})
		app["ImageUri"], app["ContainerEntrypoint"] = GoImage, []string{inputRoot + codeInput + "/" + program.Name}
		if environment == nil {
			environment = map[string]any{}
		}
		environment[stepVariable] = s.name
		if s.code.version != "" {
			environment[versionVariable] = s.code.version
		}
	}
	if args := b.arguments(s.spec.Args); len(args) > 0 {
		app["ContainerArguments"] = args
	}
	out := map[string]any{
		"ProcessingResources": map[string]any{"ClusterConfig": b.in("ClusterConfig", s.spec.Resources.render)},
		"AppSpecification":    app,
		"RoleArn":             b.target.RoleARN,
		"ProcessingInputs":    b.inputs(inputs),
	}
	if len(s.spec.Outputs) > 0 {
		out["ProcessingOutputConfig"] = map[string]any{"Outputs": s.outputs(b)}
	}
	if len(environment) > 0 {
		out["Environment"] = b.texts("Environment", environment)
	}
	if s.spec.MaxRuntime != 0 {
		out["StoppingCondition"] = map[string]any{"MaxRuntimeInSeconds": b.seconds("MaxRuntime", s.spec.MaxRuntime)}
	}
	return out
}

func (s *ProcessingStep) outputs(b *builder) (out []any) {
	seen := map[string]bool{}
	for i, o := range s.spec.Outputs {
		at := fmt.Sprintf("Outputs[%d]", i)
		if seen[o.Name] {
			b.problem(at, "another output is named '%s'", o.Name)
		}
		seen[o.Name] = true
		if o.URI.node == nil {
			o.URI = S3(b.workflow.Name, PipelineExecutionID, s.name, o.Name)
		}
		out = append(out, map[string]any{"OutputName": o.Name, "AppManaged": false, "S3Output": map[string]any{
			"S3Uri": b.value(at+".URI", o.URI), "LocalPath": o.path(), "S3UploadMode": "EndOfJob"}})
	}
	return out
}

func (b *builder) inputs(inputs []Input) []any {
	out, seen := []any{}, map[string]bool{}
	for i, in := range inputs {
		at := fmt.Sprintf("Inputs[%d]", i)
		if seen[in.Name] {
			b.problem(at, "another input is named '%s'", in.Name)
		}
		if in.URI.node == nil {
			b.problem(at, "input '%s' has no URI", in.Name)
			continue
		}
		seen[in.Name] = true
		distribution := "FullyReplicated"
		if in.ByKey {
			distribution = "ShardedByS3Key"
		}
		out = append(out, map[string]any{"InputName": in.Name, "AppManaged": false, "S3Input": map[string]any{
			"S3Uri": b.value(at+".URI", in.URI), "LocalPath": in.path(), "S3DataType": "S3Prefix", "S3InputMode": "File",
			"S3DataDistributionType": distribution, "S3CompressionType": "None"}})
	}
	return out
}
