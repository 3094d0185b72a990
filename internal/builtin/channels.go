package builtin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/xgboost"
)

// Content types of a channel.
const (
	csvType     = "text/csv"
	libsvmType  = "text/libsvm"
	xLibsvmType = "text/x-libsvm"
)

// channel is one of the job's inputs.
type channel struct {
	name        string
	contentType string
	files       []string
	drained     string // what came through a pipe, which is removed when it has been read
}

// readChannel finds the files of /opt/ml/input/data/NAME and checks that it can be read. It returns nil where the job has no such
// channel.
func (p *process) readChannel(name string) (*channel, error) {
	var config map[string]struct {
		ContentType       string
		TrainingInputMode string
	}
	path := p.path("input", "config", "inputdataconfig.json")
	data, err := os.ReadFile(path)
	if err == nil {
		if err := json.Unmarshal(data, &config); err != nil {
			return nil, fmt.Errorf("%s is not an object of channels: %w", path, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	folder := p.path("input", "data", name)
	declared, ok := config[name]
	if declared.TrainingInputMode == "Pipe" {
		return p.drain(name, declared.ContentType)
	}
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		if ok {
			return nil, fmt.Errorf("channel %q has no data: its folder is not there", name)
		}
		return nil, nil
	}
	c := &channel{name: name}
	if c.contentType, err = contentType(declared.ContentType); err != nil {
		return nil, fmt.Errorf("channel %q: %w", name, err)
	}
	if c.files, err = dataFiles(folder); err != nil {
		return nil, err
	}
	if len(c.files) == 0 {
		return nil, fmt.Errorf("channel %q has no data: there is no file in it", name)
	}
	return c, nil
}

// drain reads the pipe of a channel's first epoch; the rounds of a training read its rows again and again.
func (p *process) drain(name, declared string) (_ *channel, err error) {
	c := &channel{name: name}
	if c.contentType, err = contentType(declared); err != nil {
		return nil, fmt.Errorf("channel %q: %w", name, err)
	}
	if c.contentType != csvType && c.contentType != protobufType {
		return nil, fmt.Errorf("channel %q: TrainingInputMode Pipe is served for %s and %s, not for %s; use File or FastFile", name, csvType, protobufType, c.contentType)
	}
	pipe, err := os.Open(p.path("input", "data", name+"_0"))
	if err != nil {
		return nil, fmt.Errorf("channel %q: %w", name, err)
	}
	defer pipe.Close()
	f, err := os.CreateTemp("", name+"-")
	if err != nil {
		return nil, err
	}
	c.drained, c.files = f.Name(), []string{f.Name()}
	size, err := io.Copy(f, pipe)
	if err = errors.Join(err, f.Close()); err == nil && size == 0 {
		err = fmt.Errorf("channel %q has no data: nothing came through its pipe", name)
	}
	if err != nil {
		os.Remove(c.drained)
		return nil, err
	}
	return c, nil
}

// contentType reads a ContentType and ignores its parameters, such as "; label_size=1". Without one it is SageMaker's default.
func contentType(text string) (string, error) {
	if strings.TrimSpace(text) == "" {
		return libsvmType, nil
	}
	name, _, err := mime.ParseMediaType(text)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return "", fmt.Errorf("ContentType %q cannot be read: %w", text, err)
	}
	switch name {
	case csvType, "csv":
		return csvType, nil
	case libsvmType, xLibsvmType, "libsvm":
		return libsvmType, nil
	case protobufType, "recordio-protobuf":
		return protobufType, nil
	case parquetType, "parquet":
		return parquetType, nil
	}
	return "", fmt.Errorf("ContentType %q is not served by the built-in XGBoost; give %s (label first, no header), %s, %s (label first) or %s", text, csvType, libsvmType, parquetType, protobufType)
}

// dataFiles lists what a channel holds, sub-folders included, in the order of their paths; names that begin with a dot or an
// underscore are markers, not data.
func dataFiles(folder string) ([]string, error) {
	var files []string
	root, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != root && strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") && path != root {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := os.Stat(path) // Follows links: an input may be linked into place.
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() && info.Size() > 0 {
			files = append(files, path)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

// load reads the channel into a matrix. ref is the training matrix when this is the validation data.
func (c *channel) load(s settings, threads int, ref *xgboost.Matrix) (*xgboost.Matrix, error) {
	var m *xgboost.Matrix
	var err error
	if c.drained != "" {
		defer os.Remove(c.drained)
	}
	switch c.contentType {
	case csvType:
		m, err = c.loadCSV(s, threads, ref)
	case protobufType:
		m, err = c.loadProtobuf(s, threads, ref)
	case parquetType:
		m, err = c.loadParquet(s, threads, ref)
	default:
		m, err = c.loadLibsvm(s.params, threads, ref)
	}
	if err != nil {
		return nil, fmt.Errorf("channel %q: %w", c.name, err)
	}
	return m, nil
}

// needsPlain says whether the parameters want a matrix of the numbers themselves and not of bins.
func needsPlain(p xgboost.Params) bool {
	return p.TreeMethod != nil && *p.TreeMethod != "auto" && *p.TreeMethod != "hist" ||
		p.Booster != nil && *p.Booster == "gblinear" || p.Updater != nil || p.ProcessType != nil
}
