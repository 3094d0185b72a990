package pyenv

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/tarball"
)

// Options of pip install and uninstall. Those that are passed mean the same to uv, those that are ignored mean nothing to a world that is made
// for the caller alone, and those with a value take the next argument where they do not have it after an equals sign.
var (
	passed = []string{"--upgrade", "--upgrade-package", "--no-deps", "--pre", "--prerelease", "--reinstall", "--no-build-isolation", "--require-hashes", "--no-binary", "--only-binary",
		"--index-url", "--extra-index-url", "--find-links", "--no-index", "--index-strategy"}
	ignored = []string{"--user", "--no-cache-dir", "--no-cache", "--no-warn-script-location", "--no-warn-conflicts", "--ignore-installed", "--root-user-action",
		"--quiet", "--verbose", "--yes", "--disable-pip-version-check", "--progress-bar", "--compile", "--no-compile", "--break-system-packages", "--no-input", "--no-color",
		"--exists-action", "--trusted-host", "--timeout", "--default-timeout", "--retries", "--cache-dir", "--use-pep517", "--no-use-pep517", "--prefer-binary", "--use-feature",
		"--use-deprecated", "--upgrade-strategy", "--python-version", "--no-python-version-warning", "--proxy", "--cert", "--client-cert", "--log", "--src", "--progress", "--isolated",
		"--require-virtualenv"}
	valued = []string{"--upgrade-package", "--prerelease", "--no-binary", "--only-binary", "--index-url", "--extra-index-url", "--find-links", "--index-strategy",
		"--root-user-action", "--progress-bar", "--exists-action", "--trusted-host", "--timeout", "--default-timeout", "--retries", "--cache-dir", "--use-feature", "--use-deprecated",
		"--upgrade-strategy", "--python-version", "--proxy", "--cert", "--client-cert", "--log", "--src", "--requirement", "--constraint", "--editable", "--target"}
	short = map[string]string{"-U": "--upgrade", "-q": "--quiet", "-qq": "--quiet", "-qqq": "--quiet", "-v": "--verbose", "-vv": "--verbose", "-vvv": "--verbose", "-I": "--reinstall", "-y": "--yes",
		"-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-t": "--target", "-i": "--index-url", "-f": "--find-links", "--force-reinstall": "--reinstall", "--pypi-url": "--index-url"}
)

// maxPackage is the largest package of the host's that is sent along, in bytes.
const maxPackage = 256 << 20

// ReadArguments reads the arguments of `pip install` or `pip uninstall`, and the files that they name.
func ReadArguments(verb string, args []string) (r Request, quiet bool, err error) {
	r.Uninstall = verb == "uninstall"
	for i := 0; i < len(args); i++ {
		name, value, hasValue := strings.Cut(args[i], "=")
		if !strings.HasPrefix(name, "-") {
			if err := r.addPackage(args[i]); err != nil {
				return r, quiet, err
			}
			continue
		}
		if len(name) > 2 && name[1] != '-' && short[name] == "" && short[name[:2]] != "" { // -rfile
			name, value, hasValue = name[:2], args[i][2:], true
		}
		if long := short[name]; long != "" {
			name = long
		}
		if slices.Contains(valued, name) && !hasValue {
			if i++; i == len(args) {
				return r, quiet, fmt.Errorf("option %s needs a value", name)
			}
			value, hasValue = args[i], true
		}
		quiet = quiet || name == "--quiet"
		switch {
		case name == "--requirement":
			err = r.addRequirements(value, nil)
		case name == "--constraint":
			var b []byte
			b, err = os.ReadFile(value)
			r.Constraints = append(r.Constraints, string(b))
		case name == "--editable":
			err = r.addEditable(value)
		case name == "--target":
			r.Target, err = filepath.Abs(value)
			r.Alone = true
		case name == "--find-links" && !remote(value):
			err = r.addLinks(value)
		case slices.Contains(passed, name):
			if hasValue {
				name += "=" + value
			}
			r.Options = append(r.Options, name)
		case !slices.Contains(ignored, name):
			err = fmt.Errorf("option %s is not served here", name)
		}
		if err != nil {
			return r, quiet, err
		}
	}
	return r, quiet, r.check()
}

// addPackage takes a requirement, or reads a package that lies here.
func (r *Request) addPackage(text string) error {
	path, extras := text, ""
	if at := strings.IndexByte(text, '['); at > 0 && strings.HasSuffix(text, "]") {
		path, extras = text[:at], text[at:]
	}
	path = strings.TrimPrefix(path, "file://")
	info, err := os.Stat(path)
	local := strings.ContainsRune(path, filepath.Separator) || strings.HasPrefix(path, ".") || strings.HasSuffix(path, ".whl") || strings.HasSuffix(path, ".tar.gz")
	if err != nil || !local {
		r.Packages = append(r.Packages, text)
		return nil
	}
	file := File{Name: info.Name(), Folder: info.IsDir(), Extras: extras}
	if file.Folder {
		var b bytes.Buffer
		if err := tarball.Pack(&b, path); err != nil {
			return err
		}
		if absolute, err := filepath.Abs(path); err == nil {
			file.Name = filepath.Base(absolute)
		}
		file.Content = b.Bytes()
	} else if file.Content, err = os.ReadFile(path); err != nil {
		return err
	}
	if len(file.Content) > maxPackage {
		return fmt.Errorf("%s is larger than %d bytes", text, maxPackage)
	}
	r.Files = append(r.Files, file)
	return nil
}

// addEditable reads a package that lies in a folder here and is to be imported from there. What lies elsewhere is installed as it is.
func (r *Request) addEditable(text string) error {
	path := text
	if at := strings.IndexByte(text, '['); at > 0 && strings.HasSuffix(text, "]") {
		path = text[:at]
	}
	path = strings.TrimPrefix(path, "file://")
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		if strings.Contains(text, "://") {
			return r.addPackage(text)
		}
		return fmt.Errorf("'%s' is no folder with a package", text)
	}
	source, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := r.addPackage(source + strings.TrimPrefix(strings.TrimPrefix(text, "file://"), path)); err != nil {
		return err
	}
	r.Files[len(r.Files)-1].Editable = source
	return nil
}

// archives are the endings of packages.
var archives = []string{".whl", ".tar.gz", ".zip", ".tar.bz2"}

// addLinks reads the packages of a folder here.
func (r *Request) addLinks(path string) error {
	path = strings.TrimPrefix(path, "file://")
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	size := 0
	for _, e := range entries {
		if !slices.ContainsFunc(archives, func(ending string) bool { return strings.HasSuffix(e.Name(), ending) }) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(path, e.Name()))
		if err != nil {
			return err
		}
		if size += len(b); size > maxPackage {
			return fmt.Errorf("the packages in %s have more than %d bytes", path, maxPackage)
		}
		r.Links = append(r.Links, File{Name: e.Name(), Content: b})
	}
	return nil
}

// addRequirements reads a requirements file, and those that it names.
func (r *Request) addRequirements(path string, within []string) error {
	if slices.Contains(within, path) {
		return fmt.Errorf("%s names itself", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		option := ""
		if len(fields) > 0 {
			option = fields[0]
		}
		beside := func() string {
			if filepath.IsAbs(fields[1]) || strings.Contains(fields[1], "://") {
				return fields[1]
			}
			return filepath.Join(filepath.Dir(path), fields[1])
		}
		switch {
		case len(fields) == 2 && (option == "-r" || option == "--requirement"):
			err = r.addRequirements(beside(), append(within, path))
		case len(fields) == 2 && (option == "-c" || option == "--constraint"):
			var text []byte
			text, err = os.ReadFile(beside())
			r.Constraints = append(r.Constraints, string(text))
		case len(fields) == 2 && (option == "-e" || option == "--editable"):
			err = r.addEditable(beside())
		case len(fields) == 2 && (option == "-f" || option == "--find-links") && !remote(fields[1]):
			err = r.addLinks(beside())
		case strings.HasPrefix(option, "./") || strings.HasPrefix(option, "../"):
			err = r.addPackage(filepath.Join(filepath.Dir(path), option))
		default:
			lines = append(lines, line)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	r.Requirements = append(r.Requirements, strings.Join(lines, ""))
	return nil
}
