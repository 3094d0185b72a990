package pyenv

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

//go:embed runtimes.toml
var shipped string

// A Runtime says what a world shall be.
type Runtime struct {
	Name     string   `toml:"name"`
	Image    string   `toml:"image,omitempty"`    // regular expression on an image's repository:tag
	Python   string   `toml:"python,omitempty"`   // version, such as 3.9
	AsOf     string   `toml:"as_of,omitempty"`    // day whose packages are taken, YYYY-MM-DD. Defaults to the present day.
	Packages []string `toml:"packages,omitempty"` // requirements as pip knows them

	// Container is an image of docker or podman that is run instead of a world. Nothing but the name and the image is then set.
	Container string `toml:"container,omitempty"`
}

// A Table maps images to runtimes.
type Table struct {
	rows     []Runtime
	patterns []*regexp.Regexp
}

// ReadTable reads the table of a user's file, if there is one, and the shipped one behind it.
func ReadTable(path string) (*Table, error) {
	t := &Table{}
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err := t.add(path, string(b)); err != nil {
			return nil, err
		}
	}
	return t, t.add("the shipped runtimes.toml", shipped)
}

var (
	pythonVersion = regexp.MustCompile(`^(3\.\d+|3\.\$\d|\$\d)$`)
	runtimeName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._$-]*$`)
)

func (t *Table) add(source, text string) error {
	var file struct {
		Runtime []Runtime `toml:"runtime"`
	}
	meta, err := toml.Decode(text, &file)
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return fmt.Errorf("%s: %s is not a field of a runtime; they are name, image, python, as_of, packages and container", source, unknown[0])
	}
	for i, r := range file.Runtime {
		where := fmt.Sprintf("%s: runtime %d (%s)", source, i+1, r.Name)
		if !runtimeName.MatchString(r.Name) {
			return fmt.Errorf("%s: name '%s' must be letters, digits, dots, hyphens and underscores", where, r.Name)
		}
		pattern, err := regexp.Compile(`^(?:` + r.Image + `)$`)
		if err != nil || r.Image == "" {
			return fmt.Errorf("%s: image '%s' must be a regular expression", where, r.Image)
		}
		if r.Container != "" && (r.Python != "" || r.AsOf != "" || len(r.Packages) > 0) {
			return fmt.Errorf("%s: container '%s' must stand alone, without python, as_of and packages", where, r.Container)
		}
		if r.Container == "" && !pythonVersion.MatchString(r.Python) {
			return fmt.Errorf("%s: python '%s' must be a version like 3.9", where, r.Python)
		}
		if err := checkDay(r.AsOf); err != nil {
			return fmt.Errorf("%s: as_of %w", where, err)
		}
		t.rows, t.patterns = append(t.rows, r), append(t.patterns, pattern)
	}
	return nil
}

func checkDay(day string) error {
	if _, err := time.Parse(time.DateOnly, day); err != nil && day != "" {
		return fmt.Errorf("'%s' must be a day like 2023-12-15", day)
	}
	return nil
}

// Find returns the runtime of an image.
func (t *Table) Find(image string) (Runtime, bool) {
	last := image[strings.LastIndexByte(image, '/')+1:]
	for i, p := range t.patterns {
		match := p.FindStringSubmatchIndex(last)
		if match == nil {
			continue
		}
		expand := func(template string) string { return string(p.ExpandString(nil, template, last, match)) }
		r := t.rows[i]
		r.Name, r.Python, r.Container, r.Image, r.Packages = expand(r.Name), expand(r.Python), expand(r.Container), last, slices.Clone(r.Packages)
		for k := range r.Packages {
			r.Packages[k] = expand(r.Packages[k])
		}
		return r, true
	}
	return Runtime{}, false
}

// Rows are the runtimes as the files have them, the user's first.
func (t *Table) Rows() []Runtime { return slices.Clone(t.rows) }
