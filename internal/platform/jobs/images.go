package jobs

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/container"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/pysupport"
	"github.com/mobula-ml/mobula/internal/scriptmode"
)

// An image is what runs the jobs of an image URI here.
type image struct {
	uri     string
	native  bool           // the entrypoint, on the machine's own file system
	xgboost string         // tag of sagemaker-xgboost, or ""
	runtime *pyenv.Runtime // the Python world, where there is one

	container *container.Image // of docker or podman, where nothing else is known
}

// NativeImage is the image of jobs whose entrypoint is a program that needs nothing but the machine, such as a Go program.
const NativeImage = "mobula/go:1"

// XGBoostVersion is the tag of the XGBoost image whose algorithm mode is built in: the version of the library in this program.
const XGBoostVersion = "3.2-1"

var xgboostImage = regexp.MustCompile(`(?:^|/)sagemaker-xgboost:([\w.-]+)$`)

// imageOf finds what runs an image, or says what is served.
func (s *Service) imageOf(uri string) (image, error) {
	i := image{uri: uri, native: uri == NativeImage || strings.HasSuffix(uri, "/"+NativeImage)}
	if m := xgboostImage.FindStringSubmatch(uri); m != nil {
		i.xgboost = m[1]
	}
	name := uri
	if s.Python != nil {
		if r, ok := s.Python.Find(uri); ok && r.Container == "" {
			i.runtime = &r
		} else if ok {
			name = r.Container
		}
	}
	if (i.native || i.builtin() || i.runtime != nil) && name == uri {
		return i, nil
	}
	found, err := s.Containers.Find(name)
	if err != nil {
		return i, awsapi.Validation("Image '%s' cannot be run: no runtime is known for it, and as container image '%s': %v. `mobula runtime list` shows the images that are served; "+
			"runtimes.toml adds others.", uri, name, err)
	}
	i.container = &found
	return i, nil
}

// builtin says whether the image's algorithm mode is built in.
func (i image) builtin() bool {
	return i.xgboost == XGBoostVersion || strings.HasPrefix(i.xgboost, XGBoostVersion+"-")
}

// A program is how the hosts of a job are started.
type program struct {
	command []string
	python  *pyenv.Runtime // the world that the command needs, or nil

	container *container.Image // whose file system the hosts have, or nil
}

// trainingProgram is the program of a training job, with what feeds its pipes before it where it has any.
func (s *Service) trainingProgram(in *awsapi.CreateTrainingJobRequest) (program, error) {
	prog, err := s.scriptOf(in)
	var pipes []string
	for _, c := range in.InputDataConfig {
		if piped(in, c) {
			pipes = append(pipes, *c.ChannelName)
		}
	}
	if len(pipes) == 0 || err != nil {
		return prog, err
	}
	if prog.container != nil {
		return program{}, awsapi.Validation("channel '%s': input mode Pipe is not served for container images; File and FastFile are.", pipes[0])
	}
	prog.command = slices.Concat([]string{"mobula", scriptmode.Command, scriptmode.PipesCommand}, pipes, []string{"--"}, prog.command)
	return prog, nil
}

// scripted says whether the image runs a script of the user's.
func scripted(in *awsapi.CreateTrainingJobRequest) bool {
	return in.HyperParameters["sagemaker_program"] != "" || in.Environment["SAGEMAKER_PROGRAM"] != ""
}

// scriptOf is what the image of a training job runs.
func (s *Service) scriptOf(in *awsapi.CreateTrainingJobRequest) (program, error) {
	a := in.AlgorithmSpecification
	i, err := s.imageOf(awsapi.Val(a.TrainingImage))
	switch {
	case err != nil:
		return program{}, err
	case i.container != nil:
		return i.run(a.ContainerEntrypoint, a.ContainerArguments, []string{"train"})
	case len(a.ContainerEntrypoint) > 0:
		return program{command: slices.Concat(a.ContainerEntrypoint, a.ContainerArguments), python: i.runtime}, nil
	case i.native:
		return program{}, awsapi.Validation("algorithmSpecification.containerEntrypoint must not be empty: image '%s' has no entrypoint of its own.", i.uri)
	case scripted(in):
		if i.runtime == nil {
			return program{}, awsapi.Validation("hyperParameters 'sagemaker_program' cannot be run: no Python runtime is known for image '%s'.", i.uri)
		}
		return program{command: []string{"mobula", scriptmode.Command, scriptmode.TrainCommand}, python: i.runtime}, nil
	case i.builtin():
		return program{command: []string{"mobula", builtin.Command, builtin.TrainCommand}}, nil
	}
	if i.xgboost != "" { // another version than the one that is built in
		return program{command: []string{"python3", "-m", pysupport.XGBoostModule, i.xgboost}, python: i.runtime}, nil
	}
	return program{}, awsapi.Validation("hyperParameters must have 'sagemaker_program': image '%s' runs a script, and has no algorithm of its own here.", i.uri)
}

// processingProgram is the program of a processing job.
func (s *Service) processingProgram(in *awsapi.CreateProcessingJobRequest) (program, error) {
	a := in.AppSpecification
	i, err := s.imageOf(*a.ImageUri)
	if err != nil {
		return program{}, err
	}
	if i.container != nil {
		return i.run(a.ContainerEntrypoint, a.ContainerArguments, i.container.Cmd)
	}
	if len(a.ContainerEntrypoint) == 0 {
		return program{}, awsapi.Validation("appSpecification.containerEntrypoint must not be empty: image '%s' has no entrypoint of its own.", i.uri)
	}
	if !i.native && i.runtime == nil {
		return program{}, awsapi.Validation("Image '%s' cannot be used for processing: it trains and serves.", i.uri)
	}
	return program{command: slices.Concat(a.ContainerEntrypoint, a.ContainerArguments), python: i.runtime}, nil
}

// run is how a container image is started, as engines do it: arguments take the place of the usual ones, and an entrypoint that of both.
func (i image) run(entrypoint, arguments, usual []string) (program, error) {
	command := slices.Concat(entrypoint, arguments)
	if len(entrypoint) == 0 {
		if len(arguments) == 0 {
			arguments = usual
		}
		command = slices.Concat(i.container.Entrypoint, arguments)
	}
	if len(command) == 0 {
		return program{}, awsapi.Validation("containerEntrypoint must not be empty: image '%s' has no entrypoint of its own.", i.uri)
	}
	return program{command: command, container: i.container}, nil
}

// program is the program of the job.
func (s *Service) program(j *job) (program, error) {
	if j.Processing != nil {
		return s.processingProgram(j.Processing)
	}
	return s.trainingProgram(j.Training)
}
