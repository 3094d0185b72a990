package pipeline

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/mobula-ml/mobula/internal/world"
)

// mlRoot is where a job finds its files. mlDirVariable names another folder that stands for it where the machine cannot give a job its own.
const (
	mlRoot        = "/opt/ml"
	mlDirVariable = "MOBULA_ML_DIR"
)

// A Job is what a step function finds where it runs. It may be used from several goroutines.
type Job struct {
	step   *ProcessingStep
	root   string // the folder that stands for /opt/ml
	args   map[string]string
	getenv func(string) string
	out    io.Writer
	world  world.World

	mu       sync.Mutex
	progress progress
}

// Step is the name of the step.
func (j *Job) Step() string { return j.step.name }

// Name is the name of the processing job that runs the step, "" where the platform does not say.
func (j *Job) Name() string { return j.getenv("PROCESSING_JOB_NAME") }

// Path is where a path under /opt/ml really is. Other paths are returned as they are.
func (j *Job) Path(path string) string {
	if path == mlRoot || strings.HasPrefix(path, mlRoot+"/") {
		return filepath.Join(j.root, strings.TrimPrefix(path, mlRoot))
	}
	return path
}

// Input is the folder with the objects of an input. It panics where the step declares no input of that name.
func (j *Job) Input(name string) string {
	i := slices.IndexFunc(j.step.spec.Inputs, func(in Input) bool { return in.Name == name })
	if i < 0 {
		panic(fmt.Sprintf("step '%s' declares no input named '%s'", j.step.name, name))
	}
	return j.Path(j.step.spec.Inputs[i].path())
}

// Output is the folder whose files become the objects of an output; it exists. Output panics where the step declares no output of that name.
func (j *Job) Output(name string) string {
	i := slices.IndexFunc(j.step.spec.Outputs, func(o Output) bool { return o.Name == name })
	if i < 0 {
		panic(fmt.Sprintf("step '%s' declares no output named '%s'", j.step.name, name))
	}
	folder := j.Path(j.step.spec.Outputs[i].path())
	if err := os.MkdirAll(folder, 0o755); err != nil {
		panic(fmt.Sprintf("output '%s': %v", name, err))
	}
	return folder
}

// Hosts are the hosts of a job.
type Hosts struct {
	Current string   // this one, such as algo-1
	All     []string // in order
	Index   int      // of Current in All; the host with 0 is the first
}

// Hosts says which hosts the job has. It is one alone where the platform does not say.
func (j *Job) Hosts() (Hosts, error) {
	path := j.Path(mlRoot + "/config/resourceconfig.json")
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return Hosts{Current: "algo-1", All: []string{"algo-1"}}, nil
	}
	if err != nil {
		return Hosts{}, fmt.Errorf("the job's hosts: %w", err)
	}
	var config struct {
		Current string   `json:"current_host"`
		Hosts   []string `json:"hosts"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return Hosts{}, fmt.Errorf("the job's hosts: %s is not JSON as it should be: %w", path, err)
	}
	slices.SortFunc(config.Hosts, func(a, b string) int { // algo-2 goes before algo-10
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	index := slices.Index(config.Hosts, config.Current)
	if index < 0 {
		return Hosts{}, fmt.Errorf("the job's hosts: %s: current host '%s' is not one of %v", path, config.Current, config.Hosts)
	}
	return Hosts{Current: config.Current, All: config.Hosts, Index: index}, nil
}

// Logf writes a line to the job's log.
func (j *Job) Logf(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintln(j.out, strings.TrimSuffix(fmt.Sprintf(format, args...), "\n"))
}

// Client is a client of the platform with the job's own keys. Any AWS client in the job finds the same in its environment.
func (j *Job) Client() (*Client, error) { return FromEnv() }
