package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"

	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/world"
)

// Config says how a server is to run. Flag, environment variable (MOBULA_…) and field have the same name.
type Config struct {
	// Data is the folder that holds everything. It must be given.
	Data string
	// Listen is the address to serve at; port 0 takes a free one. Defaults to 127.0.0.1:7780.
	Listen string
	// Runner runs the hosts of jobs: auto, namespace or plain. Defaults to auto.
	Runner string
	// Account is the account that everything belongs to. Defaults to 123456789012.
	Account string
	// Region is the region of callers that name none. Defaults to us-east-1.
	Region string
	// CPUs and MemoryMiB are what jobs may take of the machine at a time. Default to all of it.
	CPUs      int
	MemoryMiB int64
	// Cache is the folder of what can be had again, such as Python worlds; servers may share it. Defaults to one of the user's cache.
	Cache string
	// Executable is what supervisors, trainers and model servers are started from. Defaults to the running program.
	Executable string
	// Log takes what is worth knowing. Defaults to slog's default.
	Log *slog.Logger
	// World gives time, identifiers and randomness. Defaults to the machine's.
	World world.World
	// EndHosts: the hosts of endpoints end with the server, and come back with the next one on the folder.
	EndHosts bool
}

// DefaultListen is where a server is that was not told otherwise.
const DefaultListen = "127.0.0.1:7780"

var (
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	regionPattern  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
)

// withDefaults fills in what was left out and refuses what is wrong, by the field's name.
func (c Config) withDefaults() (Config, error) {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&c.Listen, DefaultListen)
	fill(&c.Runner, runner.Auto)
	fill(&c.Account, identity.DefaultAccount)
	fill(&c.Region, identity.DefaultRegion)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.World == nil {
		c.World = world.Real()
	}
	var errs []error
	refuse := func(ok bool, field, value, rule string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s '%s' %s", field, value, rule))
		}
	}
	refuse(c.Data != "", "data", "", "must name a folder")
	refuse(accountPattern.MatchString(c.Account), "account", c.Account, "must be 12 digits")
	refuse(regionPattern.MatchString(c.Region), "region", c.Region, "must look like us-east-1")
	refuse(c.Runner == runner.Auto || c.Runner == runner.Namespace || c.Runner == runner.Plain, "runner", c.Runner, "must be auto, namespace or plain")
	refuse(c.CPUs >= 0, "cpus", fmt.Sprint(c.CPUs), "must not be negative")
	refuse(c.MemoryMiB >= 0, "memory-mib", fmt.Sprint(c.MemoryMiB), "must not be negative")
	host, _, err := net.SplitHostPort(c.Listen)
	refuse(err == nil, "listen", c.Listen, "must be host:port")
	if ip := net.ParseIP(host); err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		c.Log.Warn("the server can be reached from other machines; whoever has its key pair can run code here", "listen", c.Listen)
	}
	if data, err := filepath.Abs(c.Data); err == nil {
		c.Data = data
	}
	if c.Executable == "" {
		if c.Executable, err = os.Executable(); err != nil {
			errs = append(errs, err)
		}
	}
	return c, errors.Join(errs...)
}
