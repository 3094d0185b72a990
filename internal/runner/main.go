package runner

// command is the first argument of the processes that the runner starts of its own executable.
const command = "mobula-runner"

// Main does the work of a supervisor or host when args (os.Args[1:]) ask for it, and then tells so; the program must end at once.
// The main of every executable that starts jobs calls it first, and so does the TestMain of such tests.
func Main(args []string) (handled bool) {
	return len(args) > 0 && args[0] == command
}
