package scriptmode_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/scriptmode"
)

// job writes the folder of a training job whose code lies in the host.
func job(t *testing.T, script string, parameters map[string]string) string {
	t.Helper()
	ml := t.TempDir()
	if parameters == nil {
		parameters = map[string]string{}
	}
	if parameters["sagemaker_program"] == "" {
		parameters["sagemaker_program"] = `"train.py"`
	}
	b, err := json.Marshal(parameters)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"code/train.py": script, "input/config/hyperparameters.json": string(b),
		"input/config/resourceconfig.json":  `{"current_host":"algo-2","hosts":["algo-1","algo-2"],"network_interface_name":"eth0","current_instance_type":"ml.m5.xlarge"}`,
		"input/config/inputdataconfig.json": `{"train":{"TrainingInputMode":"File"},"test":{"TrainingInputMode":"File"}}`} {
		path := filepath.Join(ml, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return ml
}

// The script gets its hyper-parameters as the SDK quotes them, and the variables that the images set.
func TestScriptGetsItsParameters(t *testing.T) {
	t.Parallel()
	ml := job(t, `
import json, os, sys
print(json.dumps(sys.argv[1:]))
print(os.environ["SM_HP_MAX_DEPTH"], os.environ["SM_HP_OBJECTIVE"], os.environ["SM_CURRENT_HOST"], os.environ["SM_HOSTS"], os.environ["SM_CHANNELS"])
print(os.environ["SM_CHANNEL_TRAIN"], json.loads(os.environ["SM_TRAINING_ENV"])["hyperparameters"]["eta"], json.loads(os.environ["SM_HPS"])["flag"])
import helper
`, map[string]string{"max_depth": `"5"`, "eta": "0.3", "objective": `"reg:squarederror"`, "flag": "true", "n": "7", "list": "[1, 2]", "bare": "text", "sagemaker_container_log_level": "20"})
	if err := os.WriteFile(filepath.Join(ml, "code", "helper.py"), []byte("print('helped')"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := scriptmode.Train(t.Context(), ml, &out, &errs); code != 0 {
		t.Fatalf("%d: %s", code, errs.String())
	}
	want := `["--bare", "text", "--eta", "0.3", "--flag", "True", "--list", "[1,2]", "--max_depth", "5", "-n", "7", "--objective", "reg:squarederror"]
5 reg:squarederror algo-2 ["algo-1","algo-2"] ["test","train"]
` + ml + `/input/data/train 0.3 True
helped
`
	if _, got, _ := strings.Cut(out.String(), "reg:squarederror\n\n"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestFailuresSayWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script     string
		parameters map[string]string
		code       int
		want       string
	}{
		"exception":     {"raise ValueError('no luck')", nil, 1, "ValueError: no luck"},
		"long words":    {"raise ValueError('no luck\\n' + 'x' * 5000)", nil, 1, "ErrorMessage \"ValueError: no luck"},
		"status":        {"import sys; sys.exit(7)", nil, 7, "ExitCode 7"},
		"own words":     {"import os; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('mine'); raise SystemExit(3)", nil, 3, "mine"},
		"no such code":  {"", map[string]string{"sagemaker_program": `"other.py"`}, 1, "other.py"},
		"no such place": {"", map[string]string{"sagemaker_submit_directory": `"/none/such"`}, 1, "/none/such"},
	} {
		ml := job(t, c.script, c.parameters)
		if err := os.MkdirAll(filepath.Join(ml, "output"), 0o755); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code := scriptmode.Train(t.Context(), ml, &out, &errs)
		b, err := os.ReadFile(filepath.Join(ml, "output", "failure"))
		if code != c.code || err != nil || !strings.Contains(string(b), c.want) {
			t.Errorf("%s: status %d, want %d; failure %q, want %q; %v", name, code, c.code, b, c.want, err)
		}
	}
}
