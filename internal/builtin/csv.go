package builtin

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"github.com/mobula-ml/mobula/xgboost"
	"golang.org/x/sync/errgroup"
)

// A file is read in pieces of about this size, each by one goroutine into one batch.
const pieceBytes = 4 << 20

// piece is the lines of a file that begin in [from, to).
type piece struct {
	file     string
	from, to int64
}

// block is a piece as numbers.
type block struct {
	features []float32
	labels   []float32
	weights  []float32
}

// loadCSV reads label, optional weight, and features from every file, in parallel, and makes the matrix of them.
func (c *channel) loadCSV(s settings, threads int, ref *xgboost.Matrix) (*xgboost.Matrix, error) {
	shape := shape{leading: 1}
	if s.csvWeights {
		shape.leading = 2
	}
	first, place, err := firstLine(c.files)
	if err != nil {
		return nil, err
	}
	shape.columns = bytes.Count(first, []byte(",")) + 1
	if shape.columns <= shape.leading {
		return nil, fmt.Errorf("%s: %d columns; a row needs %s, divided by commas", place, shape.columns, shape.needs())
	}
	if ref != nil && shape.features() != ref.Cols() {
		return nil, wrongWidth(shape.features(), ref)
	}
	blocks, err := readBlocks(c.files, shape, threads)
	if err != nil {
		return nil, err
	}
	if err := blocks.checkLabels(s.params); err != nil {
		return nil, err
	}
	return blocks.matrix(shape, s, threads, ref)
}

func wrongWidth(features int, ref *xgboost.Matrix) error {
	return fmt.Errorf("%d features where the training data has %d", features, ref.Cols())
}

// shape is what every line of a table must have.
type shape struct {
	leading int // columns before the features: the label, perhaps the weight
	columns int
}

func (s shape) features() int { return s.columns - s.leading }

func (s shape) needs() string {
	if s.leading == 2 {
		return "a label, a weight (csv_weights is 1) and at least one feature"
	}
	return "a label and at least one feature"
}

// firstLine returns the first line that is not blank, whose columns all others must have, and where it is.
func firstLine(files []string) (line []byte, place string, err error) {
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return nil, "", err
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(make([]byte, 64<<10), maxLine)
		for n := 1; lines.Scan(); n++ {
			if len(bytes.TrimSpace(lines.Bytes())) > 0 {
				return lines.Bytes(), fmt.Sprintf("%s line %d", filepath.Base(path), n), nil
			}
		}
		if err := lines.Err(); err != nil {
			return nil, "", fmt.Errorf("%s line 1: %w", filepath.Base(path), err)
		}
	}
	return nil, "", errNoRow
}

var errNoRow = errors.New("there is no row in its files")

const maxLine = 16 << 20

type blocks []block

func readBlocks(files []string, shape shape, threads int) (blocks, error) {
	pieces, err := cut(files)
	if err != nil {
		return nil, err
	}
	result := make(blocks, len(pieces))
	workers := max(min(threads, runtime.GOMAXPROCS(0)), 1)
	buffers := make(chan []byte, workers) // Text is garbage the moment it is parsed, and there is a lot of it.
	for range workers {
		buffers <- nil
	}
	var group errgroup.Group
	group.SetLimit(workers)
	for i, piece := range pieces {
		group.Go(func() error {
			buf := <-buffers
			text, err := piece.read(buf)
			if err == nil {
				result[i], err = parseBlock(text, shape)
			}
			buffers <- text[:0]
			var bad *badLine
			if errors.As(err, &bad) {
				return piece.locate(bad)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return result, nil
}

func cut(files []string) ([]piece, error) {
	var pieces []piece
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		for from := int64(0); from < info.Size(); from += pieceBytes {
			pieces = append(pieces, piece{file, from, min(from+pieceBytes, info.Size())})
		}
	}
	return pieces, nil
}

// read returns the lines that begin in the piece, in buf where it is large enough. The byte before the piece tells whether a line
// begins at its very start.
func (p piece) read(buf []byte) ([]byte, error) {
	f, err := os.Open(p.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	start := max(p.from-1, 0)
	text := buf
	if int64(cap(text)) < p.to-start {
		text = make([]byte, 0, p.to-start+4096)
	}
	text = text[:p.to-start]
	if _, err := f.ReadAt(text, start); err != nil {
		return nil, err
	}
	for text[len(text)-1] != '\n' { // The last line ends in a later piece.
		if len(text) > pieceBytes+maxLine {
			return nil, fmt.Errorf("%s has a line longer than %d bytes", filepath.Base(p.file), maxLine)
		}
		more := make([]byte, 4096)
		n, err := f.ReadAt(more, start+int64(len(text)))
		if end := bytes.IndexByte(more[:n], '\n'); end >= 0 {
			text = append(text, more[:end+1]...)
			break
		}
		text = append(text, more[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if p.from == 0 {
		return text, nil
	}
	end := bytes.IndexByte(text, '\n')
	if end < 0 || int64(end) >= p.to-start {
		return nil, nil // One line covers the whole piece and belongs to an earlier one.
	}
	return text[end+1:], nil
}

// badLine is a mistake in a line, counted from 0 within its piece.
type badLine struct {
	line   int
	reason error
}

func (e *badLine) Error() string { return e.reason.Error() }

// locate counts the lines before the piece, which is only worth its time for an error.
func (p piece) locate(bad *badLine) error {
	line := bad.line + 1
	if p.from > 0 {
		f, err := os.Open(p.file)
		if err != nil {
			return err
		}
		defer f.Close()
		buf := make([]byte, 1<<20)
		r := io.LimitReader(f, p.from-1)
		for {
			n, err := r.Read(buf)
			line += bytes.Count(buf[:n], []byte("\n"))
			if err != nil {
				break
			}
		}
		line++ // The line that the piece before left unfinished, or its last.
	}
	return fmt.Errorf("%s line %d: %w", filepath.Base(p.file), line, bad.reason)
}

// parseBlock reads every line of text. Blank lines are passed over.
func parseBlock(text []byte, s shape) (block, error) {
	rows := bytes.Count(text, []byte("\n")) + 1
	b := block{features: make([]float32, 0, rows*s.features()), labels: make([]float32, 0, rows)}
	if s.leading == 2 {
		b.weights = make([]float32, 0, rows)
	}
	at, line := 0, 0
	for at < len(text) {
		if end, blank := blankLine(text, at); blank {
			at = end
			line++
			continue
		}
		next, err := b.parseLine(text, at, s)
		if err != nil {
			return block{}, &badLine{line, err}
		}
		at = next
		line++
	}
	return b, nil
}

// parseLine reads one line and returns where the next begins.
func (b *block) parseLine(text []byte, at int, s shape) (next int, err error) {
	for column := 1; ; column++ {
		v, end, ok := nextNumber(text, at)
		if !ok {
			return 0, &notANumber{column, fieldText(text, at)}
		}
		switch {
		case column == 1:
			if v != v {
				return 0, errors.New("column 1: the label is missing")
			}
			b.labels = append(b.labels, v)
		case column == s.leading:
			if v != v || v < 0 {
				return 0, fmt.Errorf("column 2: the weight is %q; a number of at least 0 is needed", fieldText(text, at))
			}
			b.weights = append(b.weights, v)
		case column <= s.columns:
			b.features = append(b.features, v)
		}
		if end == len(text) || text[end] == '\n' {
			if column != s.columns {
				return 0, fmt.Errorf("%d columns where the first line has %d", column, s.columns)
			}
			return min(end+1, len(text)), nil
		}
		if at = end + 1; column == s.columns {
			rest := bytes.IndexByte(text[at:], '\n')
			if rest < 0 {
				rest = len(text) - at
			}
			return 0, fmt.Errorf("%d columns where the first line has %d", s.columns+1+bytes.Count(text[at:at+rest], []byte(",")), s.columns)
		}
	}
}

func blankLine(text []byte, at int) (next int, blank bool) {
	for i := at; ; i++ {
		if i == len(text) {
			return i, true
		}
		switch text[i] {
		case '\n':
			return i + 1, true
		case ' ', '\t', '\r':
		default:
			return 0, false
		}
	}
}

// plainCells is up to where a plain matrix is made, which is quicker; a larger table goes into a quantile matrix, batch by batch, in
// a fraction of the memory. The model is the same.
const plainCells = 32 << 20

// givenBackCells is from where on garbage is given back to the system at once, which takes milliseconds.
const givenBackCells = 1 << 20

// matrix gives the blocks to the library and lets go of them.
func (b blocks) matrix(s shape, set settings, threads int, ref *xgboost.Matrix) (*xgboost.Matrix, error) {
	var batches []xgboost.Batch
	rows := 0
	for i, one := range b {
		b[i] = block{}
		if len(one.labels) > 0 {
			batches = append(batches, xgboost.Batch{
				Dense: xgboost.Dense{Data: one.features, Rows: len(one.labels), Cols: s.features()},
				Info:  xgboost.Info{Labels: one.labels, Weights: one.weights},
			})
			rows += len(one.labels)
		}
	}
	if rows == 0 {
		return nil, errNoRow
	}
	if ref == nil && !needsPlain(set.params) && rows*s.features() > plainCells || ref != nil && ref.Quantile() {
		bins := 0
		if set.params.MaxBin != nil {
			bins = *set.params.MaxBin
		}
		return xgboost.NewQuantileDMatrix(xgboost.Batches(batches...), xgboost.QuantileOptions{MaxBin: bins, Ref: ref, Threads: threads})
	}
	all := batches[0]
	if len(batches) > 1 {
		all.Dense = xgboost.Dense{Data: make([]float32, 0, rows*s.features()), Rows: rows, Cols: s.features()}
		all.Labels, all.Weights = make([]float32, 0, rows), nil
		for i, one := range batches {
			all.Dense.Data = append(all.Dense.Data, one.Dense.Data...)
			all.Labels = append(all.Labels, one.Labels...)
			all.Weights = append(all.Weights, one.Weights...)
			batches[i] = xgboost.Batch{}
		}
	}
	if rows*s.features() > givenBackCells {
		debug.FreeOSMemory() // The library copies the table next, and the pieces of it are garbage.
	}
	return xgboost.NewDMatrix(all.Dense, all.Info, threads)
}
