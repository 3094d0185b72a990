package pysupport

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed all:python
var tree embed.FS

// ServerModule is what `python -m` starts to serve a model; its argument is the image family.
const ServerModule = "mobula_serving"

// XGBoostModule is what `python -m` starts to train as the XGBoost image does without a script; its argument is the image's tag.
const XGBoostModule = "mobula_training.xgboost_algorithm"

// Install writes the tree into a folder of its own below root, unless it is there, and returns that folder, which is for PYTHONPATH.
// Its name follows from the contents, so several versions of the program may share a root. It may be called at the same time by several.
func Install(root string) (string, error) {
	hash := sha256.New()
	files := map[string][]byte{}
	err := fs.WalkDir(tree, "python", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".py" {
			return err
		}
		b, err := tree.ReadFile(path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(b), b)
		files[path] = b
		return err
	})
	if err != nil {
		return "", err
	}
	folder := filepath.Join(root, hex.EncodeToString(hash.Sum(nil))[:16])
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	beside, err := os.MkdirTemp(root, ".new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(beside)
	for path, b := range files {
		to := filepath.Join(beside, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, b, 0o644)); err != nil {
			return "", err
		}
	}
	err = os.Rename(filepath.Join(beside, "python"), folder)
	if _, statErr := os.Stat(folder); statErr == nil { // written now, or by another at the same time
		return folder, nil
	}
	return "", err
}
