// Package internal_test holds the architecture: it reads every import of the tree and checks it against the layers of ARCHITECTURE.md.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/mobula-ml/mobula/"

// layers lists the rooms from the bottom up. A room may import rooms of the layers below its own, and its own sub-folders.
// A name ending in "/..." stands for one room for each folder below it.
var layers = [][]string{
	{"internal/awsapi", "internal/capacity", "internal/filelock", "internal/records", "internal/s3client", "internal/tarball", "internal/world"},
	{"ray", "dataset", "xgboost", "tune"},
	{"internal/store", "internal/object", "internal/runner", "internal/builtin", "internal/pyenv", "internal/pysupport", "internal/scriptmode", "pipeline"},
	{"internal/container", "internal/identity", "internal/pyhost"},
	{"internal/durable"},
	{"internal/platform/..."},
	{"internal/wire", "internal/gateway"},
	{"internal/server"},
	{"mobulatest", "examples/..."},
	{"cmd/..."},
}

// testOnly rooms set up tests of a layer and may know what that layer knows.
var testOnly = []string{"internal/platform/platformtest"}

func TestImportsGoDownOnly(t *testing.T) {
	checked := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", ".cache", "bin", "bench", "testdata", "sdktest"}, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil // a test may look at its peers from outside
		}
		folder := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(filepath.ToSlash(path), "../")))
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			target, _ := strconv.Unquote(spec.Path.Value)
			if !strings.HasPrefix(target, module) {
				continue
			}
			checked++
			if why := forbidden(folder, strings.TrimPrefix(target, module)); why != "" {
				t.Errorf("%s imports %s: %s", path, target, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked == 0 {
		t.Fatal("no import of the module's own was found: the walk looks in the wrong place")
	}
}

// forbidden says why folder may not import target, or "" where it may.
func forbidden(folder, target string) string {
	if slices.Contains(testOnly, folder) {
		return ""
	}
	from, fromLayer := roomOf(folder)
	to, toLayer := roomOf(target)
	switch {
	case fromLayer < 0:
		return "the importing folder is in no layer of internal/layers_test.go"
	case toLayer < 0:
		return "the imported folder is in no layer of internal/layers_test.go"
	case from == to:
		return ""
	case toLayer == fromLayer:
		return "rooms of one layer do not know one another"
	case toLayer > fromLayer:
		return "an import goes down only"
	}
	return ""
}

// roomOf returns the room that a folder belongs to and the number of its layer, or -1.
func roomOf(folder string) (room string, layer int) {
	for n, rooms := range layers {
		for _, r := range rooms {
			parent, each := strings.CutSuffix(r, "/...")
			switch {
			case !each && (folder == r || strings.HasPrefix(folder, r+"/")):
				return r, n
			case each && strings.HasPrefix(folder, parent+"/"):
				first, _, _ := strings.Cut(strings.TrimPrefix(folder, parent+"/"), "/")
				return parent + "/" + first, n
			}
		}
	}
	return "", -1
}

func TestForbiddenKnowsUpFromDown(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"internal/platform/jobs", "internal/store", true},
		{"internal/platform/jobs", "internal/platform/tuning", false},
		{"internal/platform/pipelines", "internal/platform/pipelines/definition", true},
		{"internal/store", "internal/platform/jobs", false},
		{"ray", "dataset", false},
		{"dataset", "internal/s3client", true},
		{"internal/nowhere", "internal/store", false},
	} {
		if why := forbidden(c.from, c.to); (why == "") != c.ok {
			t.Errorf("%s → %s: %q, want allowed %v", c.from, c.to, why, c.ok)
		}
	}
}
