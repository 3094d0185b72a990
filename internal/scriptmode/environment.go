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
	parameters      map[string]any // the script's hyper-parameters, decoded
	toolkit         map[string]any // those whose names begin with sagemaker_
	channels        map[string]any
	resources       struct {
		CurrentHost  string   `json:"current_host"`
		Hosts        []string `json:"hosts"`
		Network      string   `json:"network_interface_name"`
		InstanceType string   `json:"current_instance_type"`
		Group        string   `json:"current_group_name"`
		Groups       []group  `json:"instance_groups"`
	}
	rawResources json.RawMessage
}

type group struct {
	Name  string   `json:"instance_group_name"`
	Type  string   `json:"instance_type"`
	Hosts []string `json:"hosts"`
}

// settings are the toolkit's own hyper-parameters, which do not count as the framework's.
var settings = []string{programParameter, directoryParameter, "sagemaker_enable_cloudwatch_metrics", "sagemaker_region", "sagemaker_container_log_level", "sagemaker_job_name",
	"default_user_module_name", "_tuning_objective_metric", "sagemaker_s3_output"}

const (
	programParameter   = "sagemaker_program"
	directoryParameter = "sagemaker_submit_directory"
)

func readJob(ml string) (*job, error) {
	j := &job{ml: ml, parameters: map[string]any{}, toolkit: map[string]any{}}
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
		if strings.HasPrefix(name, "sagemaker_") || slices.Contains(settings, name) {
			j.toolkit[name] = value
			continue
		}
		j.parameters[name] = value
	}
	j.program, j.submitDirectory = own(j.toolkit, programParameter, "SAGEMAKER_PROGRAM"), own(j.toolkit, directoryParameter, "SAGEMAKER_SUBMIT_DIRECTORY")
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

// plain is a value as an argument of the script: a mapping as name=value with commas, the rest as Python's str writes it.
func plain(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case map[string]any:
		var items []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			items = append(items, name+"="+python(v[name], false))
		}
		return strings.Join(items, ",")
	}
	return python(value, false)
}

// python is a value as Python's str writes it, or repr.
func python(value any, repr bool) string {
	switch v := value.(type) {
	case string:
		if !repr {
			return v
		}
		quote := "'"
		if strings.Contains(v, "'") && !strings.Contains(v, `"`) {
			quote = `"`
		}
		return quote + strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, quote, `\`+quote).Replace(v) + quote
	case bool:
		if v {
			return "True"
		}
		return "False"
	case json.Number:
		return v.String()
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = python(v[i], true)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		var items []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			items = append(items, python(name, true)+": "+python(v[name], true))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return "None"
}

// text is a value as a variable: strings as they are, the rest as JSON.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case nil:
		return ""
	}
	return asJSON(value)
}

func asJSON(value any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return "null" // what was read from JSON can be written as JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// framework are the hyper-parameters of the SDK's that are no settings of the toolkit.
func (j *job) framework() map[string]any {
	rest := maps.Clone(j.toolkit)
	maps.DeleteFunc(rest, func(name string, _ any) bool { return slices.Contains(settings, name) })
	return rest
}

// groups are the instance groups of the job: their names, and all of each by its name. distributed are those of which a launcher is to make one training.
func (j *job) groups() (names []string, all map[string]group, distributed []string, hosts []string) {
	names, all, distributed, hosts = []string{}, map[string]group{}, []string{}, []string{}
	enabled := slices.ContainsFunc([]string{"mpi", "parameter_server", "distributed_dataparallel", "pytorch_ddp", "pytorch_xla_multi_worker", "multi_worker_mirrored_strategy", "torch_distributed"},
		func(name string) bool { return j.toolkit["sagemaker_"+name+"_enabled"] == true })
	for _, g := range j.resources.Groups {
		names, all[g.Name] = append(names, g.Name), g
		if enabled && g.Name == j.resources.Group {
			distributed, hosts = append(distributed, g.Name), append(hosts, g.Hosts...)
		}
	}
	return names, all, distributed, hosts
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
	groups, groupsByName, distributed, distributedHosts := j.groups()
	set := map[string]string{
		"SM_HOSTS": asJSON(j.resources.Hosts), "SM_CURRENT_HOST": j.resources.CurrentHost, "SM_NETWORK_INTERFACE_NAME": j.resources.Network,
		"SM_CURRENT_INSTANCE_TYPE": j.resources.InstanceType, "SM_CURRENT_INSTANCE_GROUP": j.resources.Group, "SM_CURRENT_INSTANCE_GROUP_HOSTS": asJSON(j.resources.Hosts),
		"SM_HPS": asJSON(j.parameters), "SM_FRAMEWORK_PARAMS": asJSON(j.framework()), "SM_RESOURCE_CONFIG": string(j.rawResources), "SM_INPUT_DATA_CONFIG": asJSON(j.channels),
		"SM_CHANNELS": asJSON(names), "SM_USER_ARGS": asJSON(append([]string{}, j.arguments()...)), "SM_USER_ENTRY_POINT": j.program, "SM_MODULE_NAME": strings.TrimSuffix(j.program, ".py"),
		"SM_MODULE_DIR": j.submitDirectory, "SM_MODEL_DIR": ml("model"), "SM_INPUT_DIR": ml("input"), "SM_INPUT_CONFIG_DIR": ml("input", "config"), "SM_OUTPUT_DIR": ml("output"),
		"SM_OUTPUT_DATA_DIR": ml("output", "data"), "SM_OUTPUT_INTERMEDIATE_DIR": ml("output", "intermediate"), "SM_LOG_LEVEL": "20", "SM_NUM_NEURONS": "0",
		"SM_INSTANCE_GROUPS": asJSON(groups), "SM_INSTANCE_GROUPS_DICT": asJSON(groupsByName), "SM_DISTRIBUTION_INSTANCE_GROUPS": asJSON(distributed),
		"SM_FRAMEWORK_MODULE": os.Getenv("SAGEMAKER_TRAINING_MODULE"), "SM_IS_HETERO": strconv.FormatBool(len(groups) > 1), "SM_MASTER_ADDR": first(j.resources.Hosts), "SM_MASTER_PORT": "7777", "SM_HOST_COUNT": strconv.Itoa(len(j.resources.Hosts)),
	}
	if level, ok := j.toolkit["sagemaker_container_log_level"]; ok {
		set["SM_LOG_LEVEL"] = plain(level)
	}
	for _, name := range names {
		set["SM_CHANNEL_"+strings.ToUpper(name)] = ml("input", "data", name)
	}
	for name, value := range j.parameters {
		set["SM_HP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = text(value) // which a shell can name, too
		set["SM_HP_"+strings.ToUpper(name)] = text(value)
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
		"is_master": j.resources.CurrentHost == first(j.resources.Hosts), "master_hostname": first(j.resources.Hosts), "additional_framework_parameters": j.framework(),
		"current_instance_type": j.resources.InstanceType, "current_instance_group": j.resources.Group, "current_instance_group_hosts": groupsByName[j.resources.Group].Hosts,
		"instance_groups": groups, "instance_groups_dict": groupsByName, "distribution_instance_groups": distributed, "distribution_hosts": distributedHosts,
		"is_hetero": len(groups) > 1, "is_modelparallel_enabled": nil, "is_smddprun_installed": false, "is_smddpmprun_installed": false, "num_neurons": 0,
		"framework_module": optional(set["SM_FRAMEWORK_MODULE"]), "output_intermediate_dir": set["SM_OUTPUT_INTERMEDIATE_DIR"],
		"job_name": os.Getenv("TRAINING_JOB_NAME"), "num_cpus": number(os.Getenv("SM_NUM_CPUS")), "num_gpus": 0, "log_level": number(set["SM_LOG_LEVEL"])})
	all := slices.DeleteFunc(slices.Clone(base), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, ours := set[name]
		return ours || strings.HasPrefix(name, "SM_HP_")
	})
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

func optional(text string) any {
	if text == "" {
		return nil
	}
	return text
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

// command is how the script in a folder is run: as a module where the folder is a package, else by Python or, what is no Python, by itself.
func (j *job) command(code string) []string {
	module, isPython := strings.CutSuffix(j.program, ".py")
	args := j.arguments()
	switch {
	case isPackage(code):
		return append([]string{"python3", "-m", strings.ReplaceAll(module, "/", ".")}, args...)
	case isPython:
		return append([]string{"python3", j.program}, args...)
	}
	line := []string{"./" + j.program}
	for _, arg := range args {
		line = append(line, "'"+strings.ReplaceAll(arg, "'", `'\''`)+"'")
	}
	line[0] = "'" + strings.ReplaceAll(line[0], "'", `'\''`) + "'"
	return []string{"/bin/sh", "-c", strings.Join(line, " ")} // which runs what has no first line that says by what, too
}

// isPackage says whether a folder of code is to be installed.
func isPackage(code string) bool {
	_, err := os.Stat(filepath.Join(code, "setup.py"))
	return err == nil
}
