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
		"input/config/resourceconfig.json": `{"current_host":"algo-2","hosts":["algo-1","algo-2"],"network_interface_name":"eth0","current_instance_type":"ml.m5.xlarge",
			"current_group_name":"homogeneousCluster","instance_groups":[{"instance_group_name":"homogeneousCluster","instance_type":"ml.m5.xlarge","hosts":["algo-1","algo-2"]}]}`,
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
	want := `["--bare", "text", "--eta", "0.3", "--flag", "True", "--list", "[1, 2]", "--max_depth", "5", "-n", "7", "--objective", "reg:squarederror"]
5 reg:squarederror algo-2 ["algo-1","algo-2"] ["test","train"]
` + ml + `/input/data/train 0.3 True
helped
`
	if _, got, _ := strings.Cut(out.String(), "reg:squarederror\n\n"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// The values are those that the public toolkit gives for the same hyper-parameters.
func TestValuesAreThoseOfTheToolkit(t *testing.T) {
	t.Parallel()
	ml := job(t, `
import json, os, sys
print(json.dumps(sys.argv[1:]))
print(json.dumps({k: v for k, v in sorted(os.environ.items()) if k.startswith("SM_HP_")}))
for name in "SM_FRAMEWORK_PARAMS", "SM_INSTANCE_GROUPS", "SM_INSTANCE_GROUPS_DICT", "SM_DISTRIBUTION_INSTANCE_GROUPS", "SM_IS_HETERO", "SM_FRAMEWORK_MODULE":
    print(os.environ[name])
env = json.loads(os.environ["SM_TRAINING_ENV"])
print(env["current_instance_group_hosts"], env["distribution_hosts"], env["is_hetero"], env["framework_module"], env["num_neurons"])
`, map[string]string{"batch-size": "64", "eta": "0.3", "flag": "true", "list": `[1, "a'b", null, false, [2.5]]`, "map": `{"b": 1, "a": "x", "c": [1, "y"]}`, "n": "7",
		"nothing": "null", "text": `"a b <c>"`, "sagemaker_region": `"us-east-1"`, "sagemaker_mpi_enabled": "true", "_tuning_objective_metric": `"m"`})
	var out, errs bytes.Buffer
	if code := scriptmode.Train(t.Context(), ml, &out, &errs); code != 0 {
		t.Fatalf("%d: %s", code, errs.String())
	}
	want := `["--batch-size", "64", "--eta", "0.3", "--flag", "True", "--list", "[1, \"a'b\", None, False, [2.5]]", "--map", "a=x,b=1,c=[1, 'y']", "-n", "7", "--nothing", "", "--text", "a b <c>"]
{"SM_HP_BATCH-SIZE": "64", "SM_HP_BATCH_SIZE": "64", "SM_HP_ETA": "0.3", "SM_HP_FLAG": "true", "SM_HP_LIST": "[1,\"a'b\",null,false,[2.5]]", "SM_HP_MAP": "{\"a\":\"x\",\"b\":1,\"c\":[1,\"y\"]}", "SM_HP_N": "7", "SM_HP_NOTHING": "", "SM_HP_TEXT": "a b <c>"}
{"sagemaker_mpi_enabled":true}
["homogeneousCluster"]
{"homogeneousCluster":{"instance_group_name":"homogeneousCluster","instance_type":"ml.m5.xlarge","hosts":["algo-1","algo-2"]}}
["homogeneousCluster"]
false

['algo-1', 'algo-2'] ['algo-1', 'algo-2'] False None 0
`
	if at := strings.Index(out.String(), `["--batch`); at < 0 || out.String()[at:] != want {
		t.Errorf("got %s\nwant %s", out.String(), want)
	}
}

// What is no Python runs by its first line, with its arguments as they are.
func TestShellScripts(t *testing.T) {
	t.Parallel()
	ml := job(t, "", map[string]string{"sagemaker_program": `"run it.sh"`, "text": `"a 'b' $HOME"`})
	if err := os.WriteFile(filepath.Join(ml, "code", "run it.sh"), []byte("#!/usr/bin/env bash\nwords=(\"$@\"); echo \"${#words[@]}: ${words[1]}\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := scriptmode.Train(t.Context(), ml, &out, &errs); code != 0 || !strings.HasSuffix(out.String(), "\n2: a 'b' $HOME\n") {
		t.Errorf("%d: %s %s", code, out.String(), errs.String())
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
