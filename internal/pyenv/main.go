package pyenv

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// Command is the first argument that makes the binary do what pip's command line does.
const Command = "mobula-pip"

// LinkVariable names the link that leads to the world of this host.
const LinkVariable = "MOBULA_PYTHON"

// Main runs pip's command line where args, which is os.Args, ask for it, and exits with its status. It returns false where they do not.
func Main(args []string) (handled bool) {
	if len(args) < 2 || args[1] != Command {
		return false
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := pip(ctx, args[2:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ERROR:", err)
		os.Exit(1)
	}
	os.Exit(0)
	return true
}

func pip(ctx context.Context, args []string, out io.Writer) error {
	link := os.Getenv(LinkVariable)
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "--version" && args[0] != "-V" { // options before the command
		args = args[1:]
	}
	if len(args) == 0 {
		args = []string{"help"}
	}
	verb, rest := args[0], args[1:]
	switch verb {
	case "install", "uninstall":
		return change(ctx, link, verb, rest, out)
	case "list", "freeze", "show", "check":
		return look(ctx, link, args, out)
	case "--version", "-V":
		fmt.Fprintln(out, "pip 24.0 (served by Mobula)")
		return nil
	case "cache", "config", "debug":
		return nil // there is nothing of the kind to change or to show
	}
	return fmt.Errorf("pip %s is not served here; install, uninstall, list, freeze, show and check are", verb)
}

// look runs a command that changes nothing.
func look(ctx context.Context, link string, args []string, out io.Writer) error {
	dir, err := filepath.EvalSymlinks(link)
	if err != nil {
		return err
	}
	m := &Manager{dir: filepath.Dir(dir)}
	uv, err := m.findUV(ctx, func(string) {})
	if err != nil {
		return err
	}
	kept := []string{"pip"}
	for _, a := range args {
		if a != "--disable-pip-version-check" {
			kept = append(kept, a)
		}
	}
	cmd := exec.CommandContext(ctx, uv, append(kept, "--python", filepath.Join(dir, "bin", "python3"))...)
	var said bytes.Buffer // uv tells there which Python it looks at, which pip does not
	cmd.Stdout, cmd.Stderr = out, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.TrimSpace(said.String()), err)
	}
	return nil
}

// change asks the server for a world with other packages and turns the link to it.
func change(ctx context.Context, link, verb string, args []string, out io.Writer) error {
	request, quiet, err := ReadArguments(verb, args)
	if err != nil {
		return err
	}
	dir, err := os.Readlink(link)
	if err != nil {
		return fmt.Errorf("this Python is no world of Mobula's: %w", err)
	}
	client, err := awsapi.ClientFromEnv()
	if err != nil {
		return err
	}
	body, err := json.Marshal(order{Parent: filepath.Base(dir), Request: request})
	if err != nil {
		return err
	}
	if !quiet {
		fmt.Fprintln(out, "Collecting", strings.Join(request.describe(), ", "))
	}
	progress := out
	if quiet {
		progress = io.Discard
	}
	e, err := ask(ctx, client, body, progress)
	if err != nil {
		return err
	}
	if request.Target != "" {
		if err := copyPackages(e, request.Target, slices.Contains(request.Options, "--upgrade"), out); err != nil {
			return err
		}
	} else if err := Point(link, e); err != nil {
		return err
	}
	if !quiet {
		fmt.Fprintf(out, "Successfully %sed: %d packages, as of %s\n", verb, e.Packages, e.AsOf)
	}
	return nil
}

// copyPackages copies what a world has installed into a folder, as pip install --target does: what is there already stays, unless upgrade.
// Commands of packages are not copied.
func copyPackages(e *Env, target string, upgrade bool, out io.Writer) error {
	site, err := sitePackages(e.Dir)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(site)
	if err != nil {
		return err
	}
	for _, d := range entries {
		if name := d.Name(); name == "pip" || name == "__pycache__" || strings.HasPrefix(name, "_virtualenv") {
			continue // the world's own
		}
		from, to := filepath.Join(site, d.Name()), filepath.Join(target, d.Name())
		if _, err := os.Lstat(to); err == nil {
			if !upgrade {
				fmt.Fprintf(out, "WARNING: Target directory %s already exists. Specify --upgrade to force replacement.\n", to)
				continue
			}
			if err := os.RemoveAll(to); err != nil {
				return err
			}
		}
		if err := copyEntry(from, to, d.IsDir()); err != nil {
			return err
		}
	}
	return nil
}

func copyEntry(from, to string, folder bool) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if folder {
		return os.CopyFS(to, os.DirFS(from))
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}

// patience is how long a server that restarts is waited for.
const patience = 2 * time.Minute

// ask sends the order, again if the server goes away meanwhile: what it had begun it finds or begins anew.
func ask(ctx context.Context, client *awsapi.Client, body []byte, out io.Writer) (*Env, error) {
	for end := time.Now().Add(patience); ; {
		e, lost, err := askOnce(ctx, client, body, out)
		if err == nil || !lost || time.Now().After(end) || ctx.Err() != nil {
			return e, err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// askOnce says of an error whether the connection was lost.
func askOnce(ctx context.Context, client *awsapi.Client, body []byte, out io.Writer) (e *Env, lost bool, err error) {
	resp, err := client.Send(ctx, SigningName, http.MethodPost, Path, body)
	if err != nil {
		return nil, true, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return nil, resp.StatusCode == http.StatusServiceUnavailable, fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(b))
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, true, err
		}
		switch {
		case l.Error != "":
			return nil, false, errors.New(l.Error)
		case l.Env != nil:
			l.Env.Dir = l.Folder
			return l.Env, false, nil
		default:
			fmt.Fprintln(out, l.Said)
		}
	}
	return nil, true, errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}
