// Command mobula runs machine-learning workflows: it serves the SageMaker API on this machine and executes what it is asked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"github.com/mobula-ml/mobula/examples/houseprices"
	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/scriptmode"
	"github.com/mobula-ml/mobula/pipeline"
)

// version is set by the build.
var version = "development"

// A command is one of the program's. run gets the arguments after its name.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string) error
}

func commands() []command {
	return []command{
		{"up", "serve the API until Ctrl-C", up},
		{"demo", "run the house-price workflow on a server of its own, and show it", demo},
		{"exec", "run a command whose AWS clients use the server", execute},
		{"env", "print what makes a shell's AWS clients use the server", env},
		{"explain", "say why a step of a pipeline ran, or whose result was taken", explain},
		{"runtime", "list, build, show, add and prune the Python worlds that images get", runtimes},
		{"doctor", "say what this machine can do for Mobula, and what to allow", doctor},
		{"version", "print the version", func(context.Context, []string) error { fmt.Println("mobula", version); return nil }},
	}
}

func main() {
	// The server starts its supervisors, trainers and model servers from this binary, and the demo's steps are it too.
	if runner.Main(os.Args[1:]) || builtin.Main(os.Args) || pyenv.Main(os.Args) || scriptmode.Main(os.Args) || pipeline.RunStep(houseprices.Workflow(houseprices.Options{})) {
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // the server holds a few MB: to collect them less often makes small requests a tenth cheaper
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dispatch(ctx, os.Args[1:])
	stop()
	var ended *endedError
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.As(err, &ended):
		os.Exit(ended.code)
	case errors.Is(err, context.Canceled):
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "mobula:", err)
		if advice := adviceFor(err); advice != "" {
			fmt.Fprintln(os.Stderr, "Try:", advice)
		}
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage()
		return nil
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:])
		}
	}
	return &usageError{fmt.Sprintf("there is no command '%s'", args[0]), "mobula help"}
}

func usage() {
	fmt.Println("Mobula runs machine-learning workflows: it speaks the SageMaker API and executes what it is asked.\n\nUsage: mobula COMMAND [flags]\n\nCommands:")
	for _, c := range commands() {
		fmt.Printf("  %-8s %s\n", c.name, c.summary)
	}
	fmt.Println("\n`mobula COMMAND -h` lists the flags of a command. Each flag --x-y can be set by MOBULA_X_Y in the environment too.")
}

// A usageError is a mistake in the arguments, with what would be right.
type usageError struct{ text, try string }

func (e *usageError) Error() string { return e.text }

// defaultData is the data folder of a user who named none.
func defaultData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "mobula")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".mobula"
	}
	return filepath.Join(home, ".local", "share", "mobula")
}
