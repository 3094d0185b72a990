package pyenv

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// makeEditable has a package that was installed from the copy of a folder at built be imported from where that folder lies in the host, so that
// changes there count at once. It is what pip does for a package whose modules lie in its folder, or in src below it; one that is laid out otherwise, or has
// compiled modules, stays as the copy that it is, which the answer tells.
func makeEditable(world, built, source string) (done bool, err error) {
	site, err := sitePackages(world)
	if err != nil {
		return false, err
	}
	info, err := installedFrom(site, built)
	if err != nil {
		return false, err
	}
	record, err := readRecord(filepath.Join(site, info, "RECORD"))
	if err != nil {
		return false, err
	}
	kept, tops := [][]string{}, map[string]bool{}
	for _, entry := range record {
		top, _, _ := strings.Cut(entry[0], "/")
		if top == info || top == ".." {
			kept = append(kept, entry)
		} else if top != "__pycache__" {
			tops[top] = true
		}
	}
	below, ok := rootOf(built, tops)
	if !ok {
		return false, nil
	}
	for top := range tops {
		if err := os.RemoveAll(filepath.Join(site, top)); err != nil {
			return false, err
		}
	}
	name := "__editable__." + strings.TrimSuffix(info, ".dist-info") + ".pth"
	if err := replace(filepath.Join(site, name), []byte(filepath.Join(source, below)+"\n"), 0o644); err != nil {
		return false, err
	}
	origin, err := json.Marshal(directURL{URL: "file://" + source, Folder: &folderInfo{Editable: true}})
	if err != nil {
		return false, err
	}
	if err := replace(filepath.Join(site, info, originFile), origin, 0o644); err != nil {
		return false, err
	}
	return true, writeRecord(filepath.Join(site, info, "RECORD"), append(kept, []string{name, "", ""}))
}

// originFile says in a distribution's folder where it came from (the standard is in Python's packaging specifications, "direct_url.json").
const originFile = "direct_url.json"

type directURL struct {
	URL    string      `json:"url"`
	Folder *folderInfo `json:"dir_info,omitempty"`
}

type folderInfo struct {
	Editable bool `json:"editable,omitempty"`
}

// installedFrom is the name of the dist-info folder of the package that was installed from the folder at path.
func installedFrom(site, path string) (string, error) {
	found, err := filepath.Glob(filepath.Join(site, "*.dist-info", originFile))
	if err != nil {
		return "", err
	}
	for _, file := range found {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		var origin directURL
		if err := json.Unmarshal(b, &origin); err == nil && strings.TrimSuffix(origin.URL, "/") == "file://"+path {
			return filepath.Base(filepath.Dir(file)), nil
		}
	}
	return "", fmt.Errorf("no package was installed from %s", filepath.Base(path))
}

// rootOf is the folder below root, "" or "src", that has all these modules and packages.
func rootOf(root string, tops map[string]bool) (below string, ok bool) {
	if len(tops) == 0 {
		return "", false
	}
next:
	for _, below := range []string{"", "src"} {
		for top := range tops {
			if _, err := os.Stat(filepath.Join(root, below, top)); errors.Is(err, fs.ErrNotExist) {
				continue next
			}
		}
		return below, true
	}
	return "", false
}

func readRecord(path string) ([][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return csv.NewReader(f).ReadAll()
}

func writeRecord(path string, record [][]string) error {
	var b strings.Builder
	if err := csv.NewWriter(&b).WriteAll(record); err != nil {
		return err
	}
	return replace(path, []byte(b.String()), 0o644)
}
