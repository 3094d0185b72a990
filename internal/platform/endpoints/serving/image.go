package serving

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/container"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/pyhost"
	"github.com/mobula-ml/mobula/internal/pysupport"
)

// builtinVersion is the tag of the XGBoost image whose algorithm mode is built in: the version of the library in this program.
const builtinVersion = "3.2-1"

// programVariable names the user's script.
const programVariable = "SAGEMAKER_PROGRAM"

var xgboostImage = regexp.MustCompile(`^sagemaker-xgboost:(.+)$`)

// families are the images whose defaults the Python model server knows, by the beginning of their repository and tag.
var families = []struct{ begin, name string }{{"sagemaker-xgboost:", "xgboost"}, {"sagemaker-scikit-learn:", "scikit-learn"}, {"pytorch-inference:", "pytorch"},
	{"pytorch-training:", "pytorch"}}

// A program is how a container is served.
type program struct {
	command []string
	runtime *pyenv.Runtime // the Python world that the command needs, or nil

	container *container.Image // whose file system the host has, or nil
}

// interpreter is where a host finds its Python.
const interpreter = pyhost.Link + "/bin/python3"

// program finds how a container is served, or says why it is not.
func (h *Hosts) program(c Container) (program, error) {
	image := c.Image[strings.LastIndexByte(c.Image, '/')+1:]
	script := c.Environment[programVariable] != ""
	if m := xgboostImage.FindStringSubmatch(image); m != nil && !script && (m[1] == builtinVersion || strings.HasPrefix(m[1], builtinVersion+"-")) {
		return program{command: []string{"mobula", builtin.Command, builtin.ServeCommand}}, nil
	}
	var r pyenv.Runtime
	known := false
	if h.Python != nil {
		r, known = h.Python.Find(c.Image)
	}
	if !known || r.Container != "" {
		return h.containerProgram(c, cmp.Or(r.Container, c.Image))
	}
	family := "python"
	for _, f := range families {
		if strings.HasPrefix(image, f.begin) {
			family = f.name
		}
	}
	if !script && (family == "scikit-learn" || family == "python") {
		return program{}, awsapi.Validation("Image '%s' cannot be served: environment must have %s, the script of which it takes model_fn and the other functions.",
			c.Image, programVariable)
	}
	return program{command: []string{interpreter, "-m", pysupport.ServerModule, family}, runtime: &r}, nil
}

// containerProgram serves a container image as the service starts it.
func (h *Hosts) containerProgram(c Container, name string) (program, error) {
	found, err := h.Containers.Find(name)
	if err != nil {
		return program{}, awsapi.Validation("Image '%s' cannot be served: no runtime is known for it, and as container image '%s': %v. `mobula runtime list` shows the images "+
			"that are served; runtimes.toml adds others.", c.Image, name, err)
	}
	return program{command: append(slices.Clone(found.Entrypoint), "serve"), container: &found}, nil
}

// Check says whether a model can be served at all, without a look at its data.
func (h *Hosts) Check(m Model) error {
	for _, c := range m.Containers() {
		if _, err := h.program(c); err != nil {
			return err
		}
	}
	return nil
}
