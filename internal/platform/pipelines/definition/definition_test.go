package definition

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// processing returns a Processing step that is right; members are added or replaced by more.
func processing(name string, more map[string]any) map[string]any {
	s := map[string]any{"Name": name, "Type": "Processing", "Arguments": map[string]any{
		"ProcessingResources": map[string]any{"ClusterConfig": map[string]any{"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
		"AppSpecification":    map[string]any{"ImageUri": "mobula/go:1"},
		"RoleArn":             "arn:aws:iam::123456789012:role/test-role",
		"ProcessingOutputConfig": map[string]any{"Outputs": []any{map[string]any{"OutputName": "out",
			"S3Output": map[string]any{"S3Uri": "s3://bucket/out", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}}}},
	}}
	for k, v := range more {
		s[k] = v
	}
	return s
}

func fail(name string, message any) map[string]any {
	return map[string]any{"Name": name, "Type": "Fail", "Arguments": map[string]any{"ErrorMessage": message}}
}

func ref(path string) map[string]any { return map[string]any{"Get": path} }

func pipelineOf(steps ...map[string]any) map[string]any {
	return map[string]any{"Version": SchemaVersion, "Steps": steps}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func lambda(name, output string) map[string]any {
	return map[string]any{"Name": name, "Type": "Lambda", "Arguments": map[string]any{}, "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
		"OutputParameters": []any{map[string]any{"OutputName": "n", "OutputType": output}}}
}

func TestParseNamesStepAndPathOfWhatIsWrong(t *testing.T) {
	t.Parallel()
	condition := func(conditions ...any) map[string]any {
		return map[string]any{"Name": "C", "Type": "Condition", "Arguments": map[string]any{"Conditions": conditions, "IfSteps": []any{}, "ElseSteps": []any{}}}
	}
	cases := []struct {
		name string
		def  any
		want []string
	}{
		{"no steps", map[string]any{"Version": SchemaVersion}, []string{"at Steps: a pipeline needs at least one step"}},
		{"version", map[string]any{"Version": "2019", "Steps": []any{fail("F", "x")}}, []string{"at Version: Value '2019'"}},
		{"unknown step", pipelineOf(fail("F", ref("Steps.Nowhere.ProcessingJobName"))), []string{"step 'F' at Steps[0].Arguments.ErrorMessage.Get: there is no step named 'Nowhere'"}},
		{"unknown parameter in text", pipelineOf(fail("F", `{"Get": "Parameters.X"}`)), []string{"step 'F' at Steps[0].Arguments.ErrorMessage.Get: there is no parameter named 'X'"}},
		{"bad variable", pipelineOf(fail("F", ref("Execution.Foo"))), []string{"'Execution.Foo' is not a variable"}},
		{"bad root", pipelineOf(fail("F", ref("Foo.X"))), []string{"must begin with Parameters., Execution. or Steps."}},
		{"unknown function", pipelineOf(fail("F", map[string]any{"Std:Upper": "x"})), []string{"function 'Std:Upper' is unknown"}},
		{"join", pipelineOf(fail("F", map[string]any{"Std:Join": map[string]any{"On": ""}})), []string{"needs On, the text between, and Values"}},
		{"depends on nothing", pipelineOf(processing("A", map[string]any{"DependsOn": []string{"B"}})), []string{"step 'A' at Steps[0].DependsOn[0]: there is no step named 'B'"}},
		{"cycle", pipelineOf(processing("A", map[string]any{"DependsOn": []string{"B"}}), processing("B", map[string]any{"DependsOn": []string{"A"}})),
			[]string{"in a cycle: A → B → A"}},
		{"self", pipelineOf(processing("A", map[string]any{"DependsOn": []string{"A"}})), []string{"in a cycle: A → A"}},
		{"twice", pipelineOf(fail("F", "x"), fail("F", "y")), []string{"step 'F' at Steps[1].Name: another step has this name"}},
		{"name", pipelineOf(fail("not good", "x")), []string{"Value 'not good' must satisfy regular expression pattern"}},
		{"type", pipelineOf(map[string]any{"Name": "A", "Type": "Magic", "Arguments": map[string]any{}}), []string{"Value 'Magic' must satisfy enum value set"}},
		{"refused type", pipelineOf(map[string]any{"Name": "A", "Type": "EMR", "Arguments": map[string]any{}}), []string{"step 'A' at Steps[0].Type: steps of type EMR cannot be executed: there is no EMR service"}},
		{"unknown member", pipelineOf(processing("A", map[string]any{"Colour": "red"})), []string{`unknown field "Colour"`}},
		{"condition type", pipelineOf(condition(map[string]any{"Type": "Like", "LeftValue": 1, "RightValue": 2})), []string{"step 'C' at Steps[0].Arguments.Conditions[0].Type: Value 'Like'"}},
		{"no condition", pipelineOf(condition()), []string{"at least one condition"}},
		{"condition member", pipelineOf(condition(map[string]any{"Type": "Equals", "LeftValue": 1})), []string{"Conditions[0].RightValue: must not be null"}},
		{"property file", pipelineOf(processing("A", nil), fail("F", map[string]any{"Std:JsonGet": map[string]any{"PropertyFile": ref("Steps.A.PropertyFiles.P"), "Path": "x"}})),
			[]string{"step 'A' declares no property file named 'P'"}},
		{"property file's output", pipelineOf(processing("A", map[string]any{"PropertyFiles": []any{map[string]any{"PropertyFileName": "P", "OutputName": "none", "FilePath": "x.json"}}})),
			[]string{"the step has no output named 'none'"}},
		{"property", pipelineOf(processing("A", nil), fail("F", ref("Steps.A.ModelArtifacts.S3ModelArtifacts"))), []string{"ModelArtifacts"}},
		{"path", pipelineOf(processing("A", nil), fail("F", ref("Steps.A.ProcessingOutputConfig.Outputs['x.S3Output"))), []string{"a quoted key is not closed"}},
		{"cache", pipelineOf(processing("A", map[string]any{"CacheConfig": map[string]any{"Enabled": true, "ExpireAfter": "soon"}})), []string{"Value 'soon' is not an ISO 8601 duration"}},
		{"retry", pipelineOf(processing("A", map[string]any{"RetryPolicies": []any{map[string]any{"ExceptionType": []string{"Nope"}, "MaxAttempts": 2}}})), []string{"Value 'Nope' must satisfy enum value set"}},
		{"two bounds of a retry", pipelineOf(processing("A", map[string]any{"RetryPolicies": []any{map[string]any{"ExceptionType": []string{"Step.THROTTLING"}, "MaxAttempts": 2, "ExpireAfterMin": 1}}})),
			[]string{"at Steps[0].RetryPolicies[0]: has MaxAttempts and ExpireAfterMin"}},
		{"too many attempts", pipelineOf(processing("A", map[string]any{"RetryPolicies": []any{map[string]any{"ExceptionType": []string{"Step.THROTTLING"}, "MaxAttempts": 21}}})),
			[]string{"RetryPolicies[0].MaxAttempts: Value '21' must be a number from 0 to 20"}},
		{"file of nothing", pipelineOf(fail("F", map[string]any{"Std:JsonGet": map[string]any{"Path": "x"}})), []string{"needs a PropertyFile, which must be a Get, or an S3Uri"}},
		{"file of two", pipelineOf(processing("A", nil), fail("F", map[string]any{"Std:JsonGet": map[string]any{"S3Uri": "s3://b/k", "PropertyFile": ref("Steps.A.PropertyFiles.P"), "Path": "x"}})),
			[]string{"has PropertyFile and S3Uri"}},
		{"file at a step that is not there", pipelineOf(fail("F", map[string]any{"Std:JsonGet": map[string]any{"S3Uri": ref("Steps.A.X"), "Path": "x"}})), []string{"Std:JsonGet.S3Uri.Get: there is no step named 'A'"}},
		{"output", pipelineOf(lambda("L", "Integer"), fail("F", ref("Steps.L.OutputParameters['x']"))), []string{"step 'L' declares no output parameter named 'x'"}},
		{"output type", pipelineOf(lambda("L", "List")), []string{"step 'L' at Steps[0].OutputParameters[0].OutputType: Value 'List'"}},
		{"property of a function", pipelineOf(lambda("L", "Integer"), fail("F", ref("Steps.L.Outputs"))), []string{"which has no property 'Outputs'; OutputParameters['<name>'] is what it has"}},
		{"function", pipelineOf(map[string]any{"Name": "L", "Type": "Lambda", "Arguments": map[string]any{}, "FunctionArn": "f"}), []string{"step 'L' at Steps[0].FunctionArn: Value 'f' is not the ARN of a function"}},
		{"queue", pipelineOf(map[string]any{"Name": "Q", "Type": "Callback", "Arguments": map[string]any{}, "SqsQueueUrl": "q"}), []string{"step 'Q' at Steps[0].SqsQueueUrl: Value 'q' is not the URL of a queue"}},
		{"queue of a job", pipelineOf(processing("A", map[string]any{"SqsQueueUrl": "https://x/q"})), []string{"a Processing step has no SqsQueueUrl"}},
		{"parameter type", map[string]any{"Version": SchemaVersion, "Parameters": []any{map[string]any{"Name": "P", "Type": "Date"}}, "Steps": []any{fail("F", "x")}}, []string{"at Parameters[0].Type: Value 'Date'"}},
		{"parameter default", map[string]any{"Version": SchemaVersion, "Parameters": []any{map[string]any{"Name": "P", "Type": "Integer", "DefaultValue": "many"}}, "Steps": []any{fail("F", "x")}},
			[]string{"parameter 'P': value 'many' is not an Integer"}},
		{"all at once", pipelineOf(fail("F", ref("Parameters.X")), fail("G", ref("Parameters.Y"))), []string{"named 'X'", "named 'Y'"}},
		{"required argument", pipelineOf(map[string]any{"Name": "A", "Type": "Processing", "Arguments": map[string]any{}}), []string{"step 'A'", "roleArn", "Member must not be null"}},
		{"constant argument", pipelineOf(processing("A", map[string]any{"Arguments": map[string]any{"RoleArn": "me"}})), []string{"step 'A'", "'roleArn'"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(encode(t, c.def))
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want Problems", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("got  %s\nwant %s", err, w)
				}
			}
		})
	}
}

func TestParseOrdersStepsByWhatTheyNeed(t *testing.T) {
	t.Parallel()
	def := pipelineOf(
		processing("Last", map[string]any{"DependsOn": []string{"Check"}}),
		map[string]any{"Name": "Check", "Type": "Condition", "Arguments": map[string]any{
			"Conditions": []any{map[string]any{"Type": "Equals", "LeftValue": ref("Steps.First.ProcessingJobStatus"), "RightValue": "Completed"}},
			"IfSteps":    []any{processing("Inside", nil)}, "ElseSteps": []any{fail("Stop", "no")}}},
		processing("First", nil),
	)
	d, err := Parse(encode(t, def))
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, s := range d.Steps {
		order = append(order, s.Name)
	}
	if want := []string{"First", "Check", "Inside", "Stop", "Last"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if in := d.Step("Inside"); in.Condition != "Check" || !in.Branch {
		t.Errorf("Inside stands in %q, branch %v", in.Condition, in.Branch)
	}
	if got := d.Step("Last").Waits; !slices.Equal(got, []string{"Inside", "Stop"}) {
		t.Errorf("Last waits for %v", got)
	}
	if d.Experiment == nil {
		t.Error("an experiment config that is absent means the defaults")
	}
}

// scope is a Scope with fixed answers.
type scope struct {
	parameters map[string]any
	properties map[string]any
	files      map[string]string
}

func (s scope) Parameter(name string) (any, error) { return s.parameters[name], nil }
func (s scope) Execution(name string) (any, error) { return "exec-" + name, nil }
func (s scope) Properties(step string) (any, error) {
	v, ok := s.properties[step]
	if !ok {
		return nil, fmt.Errorf("step '%s' has not run", step)
	}
	return v, nil
}
func (s scope) Object(uri string) ([]byte, error) { return s.PropertyFile("", uri) }

func (s scope) PropertyFile(step, name string) ([]byte, error) {
	return []byte(s.files[step+"/"+name]), nil
}

var testScope = scope{
	parameters: map[string]any{"Text": "hello", "Count": json.Number("3"), "Limit": json.Number("15000.0"), "On": true},
	properties: map[string]any{"T": map[string]any{
		"TrainingJobSummaries": []any{map[string]any{"TrainingJobName": "best"}, map[string]any{"TrainingJobName": "second"}},
		"Outputs":              []any{map[string]any{"OutputName": "a.b", "Uri": "s3://x"}}}},
	files: map[string]string{"E/P": `{"metrics": {"rmse": {"value": 8943.25}, "list": [1, 2]}}`, "E/Bad": "not json"},
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	jsonGet := func(file, path string) map[string]any {
		return map[string]any{"Std:JsonGet": map[string]any{"PropertyFile": ref("Steps.E.PropertyFiles." + file), "Path": path}}
	}
	for _, c := range []struct {
		in   any
		want string // JSON
		err  string
	}{
		{in: "plain", want: `"plain"`},
		{in: ref("Parameters.Count"), want: `3`},
		{in: ref("Parameters.On"), want: `true`},
		{in: `{"Get": "Parameters.Count"}`, want: `"3"`},
		{in: `{"Get": "Parameters.Text"}`, want: `"hello"`},
		{in: `{"a": "not an expression"}`, want: `"{\"a\": \"not an expression\"}"`},
		{in: ref("Execution.PipelineName"), want: `"exec-PipelineName"`},
		{in: []any{ref("Parameters.Text"), map[string]any{"K": ref("Parameters.Count")}}, want: `["hello",{"K":3}]`},
		{in: map[string]any{"Std:Join": map[string]any{"On": "/", "Values": []any{"s3:/", "b", ref("Steps.T.TrainingJobSummaries[0].TrainingJobName")}}}, want: `"s3://b/best"`},
		{in: map[string]any{"Std:Join": map[string]any{"On": " ", "Values": []any{"RMSE >", ref("Parameters.Limit")}}}, want: `"RMSE \u003e 15000.0"`},
		{in: ref("Steps.T.Outputs['a.b'].Uri"), want: `"s3://x"`},
		{in: jsonGet("P", "metrics.rmse.value"), want: `8943.25`},
		{in: jsonGet("P", "metrics.list[1]"), want: `2`},
		{in: jsonGet("P", "metrics.mae.value"), err: "property file 'P' of step 'E': path 'metrics.mae.value': there is no 'metrics.mae'"},
		{in: jsonGet("Bad", "x"), err: "property file 'Bad' of step 'E' is not JSON"},
		{in: ref("Steps.T.TrainingJobSummaries[7].TrainingJobName"), err: "step 'T' has no property 'TrainingJobSummaries[7].TrainingJobName'"},
		{in: ref("Steps.U.X"), err: "step 'U' has not run"},
	} {
		got, err := Evaluate(c.in, testScope)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v: got error %v, want %s", c.in, err, c.err)
			}
		case err != nil:
			t.Errorf("%v: %v", c.in, err)
		case encode(t, got) != c.want:
			t.Errorf("%v: got %s, want %s", c.in, encode(t, got), c.want)
		}
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	cond := func(kind string, l, r any) map[string]any {
		return map[string]any{"Type": kind, "LeftValue": l, "RightValue": r}
	}
	n := func(s string) json.Number { return json.Number(s) }
	yes, no := cond("Equals", n("1"), n("1")), cond("Equals", n("1"), n("2"))
	for _, c := range []struct {
		cond any
		want bool
		err  string
	}{
		{cond: cond("Equals", "a", "a"), want: true},
		{cond: cond("Equals", n("1"), n("1.0")), want: true},
		{cond: cond("Equals", n("9007199254740993"), n("9007199254740992"))},
		{cond: cond("Equals", true, "true"), want: true},
		{cond: cond("LessThanOrEqualTo", n("8943.25"), ref("Parameters.Limit")), want: true},
		{cond: cond("LessThan", n("2"), "10"), want: true},
		{cond: cond("GreaterThan", "b", "a"), want: true},
		{cond: cond("GreaterThanOrEqualTo", n("1"), n("2"))},
		{cond: cond("LessThan", true, n("2")), err: "LessThan cannot compare the Boolean true with the number 2"},
		{cond: map[string]any{"Type": "Not", "Expression": yes}},
		{cond: map[string]any{"Type": "Or", "Conditions": []any{no, yes}}, want: true},
		{cond: map[string]any{"Type": "And", "Conditions": []any{yes, no}}},
		{cond: map[string]any{"Type": "In", "QueryValue": ref("Parameters.Text"), "Values": []any{"hi", "hello"}}, want: true},
		{cond: map[string]any{"Type": "In", "QueryValue": "x", "Values": []any{}}},
	} {
		got, err := Holds(&Step{Arguments: map[string]any{"Conditions": []any{c.cond}}}, testScope)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v: got %v, want error %s", c.cond, err, c.err)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%v: got %v, %v, want %v", c.cond, got, err, c.want)
		}
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	d, err := Parse(encode(t, map[string]any{"Version": SchemaVersion, "Steps": []any{fail("F", "x")}, "Parameters": []any{
		map[string]any{"Name": "S", "Type": "String"},
		map[string]any{"Name": "I", "Type": "Integer", "DefaultValue": 1},
		map[string]any{"Name": "F", "Type": "Float", "DefaultValue": 1.5},
		map[string]any{"Name": "B", "Type": "Boolean", "DefaultValue": true},
		map[string]any{"Name": "E", "Type": "String", "DefaultValue": "a", "EnumValues": []any{"a", "b"}},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Bind(map[string]string{"S": "x", "I": "7", "B": "False"})
	if err != nil || encode(t, got) != `{"B":false,"E":"a","F":1.5,"I":7,"S":"x"}` {
		t.Errorf("got %s, %v", encode(t, got), err)
	}
	_, err = d.Bind(map[string]string{"I": "x", "E": "c", "Z": "1"})
	for _, want := range []string{"parameter 'S' has no default", "parameter 'I': value 'x' is not an Integer", "parameter 'E': value 'c' must be one of [a, b]", "parameter 'Z' is not one of"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Duration{"PT12H": 12 * time.Hour, "p30d": 30 * 24 * time.Hour, "P1DT2H30M": 26*time.Hour + 30*time.Minute, "PT1H": time.Hour, "P1W": 7 * 24 * time.Hour,
		"30d": 30 * 24 * time.Hour, "T12H": 12 * time.Hour} {
		if got, err := parseDuration(in); err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "P", "PT", "T", "12H", "PT12", "P99999999999999999999D", "P2147483647Y"} {
		if got, err := parseDuration(in); err == nil {
			t.Errorf("%s: %v, want an error", in, got)
		}
	}
}

func TestRetryPolicyBacksOff(t *testing.T) {
	t.Parallel()
	r := RetryPolicy{Interval: time.Second, BackoffRate: 2, MaxAttempts: 3}
	for attempt, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if got, ok := r.After(attempt+1, 0); !ok || got != want {
			t.Errorf("attempt %d: %v %v, want %v", attempt+1, got, ok, want)
		}
	}
	if _, ok := r.After(4, 0); ok {
		t.Error("a fourth retry was allowed")
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../testdata/sdk/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("there are no definitions", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"Version":"2020-12-01","Steps":[{"Name":"F","Type":"Fail","Arguments":{"ErrorMessage":{"Get":"Parameters.X"}}}]}`)
	f.Add(`{"Version":"2020-12-01","Steps":[{"Name":"C","Type":"Condition","Arguments":{"Conditions":[{"Type":"Not","Expression":{"Type":"In"}}],"IfSteps":[{"Name":"F"}]}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		for _, s := range d.Steps { // what Parse accepts can be evaluated without a fault
			Evaluate(s.Arguments, testScope)
			Holds(s, testScope)
		}
	})
}

func FuzzPath(f *testing.F) {
	f.Add("A.B[0]['c'].D")
	f.Fuzz(func(t *testing.T, s string) {
		path, err := parsePath(s)
		if err != nil {
			return
		}
		Walk(testScope.properties["T"], path)
		if again, err := parsePath(render(path)); err != nil || render(again) != render(path) {
			t.Errorf("%q reads as %q, which reads as %v, %v", s, render(path), again, err)
		}
	})
}
