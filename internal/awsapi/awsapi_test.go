package awsapi

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func decode(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEveryPatternCompiles(t *testing.T) {
	t.Parallel()
	fancy := 0
	for i := range Shapes {
		Shapes[i].prepare()
		if Shapes[i].fancy != nil {
			fancy++
		}
	}
	t.Logf("%d of the patterns need regexp2", fancy)
}

func TestPatternsMatchWholeStrings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{`\p{ASCII}*`, "text/csv", true},
		{`\p{ASCII}*`, "é", false},
		{`[\p{Alnum}_-]+`, "a_1-", true},
		{`[\p{Alnum}_-]+`, "a b", false},
		{`\[\p{Digit}\]`, "[7]", true},
		{`a|b`, "ab", false},
		{`(?!x)[a-z]+`, "xa", false},
		{`(?!x)[a-z]+`, "ax", true},
		{`[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*`, "line\n€😀", true},
		{`.*`, "a\nb", false},
	} {
		s := Shape{Kind: "string", Pattern: c.pattern}
		s.prepare()
		if got := s.matches(c.text); got != c.want {
			t.Errorf("%s on %q gives %v", c.pattern, c.text, got)
		}
	}
}

func TestCheckWordsViolationsAsTheService(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, shape, in, code, want string }{
		{"pattern", "DescribeTrialRequest", `{"TrialName": "x!"}`, "ValidationException",
			"1 validation error detected: Value 'x!' at 'trialName' failed to satisfy constraint: Member must satisfy regular expression pattern: "},
		{"required", "CreateTrialRequest", `{}`, "ValidationException",
			"2 validation errors detected: Value null at 'experimentName' failed to satisfy constraint: Member must not be null; Value null at 'trialName' failed"},
		{"null is absent", "DescribeTrialRequest", `{"TrialName": null}`, "ValidationException", "Value null at 'trialName'"},
		{"enum in list", "CreateFeatureGroupRequest",
			`{"FeatureGroupName":"a","RecordIdentifierFeatureName":"r","EventTimeFeatureName":"e","FeatureDefinitions":[{"FeatureName":"r","FeatureType":"Text"}]}`,
			"ValidationException", "Value 'Text' at 'featureDefinitions.1.member.featureType' failed to satisfy constraint: Member must satisfy enum value set: [Integral, Fractional, String]"},
		{"range", "ListTrialsRequest", `{"MaxResults": 101}`, "ValidationException", "Value '101' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100"},
		{"length", "DescribeTrialRequest", `{"TrialName": "` + strings.Repeat("a", 121) + `"}`, "ValidationException", "Member must have length less than or equal to 120"},
		{"text for a number", "ListTrialsRequest", `{"MaxResults": "9"}`, "SerializationException", "STRING_VALUE can not be converted to an Integer"},
		{"fraction for an integer", "ListTrialsRequest", `{"MaxResults": 1.5}`, "SerializationException", "NUMBER_VALUE can not be converted to an Integer"},
		{"list for a structure", "DescribeTrialRequest", `[]`, "SerializationException", "Start of list found where not expected"},
		{"text for a list", "AddTagsInput", `{"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:trial/x", "Tags": "x"}`, "SerializationException", "Unexpected field type"},
	} {
		err := Check(ShapeNamed(c.shape), decode(t, c.in), Options{})
		if err == nil || err.Code != c.code || !strings.Contains(err.Message, c.want) {
			t.Errorf("%s: got %v\nwant %s: %s", c.name, err, c.code, c.want)
		}
	}
}

func TestCheckDropsWhatTheShapeDoesNotKnow(t *testing.T) {
	t.Parallel()
	tree := decode(t, `{"TrialName": "a", "trialName": "b", "More": {"x": 1}}`)
	if err := Check(ShapeNamed("DescribeTrialRequest"), tree, Options{}); err != nil {
		t.Fatal(err)
	}
	if b, _ := json.Marshal(tree); string(b) != `{"TrialName":"a"}` {
		t.Errorf("got %s", b)
	}
}

func TestCheckOptions(t *testing.T) {
	t.Parallel()
	tree := decode(t, `{"ExperimentName": {"Get": "x"}}`)
	open := func(v any) bool { m, ok := v.(map[string]any); return ok && m["Get"] != nil }
	if err := Check(ShapeNamed("CreateTrialRequest"), tree, Options{Optional: []string{"TrialName"}, Open: open}); err != nil {
		t.Error(err)
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	at := Time{time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)}
	b, _ := json.Marshal(at)
	if string(b) != "1767323045.678" {
		t.Errorf("got %s", b)
	}
	for _, text := range []string{string(b), `"2026-01-02T03:04:05.678Z"`} {
		var back Time
		if err := json.Unmarshal([]byte(text), &back); err != nil || !back.Equal(at.Time) {
			t.Errorf("%s reads as %v, %v", text, back, err)
		}
	}
	var bad Time
	if json.Unmarshal([]byte(`"yesterday"`), &bad) == nil || json.Unmarshal([]byte(`1e300`), &bad) == nil {
		t.Error("a wrong timestamp was read")
	}
}

func TestResourcesAreInTheSingular(t *testing.T) {
	t.Parallel()
	for operation, want := range map[string]string{"CreateTrial": "Trial", "ListTrials": "Trial", "ListTrainingJobsForHyperParameterTuningJob": "TrainingJob",
		"QueryLineage": "Lineage", "ListModelPackages": "ModelPackage", "AddTags": "Tag", "Search": "Search"} {
		if got := OperationNamed("sagemaker", operation).Resource; got != want {
			t.Errorf("%s is about %s, want %s", operation, got, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("CreateProcessingJobRequest", `{"ProcessingJobName": "a", "ProcessingInputs": [{"S3Input": null}]}`)
	f.Fuzz(func(t *testing.T, shape, text string) {
		s := ShapeNamed(shape)
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var v any
		if s == nil || d.Decode(&v) != nil {
			return
		}
		if Check(s, v, Options{}) == nil && s.Kind == "structure" { // what passes once passes again
			if err := Check(s, v, Options{}); err != nil {
				t.Error(err)
			}
		}
	})
}
