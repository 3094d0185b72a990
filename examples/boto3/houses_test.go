// Package boto3 is a script that uses Mobula from Python.
package boto3

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/mobulatest"
)

func TestMain(m *testing.M) { mobulatest.Main(m) }

func TestTheScriptRunsAndTheReadmeShowsIt(t *testing.T) {
	t.Parallel()
	python := os.Getenv("MOBULA_PYTHON")
	if python == "" {
		python, _ = filepath.Abs("../../.cache/venv/bin/python")
	}
	s := mobulatest.Start(t, mobulatest.Options{})
	cmd := exec.CommandContext(t.Context(), python, "houses.py")
	cmd.Env = append(append(os.Environ(), "AWS_CONFIG_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true"), s.Env()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v (the tests' Python comes from: make setup-test)\n%s", err, out)
	}
	for _, want := range []string{"431924", ".parquet"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the script does not print %s:\n%s", want, out)
		}
	}
	script, err := os.ReadFile("houses.py")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```python\n"+string(script)+"```\n") {
		t.Error("README.md does not show examples/boto3/houses.py as it is")
	}
}
