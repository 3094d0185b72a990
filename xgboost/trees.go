package xgboost

import (
	"fmt"
	"os"
)

// Trees predicts row by row in Go, without the library, and gives the library's predictions to the last bit (for dart, those of
// Booster.predict). It never changes, and its methods may be called at the same time.
type Trees struct {
	nodes     []node
	roots     []int32   // of each tree in nodes
	groups    []int32   // output of each tree
	weights   []float32 // of each tree, for dart only
	cats      []uint32  // bit sets of categories that go right
	base      []float32 // where each output's sum starts
	features  int
	names     []string
	objective string
	transform func([]float32) []float32
}

// node is a split, or a leaf where feature is negative.
type node struct {
	value   float32 // the threshold of a split, the weight of a leaf
	feature int32
	left    int32
	right   int32
	missing int32 // where a missing value goes: left or right
	// A categorical split has its bit set at cats[catsAt:catsAt+catsLen]; catsAt is -1 for a numerical one.
	catsAt  int32
	catsLen int32
}

// UnsupportedError says what of a valid model prediction in Go cannot do; the library can.
type UnsupportedError struct{ What string }

func (e *UnsupportedError) Error() string {
	return "prediction without libxgboost does not know " + e.What
}

// LoadTrees reads a model file of XGBoost's JSON or UBJSON format, whatever it is called. What it cannot predict is an
// *UnsupportedError; a damaged file is another error.
func LoadTrees(path string) (*Trees, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := ParseTrees(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Features returns the number of features of a row.
func (t *Trees) Features() int { return t.features }

// FeatureNames returns their names, or nil where the model has none. Do not change them.
func (t *Trees) FeatureNames() []string { return t.names }

// Objective returns the name of what was learnt, such as "reg:squarederror".
func (t *Trees) Objective() string { return t.objective }

// Trees returns the number of trees.
func (t *Trees) Trees() int { return len(t.roots) }

// Outputs returns how many predictions a row has: the number of classes for multi:softprob, 1 for most others.
func (t *Trees) Outputs() int {
	if t.objective == "multi:softmax" {
		return 1
	}
	return len(t.base)
}

// PredictRow appends the predictions of one row to out and returns it. NaN is missing. With room in out it allocates nothing.
func (t *Trees) PredictRow(row []float32, out []float32) ([]float32, error) {
	if len(row) != t.features {
		return out, wrongFeatures(len(row), t.features)
	}
	start := len(out)
	out = t.sum(row, out)
	return append(out[:start], t.transform(out[start:])...), nil
}

// PredictMargin appends the sums of the trees of one row, before the objective transforms them, to out and returns it.
func (t *Trees) PredictMargin(row []float32, out []float32) ([]float32, error) {
	if len(row) != t.features {
		return out, wrongFeatures(len(row), t.features)
	}
	return t.sum(row, out), nil
}

// sum adds the leaves in the library's order, tree after tree from the base score on, in float32: that is what makes it bit-identical.
func (t *Trees) sum(row, out []float32) []float32 {
	start := len(out)
	out = append(out, t.base...)
	sums := out[start:]
	for i, root := range t.roots {
		leaf := t.leaf(root, row)
		if t.weights != nil {
			leaf *= t.weights[i]
		}
		sums[t.groups[i]] += leaf
	}
	return out
}

func (t *Trees) leaf(at int32, row []float32) float32 {
	for {
		n := &t.nodes[at]
		if n.feature < 0 {
			return n.value
		}
		switch v := row[n.feature]; {
		case v != v:
			at = n.missing
		case n.catsAt >= 0:
			if t.goesRight(n, v) {
				at = n.right
			} else {
				at = n.left
			}
		case v < n.value:
			at = n.left
		default:
			at = n.right
		}
	}
}

// firstInvalidCategory is the library's bound: from here on float32 no longer tells whole numbers apart.
const firstInvalidCategory = 1 << 24

// goesRight says whether category v is in the split's set. One that training never saw is in none, and goes left.
func (t *Trees) goesRight(n *node, v float32) bool {
	if v < 0 || v >= firstInvalidCategory {
		return false
	}
	code := uint32(v)
	if int32(code/32) >= n.catsLen {
		return false
	}
	return t.cats[n.catsAt+int32(code/32)]>>(code%32)&1 == 1
}
