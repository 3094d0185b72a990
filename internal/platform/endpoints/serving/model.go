package serving

import (
	"log/slog"
	"maps"
	"strings"

	"github.com/mobula-ml/mobula/internal/container"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/pyhost"
	"github.com/mobula-ml/mobula/internal/runner"
)

// A Container is one image with its model data.
type Container struct {
	Image       string
	DataURL     string // s3:// of an archive, of a prefix where it is Uncompressed, or "" for none
	Environment map[string]string
	// Uncompressed data is copied as it stands: the object of that key, and all below it where it ends at a slash.
	Uncompressed bool `json:",omitempty"`
	// Multi marks data that is a prefix, below which each archive is a model of its own. A host serves one of them: see Target.
	Multi bool `json:",omitempty"`
}

// A Model is what hosts serve: one container, or several of which each gets the answer of the one before.
type Model struct {
	Container
	More []Container `json:",omitempty"`
	Role string      `json:",omitempty"`
}

// Target is the container of one of the models below a Multi container's prefix. It has one worker, as there are many of them, unless the
// container says otherwise.
func (c Container) Target(name string) Container {
	c.DataURL, c.Multi = strings.TrimSuffix(c.DataURL, "/")+"/"+name, false
	environment := map[string]string{workersVariable: "1"}
	maps.Copy(environment, c.Environment)
	c.Environment = environment
	return c
}

// workersVariable is how many workers a Python model server has.
const workersVariable = "SAGEMAKER_MODEL_SERVER_WORKERS"

// Containers are all containers of a model, in their order.
func (m Model) Containers() []Container { return append([]Container{m.Container}, m.More...) }

// Deps is what hosts need.
type Deps struct {
	Objects object.Store
	Runner  runner.Runner
	Keys    *identity.Keys // issues the keys that hosts call with
	Python  *pyenv.Manager // Python worlds of images. Without one only the built-in image is served.

	Containers *container.Store // of docker or podman. Without one no container images are served.

	Log *slog.Logger

	Socket  string // the server's unix socket, for the hosts
	Library string // file of libxgboost
	Forks   *pyhost.ForkServers
	Support string // folder of pysupport
}

// Hosts starts hosts and finds them again.
type Hosts struct{ Deps }

// A Failure is why hosts cannot serve; it is the user's to mend.
type Failure struct{ Reason string }

func (f *Failure) Error() string { return f.Reason }
