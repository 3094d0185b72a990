package scriptmode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mobula-ml/mobula/internal/s3client"
	"github.com/mobula-ml/mobula/internal/tarball"
)

// Command and TrainCommand are the first and second argument that make the binary run a script as the managed images do.
const (
	Command      = "mobula-script"
	TrainCommand = "train"
)

// MLDirVariable names the folder that stands for /opt/ml. Defaults to /opt/ml.
const MLDirVariable = "MOBULA_ML_DIR"

// Main runs the process that args, which is os.Args, ask for, and exits with its status. It returns false where they ask for none.
func Main(args []string) (handled bool) {
	if len(args) < 3 || args[1] != Command || args[2] != TrainCommand && args[2] != PipesCommand {
		return false
	}
	ml := os.Getenv(MLDirVariable)
	if ml == "" {
		ml = "/opt/ml"
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := 0
	if args[2] == TrainCommand {
		code = Train(ctx, ml, os.Stdout, os.Stderr)
	} else {
		code = runPipes(ctx, ml, args[3:], os.Stdout, os.Stderr)
	}
	stop()
	os.Exit(code)
	return true
}

// A toolkitError is one with the name that the images give to its kind.
type toolkitError struct {
	kind string
	err  error
	code int
}

func (e *toolkitError) Error() string { return e.kind + ": " + e.err.Error() }

// Train runs the script of a training job and returns its exit status.
func Train(ctx context.Context, ml string, stdout, stderr io.Writer) int {
	err := train(ctx, ml, stdout, stderr)
	if err == nil {
		return 0
	}
	text := err.Error()
	fmt.Fprintln(stderr, "ERROR:", text)
	if err := writeFailure(ml, text); err != nil {
		fmt.Fprintln(stderr, "ERROR: the reason could not be written:", err)
	}
	var known *toolkitError
	if errors.As(err, &known) && known.code != 0 {
		return known.code
	}
	return 1
}

// writeFailure leaves the text that becomes the job's FailureReason, unless the script left one itself.
func writeFailure(ml, text string) error {
	path := filepath.Join(ml, "output", "failure")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func train(ctx context.Context, ml string, stdout, stderr io.Writer) error {
	j, err := readJob(ml)
	if err != nil {
		return &toolkitError{kind: "ClientError", err: err}
	}
	if j.program == "" {
		return &toolkitError{kind: "ClientError", err: errors.New("hyper-parameter sagemaker_program is missing: it names the script to run")}
	}
	code := filepath.Join(ml, "code")
	if err := fetchCode(ctx, j.submitDirectory, code); err != nil {
		return &toolkitError{kind: "ClientError", err: err}
	}
	if _, err := os.Stat(filepath.Join(code, j.program)); err != nil {
		return &toolkitError{kind: "ClientError", err: fmt.Errorf("the script %s is not in %s", j.program, j.submitDirectory)}
	}
	environment := j.environment(os.Environ(), code)
	if err := installRequirements(ctx, code, environment, stdout, stderr); err != nil {
		return &toolkitError{kind: "InstallRequirementsError", err: err}
	}
	if isPackage(code) {
		if err := runLogged(ctx, code, environment, stdout, stderr, "python3", "-m", "pip", "install", "."); err != nil {
			return &toolkitError{kind: "InstallModuleError", err: err}
		}
	}
	return j.run(ctx, code, environment, stdout, stderr)
}

// fetchCode brings what sagemaker_submit_directory names: an archive or a folder in S3, or a folder of the host's.
func fetchCode(ctx context.Context, from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	rest, remote := strings.CutPrefix(from, "s3://")
	if !remote {
		if from == "" || filepath.Clean(from) == to {
			return nil
		}
		info, err := os.Stat(from)
		if err != nil {
			return fmt.Errorf("sagemaker_submit_directory '%s' is not there", from)
		}
		if info.IsDir() {
			return os.CopyFS(to, os.DirFS(from))
		}
		f, err := os.Open(from)
		if err != nil {
			return err
		}
		defer f.Close()
		return tarball.Unpack(to, f)
	}
	bucket, key, _ := strings.Cut(rest, "/")
	client, err := s3client.FromEnv()
	if err != nil {
		return err
	}
	body, _, err := client.Get(ctx, bucket, key)
	if err != nil {
		return fmt.Errorf("sagemaker_submit_directory '%s': %w", from, err)
	}
	defer body.Close()
	if err := tarball.Unpack(to, body); err != nil {
		return fmt.Errorf("sagemaker_submit_directory '%s': %w", from, err)
	}
	return nil
}

// installRequirements installs requirements.txt, or what $SAGEMAKER_REQUIREMENTS names, if it is there.
func installRequirements(ctx context.Context, code string, environment []string, stdout, stderr io.Writer) error {
	name := os.Getenv("SAGEMAKER_REQUIREMENTS")
	if name == "" {
		name = "requirements.txt"
	}
	if _, err := os.Stat(filepath.Join(code, name)); err != nil {
		return nil
	}
	return runLogged(ctx, code, environment, stdout, stderr, "python3", "-m", "pip", "install", "-r", name)
}

func (j *job) run(ctx context.Context, code string, environment []string, stdout, stderr io.Writer) error {
	command := j.command(code)
	if command[0] == "/bin/sh" {
		if err := os.Chmod(filepath.Join(code, j.program), 0o755); err != nil {
			return err
		}
	}
	return runLogged(ctx, code, environment, stdout, stderr, command...)
}

// reasonBytes is how much of what a script wrote to standard error is shown as the reason of its failure, out of the last tailBytes of it.
const reasonBytes, tailBytes = 800, 16 << 10

// A tail keeps the end of what is written to it.
type tail struct{ bytes.Buffer }

func (t *tail) Write(b []byte) (int, error) {
	t.Buffer.Write(b)
	if extra := t.Len() - tailBytes; extra > tailBytes {
		t.Next(extra)
	}
	return len(b), nil
}

// String is what the script died of: the exception of its last traceback and what it says, or else the last lines.
func (t *tail) String() string {
	text := strings.TrimSpace(t.Buffer.String())
	if at := strings.LastIndex(text, "Traceback (most recent call last):"); at >= 0 {
		_, frames, _ := strings.Cut(text[at:], "\n")
		for line := range strings.Lines(frames) {
			if !strings.HasPrefix(line, " ") {
				break
			}
			frames = frames[len(line):]
		}
		if frames != "" {
			return strings.TrimSpace(strings.ToValidUTF8(frames[:min(len(frames), reasonBytes)], ""))
		}
	}
	return strings.TrimSpace(strings.ToValidUTF8(text[max(0, len(text)-reasonBytes):], ""))
}

func runLogged(ctx context.Context, dir string, environment []string, stdout, stderr io.Writer, command ...string) error {
	var end tail
	program, err := lookPath(command[0], environment)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, command[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, environment, stdout, io.MultiWriter(stderr, &end)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	fmt.Fprintln(stdout, "Invoking script with the following command:\n\n"+strings.Join(command, " ")+"\n")
	err = cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	code := exit.ExitCode()
	if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		code = 128 + int(s.Signal())
	}
	return &toolkitError{"ExecuteUserScriptError", fmt.Errorf("\nExitCode %d\nErrorMessage \"%s\"\nCommand \"%s\"", code, &end, strings.Join(command, " ")), code}
}

// lookPath finds a command on the PATH that it is going to have.
func lookPath(name string, environment []string) (string, error) {
	for _, e := range environment {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			if err := os.Setenv("PATH", path); err != nil {
				return "", err
			}
		}
	}
	return exec.LookPath(name)
}
