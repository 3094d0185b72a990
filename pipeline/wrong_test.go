package pipeline_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	p "github.com/mobula-ml/mobula/pipeline"
)

// step adds a Processing step that is right, apart from what spec says.
func step(w *p.Workflow, name string, spec p.ProcessingSpec) *p.ProcessingStep {
	return w.Processing(name, p.Func(nothing), spec)
}

func TestWrongWorkflowsAreRefused(t *testing.T) {
	t.Parallel()
	report := p.ProcessingSpec{Outputs: []p.Output{{Name: "out"}}, PropertyFiles: []p.PropertyFile{{Name: "Report", Output: "out", Path: "report.json"}}}
	fails := func(message p.Expr[string]) func(*p.Workflow) {
		return func(w *p.Workflow) { w.Fail("F", message) }
	}
	after := func(o p.StepOptions) p.ProcessingSpec { return p.ProcessingSpec{StepOptions: o} }
	for name, c := range map[string]struct {
		define func(w *p.Workflow)
		want   string // a part of the error
	}{
		"pipeline name":      {func(w *p.Workflow) { w.Name = "a b"; w.Fail("F", p.Const("x")) }, "Name: Value 'a b' must satisfy regular expression pattern"},
		"no steps":           {func(w *p.Workflow) {}, "Steps: the workflow has 0 steps, 1 to 500 are allowed"},
		"step name":          {func(w *p.Workflow) { w.Fail("no spaces", p.Const("x")) }, "step 'no spaces': Name: Value 'no spaces' must satisfy"},
		"duplicate step":     {func(w *p.Workflow) { w.Fail("F", p.Const("x")); w.Fail("F", p.Const("y")) }, "step 'F': Name: another step has this name"},
		"parameter name":     {func(w *p.Workflow) { w.String("a.b", ""); w.Fail("F", p.Const("x")) }, "Parameters[0].Name: Value 'a.b' must satisfy"},
		"duplicate param":    {func(w *p.Workflow) { w.String("A", ""); w.Integer("A", 1); w.Fail("F", p.Const("x")) }, "Parameters[1].Name: another parameter is named 'A'"},
		"default not in set": {func(w *p.Workflow) { w.String("A", "z", p.OneOf("x", "y")); w.Fail("F", p.Const("x")) }, "Parameters[0].DefaultValue: the default 'z' of 'A' is not one of [x y]"},
		"set of numbers":     {func(w *p.Workflow) { w.Integer("A", 1, p.OneOf("x")); w.Fail("F", p.Const("x")) }, "only String parameters have a list of values"},
		"default is NaN":     {func(w *p.Workflow) { w.Float("A", math.NaN()); w.Fail("F", p.Const("x")) }, "Parameters[0].DefaultValue: NaN is not a number that JSON can carry"},
		"unknown parameter":  {fails(p.Get[string]("Parameters.Nope")), "step 'F': ErrorMessage: there is no parameter named 'Nope'"},
		"unknown step":       {fails(p.Get[string]("Steps.Nope.ProcessingJobName")), "ErrorMessage: there is no step named 'Nope'"},
		"unknown variable":   {fails(p.Get[string]("Execution.Weather")), "'Execution.Weather' is not a variable of an execution"},
		"unknown root":       {fails(p.Get[string]("Stages.A")), "must begin with Parameters., Execution. or Steps."},
		"step without more":  {fails(p.Get[string]("Steps.A")), "'Steps.A' must be Steps.<step>.<property>"},
		"bad path":           {func(w *p.Workflow) { step(w, "S", p.ProcessingSpec{}); fails(p.Get[string]("Steps.S.Outputs['x"))(w) }, "a quoted key is not closed"},
		"bad index":          {func(w *p.Workflow) { step(w, "S", p.ProcessingSpec{}); fails(p.Get[string]("Steps.S.Outputs[x]"))(w) }, "is no index"},
		"empty part":         {func(w *p.Workflow) { step(w, "S", p.ProcessingSpec{}); fails(p.Get[string]("Steps.S.A..B"))(w) }, "a part of it is empty"},
		"no such property": {func(w *p.Workflow) {
			s := step(w, "S", p.ProcessingSpec{})
			w.Fail("F", p.Property[string](s, "ModelArtifacts.S3ModelArtifacts"))
		}, "step 'S' is a Processing step, which has no property 'ModelArtifacts'"},
		"fail has no property": {func(w *p.Workflow) { w.Fail("G", p.Property[string](w.Fail("F", p.Const("x")), "Message")) }, "step 'F' is a Fail step, which has no properties"},
		"no such output":       {func(w *p.Workflow) { w.Fail("F", step(w, "S", report).Output("in")) }, "step 'S' has no output named 'in'; it has [out]"},
		"parameter type": {func(w *p.Workflow) { w.Integer("N", 1); fails(p.Get[string]("Parameters.N"))(w) },
			"'Parameters.N' is of type Integer, not String"},
		"property type": {func(w *p.Workflow) {
			s := w.Training("T", p.TrainingSpec{})
			w.Fail("F", p.Text(p.Property[int](s, "TrainingJobName")))
		}, "'Steps.T.TrainingJobName' is of type String, not Integer"},
		"property file undeclared": {func(w *p.Workflow) { w.Fail("F", p.Text(p.JSON[float64](step(w, "S", report), "Other", "a.b"))) },
			"step 'S' declares no property file named 'Other'"},
		"property file path":  {func(w *p.Workflow) { w.Fail("F", p.JSON[string](step(w, "S", report), "Report", "a[")) }, "ErrorMessage.Path: path 'a[':"},
		"property file nil":   {fails(p.JSON[string](nil, "Report", "a")), "JSON needs the step that writes property file 'Report'"},
		"file without output": {func(w *p.Workflow) { step(w, "S", p.ProcessingSpec{PropertyFiles: report.PropertyFiles}) }, "PropertyFiles[0].Output: the step has no output named 'out'"},
		"file outside": {func(w *p.Workflow) {
			s := report
			s.PropertyFiles = []p.PropertyFile{{Name: "R", Output: "out", Path: "../x"}}
			step(w, "S", s)
		}, "Value '../x' must be a path inside the output"},
		"no code":       {func(w *p.Workflow) { w.Processing("S", p.Func(nil), p.ProcessingSpec{}) }, "step 'S': the step has no code"},
		"argument name": {func(w *p.Workflow) { step(w, "S", p.ProcessingSpec{Args: map[string]any{"a b": 1}}) }, "Args['a b']: the name of an argument must satisfy"},
		"argument type": {func(w *p.Workflow) { step(w, "S", p.ProcessingSpec{Args: map[string]any{"a": []int{1}}}) }, "Args['a']: a []int is neither text, a number, a bool nor an expression"},
		"expression as text": {func(w *p.Workflow) {
			step(w, "S", p.ProcessingSpec{Args: map[string]any{"a": `{"Get": "Parameters.X"}`}})
		}, "the service would read it as an expression"},
		"input without URI": {func(w *p.Workflow) { step(w, "S", p.ProcessingSpec{Inputs: []p.Input{{Name: "x"}}}) }, "Inputs[0]: input 'x' has no URI"},
		"input is code":     {func(w *p.Workflow) { step(w, "S", p.ProcessingSpec{Inputs: []p.Input{{Name: "code", URI: p.S3("x")}}}) }, "another input is named 'code'"},
		"output twice":      {func(w *p.Workflow) { step(w, "S", p.ProcessingSpec{Outputs: []p.Output{{Name: "a"}, {Name: "a"}}}) }, "Outputs[1]: another output is named 'a'"},
		"URI pattern": {func(w *p.Workflow) {
			step(w, "S", p.ProcessingSpec{Inputs: []p.Input{{Name: "x", URI: p.Const("file:///etc")}}})
		}, "Value 'file:///etc' at"},
		"instance type": {func(w *p.Workflow) {
			step(w, "S", p.ProcessingSpec{Resources: p.Resources{InstanceType: p.Const("huge")}})
		}, "Value 'huge' at"},
		"instance count":   {func(w *p.Workflow) { step(w, "S", p.ProcessingSpec{Resources: p.Resources{InstanceCount: p.Const(0)}}) }, "'processingResources.clusterConfig.instanceCount'"},
		"half a second":    {func(w *p.Workflow) { step(w, "S", p.ProcessingSpec{MaxRuntime: time.Second / 2}) }, "MaxRuntime: 500ms must be whole seconds"},
		"cache below zero": {func(w *p.Workflow) { step(w, "S", after(p.StepOptions{Cache: -time.Hour})) }, "CacheConfig: -1h0m0s is no time to keep results"},
		"cache of a model": {func(w *p.Workflow) {
			w.Model("M", p.ModelSpec{Model: p.S3("m"), StepOptions: p.StepOptions{Cache: time.Hour}})
		}, "a Model step cannot be cached"},
		"retry of nothing": {func(w *p.Workflow) { step(w, "S", after(p.StepOptions{Retry: []p.RetryPolicy{{MaxAttempts: 2}}})) }, "Retry[0].Exceptions: a retry policy needs at least one of"},
		"retry of what": {func(w *p.Workflow) {
			step(w, "S", after(p.StepOptions{Retry: []p.RetryPolicy{{Exceptions: []string{"Rain"}, MaxAttempts: 2}}}))
		}, "'Rain' is not one of"},
		"retry without bounds": {func(w *p.Workflow) {
			step(w, "S", after(p.StepOptions{Retry: []p.RetryPolicy{{Exceptions: []string{p.Throttling}}}}))
		}, "needs either MaxAttempts or ExpireAfter"},
		"resources of another strategy": {func(w *p.Workflow) {
			w.Tuning("T", p.TuningSpec{Objective: p.Minimize("m"), MaxResource: 9, Ranges: []p.Range{p.Integer("a", 1, 2)}})
		}, "MaxResource: resources are for the strategy Hyperband"},
		"no objective": {func(w *p.Workflow) { w.Tuning("T", p.TuningSpec{Ranges: []p.Range{p.Integer("a", 1, 2)}}) }, "Objective: a search needs an objective"},
		"no range":     {func(w *p.Workflow) { w.Tuning("T", p.TuningSpec{Objective: p.Minimize("m")}) }, "Ranges: a search needs at least one range"},
		"range backwards": {func(w *p.Workflow) {
			w.Tuning("T", p.TuningSpec{Objective: p.Minimize("m"), Ranges: []p.Range{p.Integer("a", 9, 2)}})
		}, "the range of 'a' begins at 9 and ends at 2"},
		"range and value": {func(w *p.Workflow) {
			w.Tuning("T", p.TuningSpec{Objective: p.Minimize("m"), Ranges: []p.Range{p.Integer("a", 1, 2)}, Training: p.TrainingSpec{HyperParameters: map[string]any{"a": 1}}})
		}, "'a' is a hyper-parameter with a fixed value too"},
		"strategy": {func(w *p.Workflow) {
			w.Tuning("T", p.TuningSpec{Strategy: "Luck", Objective: p.Minimize("m"), Ranges: []p.Range{p.Integer("a", 1, 2)}})
		}, "Value 'Luck' at"},
		"no group": {func(w *p.Workflow) { w.Register("R", p.RegisterSpec{Model: p.S3("m")}) }, "Group: the model package group is not given"},
		"no model": {func(w *p.Workflow) { w.Register("R", p.RegisterSpec{Group: p.Const("g")}) }, "Model: where the model lies is not given"},
		"approval": {func(w *p.Workflow) {
			w.Register("R", p.RegisterSpec{Group: p.Const("g"), Model: p.S3("m"), Approval: p.Const("Maybe")})
		}, "Value 'Maybe' at"},
		"no branches": {func(w *p.Workflow) {
			w.Condition("C", p.ConditionSpec{If: []p.Condition{p.Equals(p.Const(1), p.Const(1))}})
		}, "the step has no step in either branch"},
		"no condition": {func(w *p.Workflow) { w.Condition("C", p.ConditionSpec{Then: []p.Step{w.Fail("F", p.Const("x"))}}) },
			"Conditions: the step has no condition"},
		"empty condition": {func(w *p.Workflow) {
			w.Condition("C", p.ConditionSpec{If: []p.Condition{{}}, Then: []p.Step{w.Fail("F", p.Const("x"))}})
		}, "an empty Condition says nothing"},
		"empty Or": {func(w *p.Workflow) {
			w.Condition("C", p.ConditionSpec{If: []p.Condition{p.Or()}, Then: []p.Step{w.Fail("F", p.Const("x"))}})
		}, "Or needs at least one condition"},
		"empty In": {func(w *p.Workflow) {
			w.Condition("C", p.ConditionSpec{If: []p.Condition{p.In(p.Const(1))}, Then: []p.Step{w.Fail("F", p.Const("x"))}})
		}, "In needs at least one value"},
		"empty expression": {func(w *p.Workflow) {
			w.Condition("C", p.ConditionSpec{If: []p.Condition{p.Equals(p.Expr[int]{}, p.Const(1))}, Then: []p.Step{w.Fail("F", p.Const("x"))}})
		}, "Conditions[0].LeftValue: the expression is empty"},
		"branch twice": {func(w *p.Workflow) {
			f := w.Fail("F", p.Const("x"))
			w.Condition("C", p.ConditionSpec{If: []p.Condition{p.Equals(p.Const(1), p.Const(1))}, Then: []p.Step{f}, Else: []p.Step{f}})
		}, "step 'F' stands in a branch of 'C' already"},
		"nil in branch": {func(w *p.Workflow) {
			w.Condition("C", p.ConditionSpec{If: []p.Condition{p.Equals(p.Const(1), p.Const(1))}, Then: []p.Step{nil}})
		}, "Then[0]: the step is nil"},
		"step of another": {func(w *p.Workflow) { w.Fail("F", p.Const("x")).After(step(p.New("other"), "S", p.ProcessingSpec{})) },
			"step 'F': DependsOn[0]: step 'S' is not one of this workflow's"},
		"output of another": {func(w *p.Workflow) { w.Fail("F", step(p.New("other"), "S", report).Output("out")) }, "belongs to workflow 'other'"},
		"param of another":  {func(w *p.Workflow) { w.Fail("F", p.New("other").String("A", "x")) }, "'Parameters.A' belongs to workflow 'other'"},
		"cycle": {func(w *p.Workflow) {
			a, b := step(w, "A", report), step(w, "B", report)
			a.After(b)
			b.After(a)
		}, "the steps wait for one another in a cycle: A → B → A"},
		"cycle by reference": {func(w *p.Workflow) {
			step(w, "A", p.ProcessingSpec{Args: map[string]any{"x": p.Get[string]("Steps.B.ProcessingJobName")}})
			step(w, "B", p.ProcessingSpec{Args: map[string]any{"x": p.Get[string]("Steps.A.ProcessingJobName")}})
		}, "in a cycle: A → B → A"},
		"condition waits for its branch": {func(w *p.Workflow) {
			s := step(w, "S", report)
			w.Condition("C", p.ConditionSpec{If: []p.Condition{p.Equals(p.JSON[int](s, "Report", "a"), p.Const(1))}, Then: []p.Step{s}})
		}, "in a cycle"},
		"experiment of a step": {func(w *p.Workflow) { w.Experiment = step(w, "S", report).Output("out") }, "PipelineExperimentConfig.ExperimentName: an execution is named before any step runs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := p.New("wrong")
			w.Target = fixed
			c.define(w)
			_, err := w.Build()
			var problems p.Problems
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Build says\n  %v\nwant\n  %s", err, c.want)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	w := p.New("wrong")
	w.Target = fixed
	w.Fail("A", p.Get[string]("Parameters.Nope"))
	w.Fail("B", p.Get[string]("Steps.C.X"))
	step(w, "D", p.ProcessingSpec{StepOptions: p.StepOptions{Cache: 1}})
	_, err := w.Build()
	var problems p.Problems
	if !errors.As(err, &problems) || len(problems) != 3 {
		t.Fatalf("want 3 problems, got %v", err)
	}
	for i, name := range []string{"A", "B", "D"} {
		if problems[i].Step != name {
			t.Errorf("problem %d is of step %s, want %s", i, problems[i].Step, name)
		}
	}
}

func TestParametersOfAStart(t *testing.T) {
	t.Parallel()
	w := p.New("w")
	w.String("Color", "red", p.OneOf("red", "green"))
	w.Integer("N", 1)
	w.Float("F", 1)
	w.Boolean("B", false)
	w.String("Needed", "", p.Required())
	for _, c := range []struct {
		values map[string]any
		want   string
	}{
		{map[string]any{"Needed": "x"}, ""},
		{map[string]any{"Needed": "", "Color": "green", "N": -3, "F": 2, "B": "True"}, ""},
		{map[string]any{}, "parameter 'Needed' has no default and no value was given"},
		{map[string]any{"Needed": "x", "N": 1.5}, "parameter 'N': value '1.5' is not an Integer"},
		{map[string]any{"Needed": "x", "F": "NaN"}, "parameter 'F': value 'NaN' is not a Float"},
		{map[string]any{"Needed": "x", "B": "yes"}, "parameter 'B': value 'yes' is not a Boolean: true and false are"},
		{map[string]any{"Needed": "x", "Color": "blue"}, "parameter 'Color': value 'blue' is not one of [red green]"},
		{map[string]any{"Needed": "x", "X": 1}, "parameter 'X' is not one of the pipeline's"},
	} {
		err := w.CheckParameters(c.values)
		if got := errorText(err); got != c.want {
			t.Errorf("%v: got %q, want %q", c.values, got, c.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
