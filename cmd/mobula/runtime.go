package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/BurntSushi/toml"
	"golang.org/x/term"

	"github.com/mobula-ml/mobula/internal/container"
	"github.com/mobula-ml/mobula/internal/pyenv"
)

// runtimes looks at the Python worlds of this machine and changes them.
func runtimes(ctx context.Context, args []string) error {
	verbs := map[string]func(context.Context, []string) error{"list": runtimeList, "build": runtimeBuild, "show": runtimeShow, "add": runtimeAdd, "prune": runtimePrune}
	if len(args) > 0 && verbs[args[0]] != nil {
		return verbs[args[0]](ctx, args[1:])
	}
	return &usageError{"usage: mobula runtime list | build | show | add | prune", "mobula runtime list --help"}
}

// runtimeFlags are the flags of all of them.
func runtimeFlags(name, arguments, does string, args []string, more func(f *flag.FlagSet)) (*pyenv.Manager, string, []string, error) {
	var data, cache string
	f := newFlags("runtime "+name, arguments, does)
	f.StringVar(&data, "data", defaultData(), "folder of the server, whose runtimes.toml counts")
	f.StringVar(&cache, "cache", "", "folder of the Python worlds (default one of the user's cache)")
	if more != nil {
		more(f)
	}
	if err := parseFlags(f, args); err != nil {
		return nil, "", nil, err
	}
	table := filepath.Join(data, "runtimes.toml")
	m, err := pyenv.Open(pyenv.Options{Dir: cache, Table: table})
	return m, table, f.Args(), err
}

func runtimeList(_ context.Context, args []string) error {
	m, _, _, err := runtimeFlags("list", "[--data DIR]", "Lists the runtimes that images get, and the worlds that were built.", args, nil)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUNTIME\tPYTHON\tAS OF\tIMAGE")
	for _, r := range m.Rows() {
		if r.Container != "" {
			fmt.Fprintf(w, "%s\t-\t-\t%s: container image %s\n", r.Name, r.Image, r.Container)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Name, r.Python, orToday(r.AsOf), r.Image)
	}
	all, err := m.List()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nWORLD\tRUNTIME\tPACKAGES\tMADE\tASKED FOR\n")
	for _, e := range all {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", e.ID, e.Name, e.Packages, e.Created.Local().Format(time.DateTime), clip(strings.Join(e.Asked, " "), 80))
	}
	return w.Flush()
}

func orToday(day string) string {
	if day == "" {
		return "today"
	}
	return day
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func runtimeBuild(ctx context.Context, args []string) error {
	m, _, rest, err := runtimeFlags("build", "IMAGE", "Builds the world of an image, such as sagemaker-xgboost:1.7-1, so that the first job need not.", args, nil)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return &usageError{"one image must be named", "mobula runtime list"}
	}
	r, ok := m.Find(rest[0])
	if !ok || r.Container != "" {
		return exportImage(ctx, images(m), cmp.Or(r.Container, rest[0]))
	}
	began := time.Now()
	show := newProgress()
	e, err := m.Build(ctx, r, show.line)
	show.end()
	if err != nil {
		return err
	}
	fmt.Printf("%s  %s, Python %s, %d packages as of %s, %.1f s\n", e.ID, e.Name, e.Python, e.Packages, e.AsOf, time.Since(began).Seconds())
	return nil
}

// images are the file systems of container images, beside the worlds.
func images(m *pyenv.Manager) *container.Store {
	return container.Open(filepath.Join(m.Dir(), "images"))
}

// exportImage does for a container image what its first job would.
func exportImage(ctx context.Context, s *container.Store, name string) error {
	i, err := s.Find(name)
	if err != nil {
		return &usageError{fmt.Sprintf("no runtime is known for image '%s', and as a container image: %v", name, err), "mobula runtime list, and mobula runtime add"}
	}
	began := time.Now()
	root, err := s.Root(ctx, i)
	if err != nil {
		return err
	}
	fmt.Printf("%.12s  container image %s at %s, %.1f s\n", i.ID, name, root, time.Since(began).Seconds())
	return nil
}

func runtimeShow(ctx context.Context, args []string) error {
	m, _, rest, err := runtimeFlags("show", "WORLD", "Shows what a world was made of and which packages it has.", args, nil)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return &usageError{"one world must be named", "mobula runtime list"}
	}
	e, err := m.Get(rest[0])
	if err != nil {
		return err
	}
	for at := e; ; {
		fmt.Printf("%s  %s  Python %s as of %s  %s\n", at.ID, at.Name, at.Python, at.AsOf, strings.Join(at.Asked, " "))
		if at.Parent == "" {
			break
		}
		if at, err = m.Get(at.Parent); err != nil {
			break // a world does without those that it was made from
		}
	}
	cmd := exec.CommandContext(ctx, e.Interpreter(), "-m", "pip", "list")
	cmd.Env = append(os.Environ(), pyenv.LinkVariable+"="+e.Dir)
	if own, err := os.Executable(); err == nil {
		cmd.Env = append(cmd.Env, "MOBULA_EXECUTABLE="+own)
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

func runtimeAdd(_ context.Context, args []string) error {
	var r pyenv.Runtime
	_, table, packages, err := runtimeFlags("add", "--name NAME --image REGEXP (--container IMAGE | --python X.Y [--as-of DATE] PACKAGE…)", "Adds a runtime to the data folder's runtimes.toml.", args, func(f *flag.FlagSet) {
		f.StringVar(&r.Name, "name", "", "name of the runtime")
		f.StringVar(&r.Image, "image", "", "regular expression on an image's repository:tag")
		f.StringVar(&r.Python, "python", "", "version of Python, such as 3.11")
		f.StringVar(&r.AsOf, "as-of", "", "day whose packages are taken, YYYY-MM-DD (default the present day)")
		f.StringVar(&r.Container, "container", "", "image of docker or podman that is run instead")
	})
	if err != nil {
		return err
	}
	r.Packages = packages
	var file struct {
		Runtime []pyenv.Runtime `toml:"runtime"`
	}
	if _, err := toml.DecodeFile(table, &file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file.Runtime = append(file.Runtime, r)
	b, err := toml.Marshal(file)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(table), 0o700); err != nil {
		return err
	}
	tmp := table + ".new"
	defer os.Remove(tmp)
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	if _, err := pyenv.ReadTable(tmp); err != nil { // a wrong row is refused before it can stop a server from starting
		return err
	}
	if err := os.Rename(tmp, table); err != nil {
		return err
	}
	fmt.Printf("%s now has %s; a server that runs takes it up when it starts again\n", table, r.Name)
	return nil
}

func runtimePrune(_ context.Context, args []string) error {
	days := 30
	m, _, _, err := runtimeFlags("prune", "[--days N]", "Removes the worlds and the copies of container images that were not used for some days. They are made again when they are needed.", args, func(f *flag.FlagSet) {
		f.IntVar(&days, "days", days, "days without use; 0 removes all")
	})
	if err != nil {
		return err
	}
	gone, err := m.Prune(time.Duration(days) * 24 * time.Hour)
	for _, e := range gone {
		fmt.Println("removed", e.ID, e.Name, clip(strings.Join(e.Asked, " "), 80))
	}
	if err != nil {
		return err
	}
	copies, err := images(m).Prune(time.Duration(days) * 24 * time.Hour)
	for _, id := range copies {
		fmt.Printf("removed %.12s container image\n", id)
	}
	return err
}

// progress shows what is being done: a bar with the last line on a terminal, all lines elsewhere.
type progress struct {
	terminal bool
	began    time.Time
	done     float64 // of 1
	loading  int     // large packages that are being fetched or built
}

func newProgress() *progress {
	return &progress{terminal: term.IsTerminal(int(os.Stderr.Fd())), began: time.Now()}
}

// phases are how far a world is when uv says a word.
var phases = []struct {
	word string
	done float64
}{{"Creating virtual", 0.02}, {"Resolved ", 0.2}, {"Prepared ", 0.8}, {"Installed ", 0.9}, {"Bytecode compiled", 1}}

func (p *progress) line(text string) {
	if !p.terminal {
		fmt.Fprintln(os.Stderr, text)
		return
	}
	word := strings.TrimSpace(text)
	for _, phase := range phases {
		if strings.HasPrefix(word, phase.word) {
			p.done = max(p.done, phase.done)
		}
	}
	switch {
	case strings.HasPrefix(word, "Downloading "), strings.HasPrefix(word, "Building "):
		p.loading++
	case strings.HasPrefix(word, "Downloaded "), strings.HasPrefix(word, "Built "):
		if p.loading > 0 && p.done < 0.8 { // a part of what is between resolved and prepared
			p.done += (0.8 - p.done) / float64(p.loading+1)
			p.loading--
		}
	}
	const width = 24
	full := int(p.done*width + 0.5)
	fmt.Fprintf(os.Stderr, "\r\x1b[K%4.0f s [%s%s] %s", time.Since(p.began).Seconds(), strings.Repeat("#", full), strings.Repeat("-", width-full), clip(word, 80))
}

func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
}
