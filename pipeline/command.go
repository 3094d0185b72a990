package pipeline

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// Main is the whole main function of a program that defines a workflow. In a job it runs the step that the job is for; started by a person it
// is a small command line: apply, start, run, status, stop, retry, delete, definition. It does not return.
func Main(w *Workflow) {
	if RunStep(w) {
		os.Exit(0)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	c := &command{workflow: w, program: filepath.Base(os.Args[0]), out: os.Stdout, err: os.Stderr}
	code := c.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

const usage = `%[1]s is the workflow %[2]s: it applies, starts and follows its pipeline.

  %[1]s apply                         create or update the pipeline
  %[1]s start [-p Name=Value]… [-follow] [-v] [-name NAME] [-token TOKEN]
                                      start an execution of it
  %[1]s run [-p Name=Value]… [-v]     apply, start and follow
  %[1]s status [EXECUTION]            show an execution; the newest where none is given
  %[1]s stop|retry EXECUTION          stop an execution, or run its failed steps again; by its ARN or the end of it
  %[1]s delete                        delete the pipeline
  %[1]s definition                    print the pipeline's definition; nothing is sent

The service is the one that AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION name.
`

// Exit codes of the command line.
const (
	exitWrong = 1 // the command or the execution has failed
	exitUsage = 2
)

type command struct {
	workflow *Workflow
	program  string
	out      *os.File
	err      io.Writer
}

// A usageError is a mistake in how the program was called.
type usageError struct{ error }

// interrupted is the error of a person who no longer wants to look.
type interrupted struct{ error }

func (interrupted) Error() string { return "interrupted; the execution goes on" }

func (c *command) run(ctx context.Context, args []string) int {
	err := c.dispatch(ctx, args)
	var wrong usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(c.out, usage, c.program, c.workflow.Name)
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(c.err, "%s: %v\nTry: %s help\n", c.program, err, c.program)
		return exitUsage
	}
	fmt.Fprintf(c.err, "%s: %v\n", c.program, err)
	if try := c.advice(err); try != "" {
		fmt.Fprintf(c.err, "Try: %s\n", try)
	}
	return exitWrong
}

// advice says what may help, or "".
func (c *command) advice(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "mobula up"
	case strings.Contains(err.Error(), "environment variable AWS_"):
		return `eval "$(mobula env)"`
	case errors.As(err, new(interrupted)):
		return c.program + " status"
	case ErrorCode(err) == "ResourceNotFound":
		return c.program + " apply"
	}
	return ""
}

func (c *command) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usageError{errors.New("no command is given")}
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		return flag.ErrHelp
	case "definition":
		return c.definition(args)
	case "apply", "start", "run", "status", "stop", "retry", "delete":
	default:
		return usageError{fmt.Errorf("'%s' is no command", name)}
	}
	flags, o := c.flags(name)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usageError{err}
	}
	want := map[string]int{"status": 1, "stop": 1, "retry": 1}[name]
	if flags.NArg() > want || flags.NArg() == 0 && (name == "stop" || name == "retry") {
		return usageError{fmt.Errorf("%s takes %d arguments after its flags, not %v", name, want, flags.Args())}
	}
	if err := c.workflow.CheckParameters(o.parameters); (name == "start" || name == "run") && err != nil {
		return err
	}
	client, err := FromEnv()
	if err != nil {
		return err
	}
	return c.call(ctx, client, name, flags.Arg(0), o)
}

// flagged are the flags of a command.
type flagged struct {
	start      StartOptions
	parameters map[string]any
	follow     bool
	logs       bool
}

func (c *command) flags(name string) (*flag.FlagSet, *flagged) {
	o := &flagged{parameters: map[string]any{}, follow: name == "run"}
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	if name != "start" && name != "run" {
		return f, o
	}
	f.Func("p", "Name=Value", func(s string) error {
		parameter, value, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("it must read Name=Value")
		}
		o.parameters[parameter] = value
		return nil
	})
	f.BoolVar(&o.logs, "v", false, "show the steps' log lines")
	f.StringVar(&o.start.DisplayName, "name", "", "name of the execution")
	f.StringVar(&o.start.Token, "token", "", "the same token starts the same execution")
	if name == "start" {
		f.BoolVar(&o.follow, "follow", false, "follow the execution")
	}
	return f, o
}

func (c *command) definition(args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("definition takes no arguments, not %v", args)}
	}
	definition, err := c.workflow.Build()
	if err == nil {
		fmt.Fprintf(c.out, "%s\n", definition)
	}
	return err
}

func (c *command) call(ctx context.Context, client *Client, name, execution string, o *flagged) error {
	switch name {
	case "apply":
		arn, err := client.Upsert(ctx, c.workflow)
		if err == nil {
			fmt.Fprintln(c.out, arn)
		}
		return err
	case "start", "run":
		return c.start(ctx, client, name == "run", o)
	case "delete":
		return client.Delete(ctx, c.workflow.Name)
	}
	execution, err := c.resolve(ctx, client, execution)
	if err != nil {
		return err
	}
	switch name {
	case "stop":
		return client.Stop(ctx, execution)
	case "retry":
		return client.Retry(ctx, execution)
	}
	e, err := client.Describe(ctx, execution)
	if err != nil {
		return err
	}
	return e.WriteTable(c.out)
}

func (c *command) start(ctx context.Context, client *Client, apply bool, o *flagged) error {
	if apply {
		if _, err := client.Upsert(ctx, c.workflow); err != nil {
			return err
		}
	}
	o.start.Parameters = o.parameters
	arn, err := client.Start(ctx, c.workflow, o.start)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, arn)
	if !o.follow {
		return nil
	}
	screen := Terminal(c.out)
	e, err := client.Follow(ctx, arn, FollowOptions{Events: screen.Event, Logs: o.logs})
	screen.Close()
	if errors.Is(err, context.Canceled) {
		return interrupted{err}
	}
	if err != nil {
		return err
	}
	if e.Status != Succeeded {
		return fmt.Errorf("execution %s is %s%s", shortARN(arn), e.Status, reason(e.FailureReason))
	}
	return nil
}

// resolve finds the ARN of an execution by the last part of it; "" is the newest one.
func (c *command) resolve(ctx context.Context, client *Client, execution string) (arn string, err error) {
	if strings.HasPrefix(execution, "arn:") {
		return execution, nil
	}
	newest, err := client.Executions(ctx, c.workflow.Name, 100)
	if err != nil {
		return "", err
	}
	for _, arn := range newest {
		if execution == "" || shortARN(arn) == execution {
			return arn, nil
		}
	}
	if execution == "" {
		return "", fmt.Errorf("pipeline %s has no execution yet", c.workflow.Name)
	}
	return "", fmt.Errorf("execution '%s' is not one of the newest 100 of pipeline %s; give its ARN", execution, c.workflow.Name)
}
