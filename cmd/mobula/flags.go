package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/server"
)

// newFlags makes the flags of a command, with one line of what the command does.
func newFlags(name, arguments, does string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "Usage: mobula %s %s\n\n%s\n\nFlags:\n", name, arguments, does)
		f.PrintDefaults()
	}
	return f
}

// parse is parseFlags for a command that takes no arguments but flags.
func parse(f *flag.FlagSet, args []string) error {
	if err := parseFlags(f, args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return &usageError{fmt.Sprintf("'%s' takes no argument '%s'", f.Name(), f.Arg(0)), "mobula " + f.Name() + " -h"}
	}
	return nil
}

// parseFlags reads the flags over the environment, where --x-y is MOBULA_X_Y, and leaves what follows them in f.Args.
func parseFlags(f *flag.FlagSet, args []string) error {
	var err error
	f.VisitAll(func(x *flag.Flag) {
		name := "MOBULA_" + strings.ToUpper(strings.ReplaceAll(x.Name, "-", "_"))
		if value, set := os.LookupEnv(name); set && err == nil {
			if e := f.Set(x.Name, value); e != nil {
				err = &usageError{fmt.Sprintf("%s '%s': %v", name, value, e), "unset " + name}
			}
		}
	})
	if err != nil {
		return err
	}
	return f.Parse(args)
}

// serverFlags adds the flags that say how a server runs.
func serverFlags(f *flag.FlagSet, c *server.Config) {
	f.StringVar(&c.Cache, "cache", "", "folder of the Python worlds (default one of the user's cache)")
	f.StringVar(&c.Runner, "runner", runner.Auto, "what runs the hosts of jobs: auto, namespace or plain")
	f.StringVar(&c.Account, "account", "", "the account that everything belongs to (default 123456789012)")
	f.StringVar(&c.Region, "region", "", "the region of callers that name none (default us-east-1)")
	f.IntVar(&c.CPUs, "cpus", 0, "processors that jobs may take at a time (default the machine's)")
	f.Int64Var(&c.MemoryMiB, "memory-mib", 0, "memory in MiB that jobs may take at a time (default the machine's)")
}
