package scriptmode

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A job is what the files of /opt/ml/input/config say.
type job struct {
	ml              string
	program         string
	submitDirectory string
	parameters      map[string]any    // the script's hyper-parameters, decoded
	toolkit         map[string]any    // those whose names begin with sagemaker_
	text            map[string]string // the script's hyper-parameters as they came
	channels        map[string]any
	resources       struct {
		CurrentHost  string   `json:"current_host"`
		Hosts        []string `json:"hosts"`
		Network      string   `json:"network_interface_name"`
		InstanceType string   `json:"current_instance_type"`
		Group        string   `json:"current_group_name"`
	}
	rawResources json.RawMessage
}

func readJob(ml string) (*job, error) {
	j := &job{ml: ml, parameters: map[string]any{}, toolkit: map[string]any{}, text: map[string]string{}}
	config := filepath.Join(ml, "input", "config")
	var parameters map[string]string
	for name, into := range map[string]any{"hyperparameters.json": &parameters, "inputdataconfig.json": &j.channels, "resourceconfig.json": &j.rawResources} {
		b, err := os.ReadFile(filepath.Join(config, name))
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(j.rawResources) > 0 {
		if err := json.Unmarshal(j.rawResources, &j.resources); err != nil {
			return nil, fmt.Errorf("resourceconfig.json: %w", err)
		}
	}
	for name, text := range parameters {
		value := decode(text)
		if strings.HasPrefix(name, "sagemaker_") || name == "_tuning_objective_metric" {
			j.toolkit[name] = value
			continue
		}
		j.parameters[name], j.text[name] = value, plain(value)
	}
	j.program, j.submitDirectory = own(j.toolkit, "sagemaker_program", "SAGEMAKER_PROGRAM"), own(j.toolkit, "sagemaker_submit_directory", "SAGEMAKER_SUBMIT_DIRECTORY")
	return j, nil
}

// own reads a setting of the toolkit's, which a variable of the environment may stand for.
func own(toolkit map[string]any, name, variable string) string {
	if v, ok := toolkit[name]; ok {
		return plain(v)
	}
	return os.Getenv(variable)
}

// decode reads a hyper-parameter as the SDK sends it, as JSON; what is no JSON is a string as it stands.
func decode(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil || d.More() {
		return text
	}
	return value
}

// plain is a value as an argument of the script: strings as they are, truth values as Python writes them, the rest as JSON.
func plain(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case nil:
		return ""
	case json.Number:
		return v.String()
	}
	return asJSON(value)
}

func asJSON(value any) string {
	b, err := json.Marshal(value)
	if err != nil {
		return "null" // what was read from JSON can be written as JSON
	}
	return string(b)
}

// arguments are the hyper-parameters as the script's arguments, sorted by name.
func (j *job) arguments() []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(j.parameters)) {
		flag := "--" + name
		if len(name) == 1 {
			flag = "-" + name
		}
		args = append(args, flag, plain(j.parameters[name]))
	}
	return args
}

// environment is what the script finds, on top of what the host has.
func (j *job) environment(base []string, code string) []string {
	ml := func(parts ...string) string { return filepath.Join(append([]string{j.ml}, parts...)...) }
	names := slices.Sorted(maps.Keys(j.channels))
	set := map[string]string{
		"SM_HOSTS": asJSON(j.resources.Hosts), "SM_CURRENT_HOST": j.resources.CurrentHost, "SM_NETWORK_INTERFACE_NAME": j.resources.Network,
		"SM_CURRENT_INSTANCE_TYPE": j.resources.InstanceType, "SM_CURRENT_INSTANCE_GROUP": j.resources.Group, "SM_CURRENT_INSTANCE_GROUP_HOSTS": asJSON(j.resources.Hosts),
		"SM_HPS": asJSON(j.parameters), "SM_FRAMEWORK_PARAMS": asJSON(j.toolkit), "SM_RESOURCE_CONFIG": string(j.rawResources), "SM_INPUT_DATA_CONFIG": asJSON(j.channels),
		"SM_CHANNELS": asJSON(names), "SM_USER_ARGS": asJSON(append([]string{}, j.arguments()...)), "SM_USER_ENTRY_POINT": j.program, "SM_MODULE_NAME": strings.TrimSuffix(j.program, ".py"),
		"SM_MODULE_DIR": j.submitDirectory, "SM_MODEL_DIR": ml("model"), "SM_INPUT_DIR": ml("input"), "SM_INPUT_CONFIG_DIR": ml("input", "config"), "SM_OUTPUT_DIR": ml("output"),
		"SM_OUTPUT_DATA_DIR": ml("output", "data"), "SM_OUTPUT_INTERMEDIATE_DIR": ml("output", "intermediate"), "SM_LOG_LEVEL": "20", "SM_NUM_NEURONS": "0",
		"SM_IS_HETERO": "false", "SM_MASTER_ADDR": first(j.resources.Hosts), "SM_MASTER_PORT": "7777", "SM_HOST_COUNT": strconv.Itoa(len(j.resources.Hosts)),
	}
	if level, ok := j.toolkit["sagemaker_container_log_level"]; ok {
		set["SM_LOG_LEVEL"] = plain(level)
	}
	for _, name := range names {
		set["SM_CHANNEL_"+strings.ToUpper(name)] = ml("input", "data", name)
	}
	for name, text := range j.text {
		set["SM_HP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = text
	}
	path := []string{code}
	for _, entry := range base {
		if before, ok := strings.CutPrefix(entry, "PYTHONPATH="); ok && before != "" {
			path = append(path, before)
		}
	}
	set["PYTHONPATH"] = strings.Join(path, ":")
	set["SM_TRAINING_ENV"] = asJSON(map[string]any{"hosts": j.resources.Hosts, "current_host": j.resources.CurrentHost, "hyperparameters": j.parameters,
		"channel_input_dirs": channelFolders(set, names), "model_dir": set["SM_MODEL_DIR"], "output_data_dir": set["SM_OUTPUT_DATA_DIR"], "output_dir": set["SM_OUTPUT_DIR"],
		"input_dir": set["SM_INPUT_DIR"], "input_config_dir": set["SM_INPUT_CONFIG_DIR"], "input_data_config": j.channels, "module_dir": j.submitDirectory,
		"module_name": set["SM_MODULE_NAME"], "user_entry_point": j.program, "network_interface_name": j.resources.Network, "resource_config": j.rawResources,
		"is_master": j.resources.CurrentHost == first(j.resources.Hosts), "master_hostname": first(j.resources.Hosts), "additional_framework_parameters": j.toolkit,
		"job_name": os.Getenv("TRAINING_JOB_NAME"), "num_cpus": number(os.Getenv("SM_NUM_CPUS")), "num_gpus": 0, "log_level": number(set["SM_LOG_LEVEL"])})
	all := slices.DeleteFunc(slices.Clone(base), func(entry string) bool { name, _, _ := strings.Cut(entry, "="); _, ours := set[name]; return ours })
	for _, name := range slices.Sorted(maps.Keys(set)) {
		all = append(all, name+"="+set[name])
	}
	return all
}

func channelFolders(set map[string]string, names []string) map[string]string {
	folders := map[string]string{}
	for _, name := range names {
		folders[name] = set["SM_CHANNEL_"+strings.ToUpper(name)]
	}
	return folders
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// command is how the script is run.
func (j *job) command() []string {
	switch args := j.arguments(); filepath.Ext(j.program) {
	case ".py":
		return append([]string{"python3", j.program}, args...)
	case ".sh":
		return append([]string{"/bin/sh", j.program}, args...)
	default:
		return append([]string{"./" + j.program}, args...)
	}
}
