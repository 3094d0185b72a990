package builtin

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/xgboost"
)

// loadLibsvm reads lines of "label[:weight] index:value …". Indices are columns counted from 0, and what is not there is missing.
func (c *channel) loadLibsvm(p xgboost.Params, threads int, ref *xgboost.Matrix) (*xgboost.Matrix, error) {
	t := &libsvm{x: xgboost.Sparse{Starts: []uint64{0}}}
	for _, path := range c.files {
		if err := t.readFile(path); err != nil {
			return nil, err
		}
	}
	if len(t.info.Labels) == 0 {
		return nil, errNoRow
	}
	if len(t.x.Values) == 0 {
		return nil, errors.New("no row has a feature")
	}
	if err := (blocks{{labels: t.info.Labels}}).checkLabels(p); err != nil {
		return nil, err
	}
	t.x.Cols = int(t.highest) + 1
	if ref != nil {
		t.x.Cols = max(t.x.Cols, ref.Cols()) // Rows that lack the last features say nothing of them.
	}
	return xgboost.NewSparseDMatrix(t.x, t.info, threads)
}

type libsvm struct {
	x       xgboost.Sparse
	info    xgboost.Info
	highest uint32
}

func (t *libsvm) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		if err := t.readLine(fields); err != nil {
			return fmt.Errorf("%s line %d: %w", filepath.Base(path), n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}

func (t *libsvm) readLine(fields []string) error {
	label, weight, weighted := strings.Cut(fields[0], ":")
	y, err := libsvmNumber(label)
	if err != nil {
		hint := ""
		if strings.Contains(fields[0], ",") {
			hint = fmt.Sprintf("; set the channel's ContentType to %s if this is CSV", csvType)
		}
		return fmt.Errorf("label %q is not a number%s", shorten(label), hint)
	}
	t.info.Labels = append(t.info.Labels, y)
	if weighted {
		w, err := libsvmNumber(weight)
		if err != nil || w < 0 {
			return fmt.Errorf("weight %q is not a number of at least 0", shorten(weight))
		}
		t.info.Weights = append(t.info.Weights, w)
	}
	if len(t.info.Weights) != 0 && len(t.info.Weights) != len(t.info.Labels) {
		return errors.New("some rows have a weight and some have none")
	}
	for _, field := range fields[1:] {
		key, text, ok := strings.Cut(field, ":")
		index, indexErr := strconv.ParseUint(key, 10, 31)
		v, valueErr := libsvmNumber(text)
		if !ok || indexErr != nil || valueErr != nil {
			return fmt.Errorf("%q is not index:value", shorten(field))
		}
		t.highest = max(t.highest, uint32(index))
		t.x.Columns, t.x.Values = append(t.x.Columns, uint32(index)), append(t.x.Values, v)
	}
	t.x.Starts = append(t.x.Starts, uint64(len(t.x.Values)))
	return nil
}

func libsvmNumber(text string) (float32, error) {
	v, next, ok := nextNumber([]byte(text), 0)
	if !ok || next != len(text) || v != v {
		return 0, errors.New("not a number")
	}
	return v, nil
}

func shorten(text string) string { return fieldText([]byte(text), 0) }
