package pyenv

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/tarball"
)

// A Request is what `pip install` or `pip uninstall` was asked for, with the contents of the files that it named.
type Request struct {
	Uninstall    bool     `json:"uninstall,omitempty"`
	Packages     []string `json:"packages,omitempty"`
	Requirements []string `json:"requirements,omitempty"` // contents of requirements files
	Constraints  []string `json:"constraints,omitempty"`  // contents of constraints files
	Options      []string `json:"options,omitempty"`      // of those in passed, as uv knows them
	Files        []File   `json:"files,omitempty"`        // packages that lie in the host: archives, or folders as tar
	Links        []File   `json:"links,omitempty"`        // archives that lie in a folder of the host's where packages are to be looked for
	Alone        bool     `json:"alone,omitempty"`        // the new world has nothing of its parent's but the Python and the date
	// Target is the folder of the host into which the new world's packages are to be copied, or "". The world is then one alone.
	Target string `json:"-"`
}

// A File is a package that lies in the host.
type File struct {
	Name    string `json:"name"` // its base name, which tells the kind of archive
	Folder  bool   `json:"folder,omitempty"`
	Extras  string `json:"extras,omitempty"` // such as [all]
	Content []byte `json:"content"`          // of the archive, or of a tar of the folder
	// Editable is where the folder lies in the host, absolute, if it is to be imported from there.
	Editable string `json:"editable,omitempty"`
}

func (r Request) verb() string {
	if r.Uninstall {
		return "uninstall"
	}
	return "install"
}

// check refuses what would lead uv elsewhere than to the packages that are named.
func (r Request) check() error {
	if len(r.Packages)+len(r.Requirements)+len(r.Files) == 0 {
		return fmt.Errorf("nothing is named that should be %sed", r.verb())
	}
	for _, p := range r.Packages {
		if strings.HasPrefix(p, "-") {
			return fmt.Errorf("'%s' is no package", p)
		}
	}
	for _, o := range r.Options {
		name, value, _ := strings.Cut(o, "=")
		if !slices.Contains(passed, name) || name == "--find-links" && !remote(value) {
			return fmt.Errorf("option '%s' is not known", o)
		}
	}
	for _, f := range r.Files {
		// A line of a .pth file that begins otherwise may be run.
		if f.Editable != "" && (!f.Folder || !filepath.IsAbs(f.Editable) || strings.ContainsAny(f.Editable, "\r\n\x00")) {
			return fmt.Errorf("'%s' is no folder that can be imported from", f.Editable)
		}
	}
	return r.checkPlaces()
}

// inFiles are the options that a line of a requirements file may be; those that name further files were read in the host.
var inFiles = []string{"--index-url", "-i", "--extra-index-url", "--find-links", "-f", "--no-index", "--pre", "--no-binary", "--only-binary", "--require-hashes", "--trusted-host", "--prefer-binary", "--hash"}

// checkPlaces refuses what would be read from the server's own disk, which is not the host's.
func (r Request) checkPlaces() error {
	lines := slices.Clone(r.Packages)
	for _, text := range append(slices.Clone(r.Requirements), r.Constraints...) {
		lines = append(lines, strings.Split(text, "\n")...)
	}
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if option, value, _ := strings.Cut(strings.Replace(line, "=", " ", 1), " "); strings.HasPrefix(option, "-") {
			links := option == "--find-links" || option == "-f"
			if !slices.Contains(inFiles, option) || links && !remote(strings.TrimSpace(value)) {
				return fmt.Errorf("'%s' is not served in a requirements file here", line)
			}
			continue
		}
		place := line
		if at := strings.Index(line, "@"); at >= 0 {
			place = strings.TrimSpace(line[at+1:])
		}
		if strings.HasPrefix(place, "file:") || strings.HasPrefix(place, "/") || strings.HasPrefix(place, ".") || strings.HasPrefix(place, "~") {
			return fmt.Errorf("'%s' names a file that is not in the host", line)
		}
	}
	return nil
}

func remote(place string) bool {
	return strings.HasPrefix(place, "https://") || strings.HasPrefix(place, "http://")
}

func (r Request) describe() []string {
	asked := slices.Clone(r.Packages)
	for _, text := range r.Requirements {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				asked = append(asked, line)
			}
		}
	}
	for _, f := range r.Files {
		asked = append(asked, f.Name)
	}
	if r.Uninstall {
		asked = append([]string{"without"}, asked...)
	}
	return asked
}

var distribution = regexp.MustCompile(`^\s*([A-Za-z0-9][A-Za-z0-9._-]*)`)

// options are those for uv. An upgrade is of the packages that are named and of no others, as pip does it; uv by itself upgrades all.
func (r Request) options() (args []string) {
	for _, o := range r.Options {
		if o != "--upgrade" {
			args = append(args, o)
			continue
		}
		for _, text := range append(slices.Clone(r.Packages), strings.Split(strings.Join(r.Requirements, "\n"), "\n")...) {
			if name := distribution.FindStringSubmatch(text); name != nil {
				args = append(args, "--upgrade-package="+name[1])
			}
		}
	}
	return args
}

// uvArguments writes the files that uv shall read into dir and returns its arguments.
func (r Request) uvArguments(dir string) ([]string, error) {
	args := r.options()
	for kind, texts := range map[string][]string{"--requirement": r.Requirements, "--constraint": r.Constraints} {
		for i, text := range texts {
			path := filepath.Join(dir, fmt.Sprintf("%s-%d.txt", strings.TrimLeft(kind, "-"), i))
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				return nil, err
			}
			args = append(args, kind, path)
		}
	}
	for i, f := range r.Files {
		path, err := f.unpack(placeOf(dir, i))
		if err != nil {
			return nil, err
		}
		args = append(args, path+f.Extras)
	}
	if len(r.Links) > 0 {
		links := filepath.Join(dir, "links")
		for _, f := range r.Links {
			if _, err := f.unpack(links); err != nil {
				return nil, err
			}
		}
		args = append(args, "--find-links", links)
	}
	return append(append(args, "--"), r.Packages...), nil
}

// placeOf is where the i-th file is unpacked.
func placeOf(dir string, i int) string { return filepath.Join(dir, fmt.Sprintf("file-%d", i)) }

// unpack writes the file into dir and returns what uv is to install.
func (f File) unpack(dir string) (string, error) {
	path := filepath.Join(dir, filepath.Base(f.Name))
	if f.Folder {
		return path, tarball.Unpack(path, bytes.NewReader(f.Content))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, f.Content, 0o600)
}
