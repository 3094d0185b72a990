package runner

import (
	"fmt"
	"os"
)

// command is the first argument of the processes that the runner starts of its own executable.
const command = "mobula-runner"

// Main does the work of a supervisor or host when args (os.Args[1:]) ask for it, and then tells so or ends the process; the program
// must end at once. The main of every executable that starts jobs calls it first, and so does the TestMain of such tests.
func Main(args []string) (handled bool) {
	if len(args) < 2 || args[0] != command {
		return false
	}
	var err error
	switch {
	case args[1] == "supervise": // its folder is an argument so that a list of processes shows it
		err = supervise()
	case args[1] == "host":
		err = runHost() // ends the process with the command's exit code
	case args[1] == "probe":
		err = tryNamespaces()
	default:
		err = fmt.Errorf("%q is not supervise, host or probe", args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}
