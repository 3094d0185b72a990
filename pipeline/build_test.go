package pipeline_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
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
