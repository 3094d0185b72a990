package pipeline

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// Scalar is what a parameter, a property or a constant can be.
type Scalar interface {
	string | int | float64 | bool
}

// An Expr is a value of type T that may be known only when an execution runs: a constant, a parameter, a property of a step, a variable of the
// execution, or text joined from those. The zero Expr says nothing, and the default applies.
type Expr[T Scalar] struct{ node node }

// A node writes the JSON of an expression and reports what is wrong with it.
type node interface{ render(b *builder) any }

// expression lets values of every Expr type stand side by side.
type expression interface{ inside() (node, string) }

func (e Expr[T]) inside() (node, string) { return e.node, typeName[T]() }

// typeName is the name of the parameter type that holds a T.
func typeName[T Scalar]() string {
	var zero T
	return typeOf(zero)
}

func typeOf(v any) string {
	switch v.(type) {
	case int:
		return "Integer"
	case float64:
		return "Float"
	case bool:
		return "Boolean"
	}
	return "String"
}

// Const is a value that is known now.
func Const[T Scalar](v T) Expr[T] { return Expr[T]{constant{v}} }

type constant struct{ value any }

func (c constant) render(b *builder) any {
	switch v := c.value.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b.problem("", "%v is not a number that JSON can carry", v)
			return nil
		}
		return decimal(v)
	case string:
		if isExpression(v) {
			b.problem("", "the text '%s' is not sent: the service would read it as an expression; Get makes one", v)
		}
	}
	return c.value
}

// decimal writes a Float so that it stays one: 15000 becomes 15000.0, as Python's SDK writes it.
func decimal(f float64) json.Number {
	text, _ := json.Marshal(f)
	if !strings.ContainsAny(string(text), ".e") {
		text = append(text, ".0"...)
	}
	return json.Number(text)
}

// Join is text: the values with on between them. A value is a string, a number, a bool or an expression.
func Join(on string, values ...any) Expr[string] { return Expr[string]{joined{on, values}} }

type joined struct {
	on     string
	values []any
}

func (j joined) render(b *builder) any {
	rendered, constant := make([]any, len(j.values)), true
	for i, v := range j.values {
		rendered[i] = b.value(fmt.Sprintf("Values[%d]", i), v)
		if _, call := rendered[i].(map[string]any); call {
			constant = false
		}
	}
	if !constant {
		return map[string]any{"Std:Join": map[string]any{"On": j.on, "Values": rendered}}
	}
	parts := make([]string, len(rendered))
	for i, v := range rendered {
		parts[i] = fmt.Sprint(v)
	}
	return strings.Join(parts, j.on)
}

// Text is the value of e as text, for places that take only text.
func Text[T Scalar](e Expr[T]) Expr[string] { return Join("", e) }

// Number is the value of an Integer where a Float is wanted.
func Number(e Expr[int]) Expr[float64] { return Expr[float64](e) }

// DefaultBucket is the bucket of the account and region that the workflow is applied to: sagemaker-<region>-<account>.
func DefaultBucket() Expr[string] { return Expr[string]{defaultBucket{}} }

type defaultBucket struct{}

func (defaultBucket) render(b *builder) any { return b.target.Bucket }

// S3 is a URI in the default bucket: s3://<default bucket>/<part>/<part>…
func S3(parts ...any) Expr[string] {
	return Join("/", append([]any{"s3:/", DefaultBucket()}, parts...)...)
}

// Get is a reference written out, such as "Steps.Train.ModelArtifacts.S3ModelArtifacts" or "Parameters.Seed". Build checks that it names
// something, and that this is a T. Methods of parameters and steps say the same with the compiler's help.
func Get[T Scalar](path string) Expr[T] { return Expr[T]{reference{path: path, want: typeName[T]()}} }

// Variables of the execution.
var (
	PipelineName         = Get[string]("Execution.PipelineName")
	PipelineARN          = Get[string]("Execution.PipelineArn")
	PipelineExecutionID  = Get[string]("Execution.PipelineExecutionId")
	PipelineExecutionARN = Get[string]("Execution.PipelineExecutionArn")
	StartDateTime        = Get[string]("Execution.StartDateTime")
	CurrentDateTime      = Get[string]("Execution.CurrentDateTime")
)

// reference is a Get. Owner is the workflow that made what it refers to, nil where the path was written out.
type reference struct {
	path  string
	want  string // the type that is expected there, "" for any
	owner *Workflow
}

func (r reference) render(b *builder) any {
	b.checkReference(r)
	return map[string]any{"Get": r.path}
}

// JSON is a value inside a property file of a step, found by a path such as "regression_metrics.rmse.value".
func JSON[T Scalar](of *ProcessingStep, propertyFile, path string) Expr[T] {
	return Expr[T]{jsonGet{of, propertyFile, path}}
}

type jsonGet struct {
	of         *ProcessingStep
	file, path string
}

func (j jsonGet) render(b *builder) any {
	if j.of == nil {
		b.problem("", "JSON needs the step that writes property file '%s'", j.file)
		return nil
	}
	if _, err := parsePath(j.path); err != nil {
		b.problem("Path", "%v", err)
	}
	file := reference{path: "Steps." + j.of.name + ".PropertyFiles." + j.file, owner: j.of.workflow}
	return map[string]any{"Std:JsonGet": map[string]any{"PropertyFile": file.render(b), "Path": j.path}}
}
