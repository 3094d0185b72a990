package pipeline_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
	"github.com/mobula-ml/mobula/pipeline"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a definition with the file that holds what it has to be.
func golden(t *testing.T, name string, w *pipeline.Workflow) {
	t.Helper()
	got, err := w.Build()
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.Build()
	if err != nil || !bytes.Equal(got, again) {
		t.Errorf("a second Build gives other bytes, or an error: %v", err)
	}
	if _, err := definition.Parse(string(got)); err != nil {
		t.Errorf("the service would refuse the definition: %v", err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", " "); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, append(pretty.Bytes(), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.TrimSpace(want), pretty.Bytes()) {
		t.Errorf("the definition is not that of %s; run the test with -update and look at the difference\n%s", path, pretty.Bytes())
	}
}

func TestBuildHouses(t *testing.T) {
	t.Parallel()
	golden(t, "houses", houses())
}

func TestBuildEveryKind(t *testing.T) {
	t.Parallel()
	golden(t, "kinds", everyKind())
}

// TestKeysAreThoseOfThePythonSDK compares the members that a definition has with those of one that the Python SDK 2.243 built for the same
// workflow, which testdata/sdk_keys.json lists by the type of the step.
func TestKeysAreThoseOfThePythonSDK(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/sdk_keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][]string
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	definition, err := houses().Build()
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(definition, &tree); err != nil {
		t.Fatal(err)
	}
	got := map[string]map[string]bool{}
	keysOf(tree, "", "", got)
	// The schema has these too; the workflow of the recording did not use them.
	ours := []string{"Environment", "EnumValues", "RandomSeed", "Parameters[].EnumValues"}
	// These say nothing where they are left out, and a built-in algorithm has no framework.
	theirs := []string{"Arguments.ModelMetrics.Bias", "Arguments.ModelMetrics.Explainability", "Arguments.InferenceSpecification.Containers[].Environment",
		"Arguments.InferenceSpecification.Containers[].Framework"}
	for kind, keys := range want {
		known := map[string]bool{}
		for _, k := range keys {
			known[k] = true
			if !got[kind][k] && !slices.Contains(theirs, k) {
				t.Errorf("%s steps lack %s", kind, k)
			}
		}
		for k := range got[kind] {
			if !known[k] && !slices.Contains(ours, k[strings.LastIndexByte(k, '.')+1:]) {
				t.Errorf("%s steps have %s, which the SDK does not send", kind, k)
			}
		}
	}
}

// keysOf notes the paths of all members in v by the type of the step they are in. What users name themselves is left out.
func keysOf(v any, kind, path string, into map[string]map[string]bool) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			keysOf(e, kind, path+"[]", into)
		}
	case map[string]any:
		if len(x) == 1 && (x["Get"] != nil || x["Std:Join"] != nil || x["Std:JsonGet"] != nil) {
			return
		}
		for name, e := range x {
			at := strings.TrimPrefix(path+"."+name, ".")
			if into[kind] == nil {
				into[kind] = map[string]bool{}
			}
			into[kind][at] = true
			switch name {
			case "Steps", "IfSteps", "ElseSteps":
				for _, s := range e.([]any) {
					keysOf(s, s.(map[string]any)["Type"].(string), "", into)
				}
			case "Environment", "StaticHyperParameters", "HyperParameters":
			default:
				keysOf(e, kind, at, into)
			}
		}
	}
}
