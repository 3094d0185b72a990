package jobs

import (
	"regexp"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/builtin"
)

// An image is what runs the jobs of an image URI here.
type image int

const (
	native         image = iota // the entrypoint, on the machine's own file system
	builtinXGBoost              // the built-in trainer, in algorithm mode
)

// NativeImage is the image of jobs whose entrypoint is a program that needs nothing but the machine, such as a Go program.
const NativeImage = "mobula/go:1"

// XGBoostVersion is the tag of the built-in XGBoost image that is served: the version of the library in this program.
const XGBoostVersion = "3.2-1"

var xgboostImage = regexp.MustCompile(`(?:^|/)sagemaker-xgboost:([\w.-]+)$`)

// runtimeOf finds the runtime of an image, or says what is served.
func runtimeOf(uri string) (image, error) {
	if uri == NativeImage || strings.HasSuffix(uri, "/"+NativeImage) {
		return native, nil
	}
	if m := xgboostImage.FindStringSubmatch(uri); m != nil {
		if m[1] == XGBoostVersion || strings.HasPrefix(m[1], XGBoostVersion+"-") {
			return builtinXGBoost, nil
		}
		return 0, awsapi.Validation("Image '%s' cannot be run: version %s of sagemaker-xgboost is not served, %s is.", uri, m[1], XGBoostVersion)
	}
	return 0, awsapi.Validation("Image '%s' cannot be run: no runtime is known for it. Served are %s, which runs the entrypoint on this machine, and sagemaker-xgboost:%s.", uri, NativeImage, XGBoostVersion)
}

// trainCommand is the command of a training job's image.
func trainCommand(r image, in *awsapi.CreateTrainingJobRequest) ([]string, error) {
	a := in.AlgorithmSpecification
	switch {
	case len(a.ContainerEntrypoint) > 0:
		return append(append([]string{}, a.ContainerEntrypoint...), a.ContainerArguments...), nil
	case r == native:
		return nil, awsapi.Validation("algorithmSpecification.containerEntrypoint must not be empty: image '%s' has no entrypoint of its own.", awsapi.Val(a.TrainingImage))
	case in.HyperParameters["sagemaker_program"] != "":
		return nil, awsapi.Validation("hyperParameters 'sagemaker_program' cannot be run: image '%s' is served in algorithm mode, without a script.", awsapi.Val(a.TrainingImage))
	}
	return []string{"mobula", builtin.Command, builtin.TrainCommand}, nil
}
