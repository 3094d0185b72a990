package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// executionVariables are what may follow "Execution.".
var executionVariables = []string{"PipelineName", "PipelineArn", "PipelineExecutionId", "PipelineExecutionArn", "StartDateTime", "CurrentDateTime"}

// property refers to a property of a step.
func property[T Scalar](s *step, path string) Expr[T] {
	return Expr[T]{reference{path: "Steps." + s.name + "." + path, want: typeName[T](), owner: s.workflow}}
}

// Property is a property of a step: a member of its job's Describe response, such as "ProcessingEndTime" or "ResourceConfig.InstanceCount".
// Build checks that steps of this type have it, and that it is a T.
func Property[T Scalar](s Step, path string) Expr[T] { return property[T](s.base(), path) }

// checkReference reports a reference to what does not exist or is not of the type that is wanted.
func (b *builder) checkReference(r reference) {
	root, rest, _ := strings.Cut(r.path, ".")
	if r.owner != nil && r.owner != b.workflow {
		b.problem("", "'%s' belongs to workflow '%s'", r.path, r.owner.Name)
		return
	}
	switch root {
	case "Parameters":
		i := slices.IndexFunc(b.workflow.parameters, func(p *parameter) bool { return p.Name == rest })
		if i < 0 {
			b.problem("", "there is no parameter named '%s'", rest)
			return
		}
		b.checkType(r, b.workflow.parameters[i].Type)
	case "Execution":
		if !slices.Contains(executionVariables, rest) {
			b.problem("", "'%s' is not a variable of an execution; %v are", r.path, executionVariables)
			return
		}
		b.checkType(r, "String")
	case "Steps":
		b.checkStepReference(r, rest)
	default:
		b.problem("", "'%s' must begin with Parameters., Execution. or Steps.", r.path)
	}
}

func (b *builder) checkType(r reference, is string) {
	if r.want != "" && is != "" && r.want != is && !(r.want == "Float" && is == "Integer") {
		b.problem("", "'%s' is of type %s, not %s", r.path, is, r.want)
	}
}

func (b *builder) checkStepReference(r reference, rest string) {
	name, property, _ := strings.Cut(rest, ".")
	s := b.byName[name]
	switch {
	case property == "":
		b.problem("", "'%s' must be Steps.<step>.<property>", r.path)
		return
	case s == nil:
		b.problem("", "there is no step named '%s'", name)
		return
	case b.step == "":
		b.problem("", "an execution is named before any step runs; it cannot refer to step '%s'", name)
		return
	}
	b.need(name)
	if file, ok := strings.CutPrefix(property, "PropertyFiles."); ok {
		if !slices.ContainsFunc(s.base().propertyFiles, func(f PropertyFile) bool { return f.Name == file }) {
			b.problem("", "step '%s' declares no property file named '%s'", name, file)
		}
		return
	}
	path, err := parsePath(property)
	if err != nil {
		b.problem("", "%v", err)
		return
	}
	is, err := propertyType(s, path)
	if err != nil {
		b.problem("", "%v", err)
		return
	}
	b.checkType(r, is)
}

// properties are the responses that references to a step look into.
var properties = map[string]string{
	"Processing":    "DescribeProcessingJobResponse",
	"Training":      "DescribeTrainingJobResponse",
	"Tuning":        "DescribeHyperParameterTuningJobResponse",
	"Model":         "DescribeModelOutput",
	"RegisterModel": "DescribeModelPackageOutput",
	"Transform":     "DescribeTransformJobResponse",
}

// propertyType follows a path from a step and returns the type of what is there, "" where it is no scalar.
func propertyType(s Step, path []element) (string, error) {
	if s.kind() == "Condition" && len(path) == 1 && path[0].name == "Outcome" {
		return "String", nil
	}
	at := awsapi.ShapeNamed(properties[s.kind()])
	if at == nil {
		return "", fmt.Errorf("step '%s' is a %s step, which has no properties", s.Name(), s.kind())
	}
	for i, e := range path {
		next := descend(at, e)
		// The summaries of a tuning step's jobs are no member of its Describe response; the schema offers them beside it, best first.
		if i == 0 && s.kind() == "Tuning" && e.name == "TrainingJobSummaries" {
			next = awsapi.ShapeNamed("HyperParameterTrainingJobSummaries")
		}
		if next == nil {
			return "", fmt.Errorf("step '%s' is a %s step, which has no property '%s'", s.Name(), s.kind(), render(path[:i+1]))
		}
		if missing := missingEntry(s, path[:i+1]); missing != "" {
			return "", fmt.Errorf("%s", missing)
		}
		at = next
	}
	switch at.Kind {
	case "string", "timestamp":
		return "String", nil
	case "integer", "long":
		return "Integer", nil
	case "float", "double":
		return "Float", nil
	case "boolean":
		return "Boolean", nil
	}
	return "", nil
}

func descend(at *awsapi.Shape, e element) *awsapi.Shape {
	switch {
	case at.Kind == "list" && (e.key || e.name == ""), at.Kind == "map" && e.name != "":
		return &awsapi.Shapes[at.Elem]
	case at.Kind == "structure" && e.name != "":
		_, next := at.Member(e.name)
		return next
	}
	return nil
}

// missingEntry says that a path names an output that the step does not have, or "".
func missingEntry(s Step, path []element) string {
	p, ok := s.(*ProcessingStep)
	last := path[len(path)-1]
	if !ok || len(path) != 3 || path[1].name != "Outputs" || !last.key || p.hasOutput(last.name) {
		return ""
	}
	var names []string
	for _, o := range p.spec.Outputs {
		names = append(names, o.Name)
	}
	return fmt.Sprintf("step '%s' has no output named '%s'; it has %v", s.Name(), last.name, names)
}
