package xgboost

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseTrees is LoadTrees of bytes in memory.
func ParseTrees(data []byte) (*Trees, error) {
	root, err := decodeModel(data)
	if err != nil {
		return nil, err
	}
	p := &picker{}
	learner := p.at(root, "learner")
	booster := p.at(learner, "gradient_booster")
	kind := p.text(booster, "name")
	t := &Trees{objective: p.text(p.at(learner, "objective"), "name")}
	if p.has(learner, "feature_names") {
		t.names = p.texts(learner, "feature_names")
	}
	param := p.at(learner, "learner_model_param")
	t.features = p.count(param, "num_feature")
	outputs := max(p.count(param, "num_class"), p.count(param, "num_target"), 1)
	base := p.text(param, "base_score")
	if p.err != nil {
		return nil, p.err
	}
	switch kind {
	case "dart":
		t.weights = p.floats(booster, "weight_drop")
		booster = p.at(booster, "gbtree")
	case "gbtree":
	default:
		return nil, &UnsupportedError{fmt.Sprintf("booster %q", kind)}
	}
	o, ok := objectives[t.objective]
	if !ok {
		return nil, &UnsupportedError{fmt.Sprintf("objective %q", t.objective)}
	}
	t.transform = o.transform
	if err := t.parseBase(base, outputs, o.toMargin); err != nil {
		return nil, err
	}
	if err := t.parseForest(p, p.at(booster, "model")); err != nil {
		return nil, err
	}
	return t, p.err
}

// parseBase reads one number, or since XGBoost 3.1 "[a,b,…]" with one for each output.
func (t *Trees) parseBase(text string, outputs int, toMargin func(float32) float32) error {
	parts := strings.Split(strings.Trim(text, "[]"), ",")
	const maxOutputs = 1 << 16
	if outputs > maxOutputs || len(parts) != 1 && len(parts) != outputs {
		return fmt.Errorf("not a valid XGBoost model: base_score has %d entries for %d outputs", len(parts), outputs)
	}
	t.base = make([]float32, outputs)
	for i := range t.base {
		f, err := strconv.ParseFloat(strings.TrimSpace(parts[min(i, len(parts)-1)]), 32)
		if err != nil {
			return fmt.Errorf("not a valid XGBoost model: base_score %q is no number", text)
		}
		t.base[i] = toMargin(float32(f))
	}
	return nil
}

func (t *Trees) parseForest(p *picker, model any) error {
	trees, groups := p.list(model, "trees"), p.ints(model, "tree_info")
	if p.err != nil {
		return p.err
	}
	if len(groups) != len(trees) || t.weights != nil && len(t.weights) != len(trees) {
		return fmt.Errorf("not a valid XGBoost model: it has %d trees, %d entries of tree_info and %d weights", len(trees), len(groups), len(t.weights))
	}
	t.groups = groups
	for i, tree := range trees {
		if groups[i] < 0 || int(groups[i]) >= len(t.base) {
			return fmt.Errorf("not a valid XGBoost model: tree %d is of output %d of %d", i, groups[i], len(t.base))
		}
		t.roots = append(t.roots, int32(len(t.nodes)))
		if err := t.parseTree(p, tree); err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
	}
	return p.err
}

func (t *Trees) parseTree(p *picker, tree any) error {
	left, right := p.ints(tree, "left_children"), p.ints(tree, "right_children")
	feature, condition := p.ints(tree, "split_indices"), p.floats(tree, "split_conditions")
	defaultLeft := p.ints(tree, "default_left")
	vector := p.count(p.at(tree, "tree_param"), "size_leaf_vector")
	var categorical []int32
	if p.has(tree, "split_type") {
		categorical = p.ints(tree, "split_type")
	}
	if p.err != nil {
		return p.err
	}
	if vector > 1 {
		return &UnsupportedError{"trees with more than one output in a leaf"}
	}
	n := len(left)
	if n == 0 || len(right) != n || len(feature) != n || len(condition) != n || len(defaultLeft) != n || categorical != nil && len(categorical) != n {
		return fmt.Errorf("not a valid XGBoost model: its lists of nodes differ in length (%d left_children)", n)
	}
	if int64(len(t.nodes))+int64(n) > math.MaxInt32 {
		return fmt.Errorf("not a valid XGBoost model: more than %d nodes", math.MaxInt32)
	}
	first := int32(len(t.nodes))
	for i := range n {
		node := node{value: condition[i], feature: -1, catsAt: -1}
		if left[i] != -1 {
			if left[i] < 0 || int(left[i]) >= n || right[i] < 0 || int(right[i]) >= n {
				return fmt.Errorf("not a valid XGBoost model: node %d has children %d and %d of %d", i, left[i], right[i], n)
			}
			if feature[i] < 0 || int(feature[i]) >= t.features {
				return fmt.Errorf("not a valid XGBoost model: node %d splits on feature %d of %d", i, feature[i], t.features)
			}
			node.feature, node.left, node.right = feature[i], first+left[i], first+right[i]
			node.missing = node.right
			if defaultLeft[i] != 0 {
				node.missing = node.left
			}
		}
		t.nodes = append(t.nodes, node)
	}
	if err := acyclic(left, right); err != nil {
		return err
	}
	return t.parseCategories(p, tree, categorical, first)
}

// acyclic makes sure that a walk from the root ends: every node is reached at most once.
func acyclic(left, right []int32) error {
	seen := make([]bool, len(left))
	stack := []int32{0}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[at] {
			return fmt.Errorf("not a valid XGBoost model: node %d has two parents", at)
		}
		seen[at] = true
		if left[at] != -1 {
			stack = append(stack, left[at], right[at])
		}
	}
	return nil
}

// parseCategories turns each categorical split's list of categories that go right into a bit set.
func (t *Trees) parseCategories(p *picker, tree any, categorical []int32, first int32) error {
	splits := 0
	for i, kind := range categorical {
		if kind != 0 && t.nodes[first+int32(i)].feature >= 0 {
			splits++
		}
	}
	if splits == 0 {
		return nil
	}
	all, nodes := p.ints(tree, "categories"), p.ints(tree, "categories_nodes")
	starts, sizes := p.ints(tree, "categories_segments"), p.ints(tree, "categories_sizes")
	if p.err != nil {
		return p.err
	}
	if len(starts) != len(nodes) || len(sizes) != len(nodes) {
		return fmt.Errorf("not a valid XGBoost model: its lists of categories differ in length (%d categories_nodes)", len(nodes))
	}
	for i, at := range nodes {
		if at < 0 || int(at) >= len(categorical) || starts[i] < 0 || sizes[i] < 0 || int64(starts[i])+int64(sizes[i]) > int64(len(all)) {
			return fmt.Errorf("not a valid XGBoost model: the categories of node %d are out of range", at)
		}
		node := &t.nodes[first+at]
		if categorical[at] == 0 || node.feature < 0 || node.catsAt >= 0 {
			return fmt.Errorf("not a valid XGBoost model: node %d has categories and is no categorical split, or has them twice", at)
		}
		if err := t.addCategories(node, all[starts[i]:starts[i]+sizes[i]]); err != nil {
			return err
		}
		splits--
	}
	if splits != 0 {
		return fmt.Errorf("not a valid XGBoost model: %d categorical splits have no categories", splits)
	}
	return nil
}

func (t *Trees) addCategories(n *node, codes []int32) error {
	n.catsAt = int32(len(t.cats))
	var highest int32
	for _, code := range codes {
		// The bound keeps a damaged file from asking for a bit set of half a gigabyte.
		if code < 0 || code >= firstInvalidCategory {
			return fmt.Errorf("not a valid XGBoost model: category %d", code)
		}
		highest = max(highest, code)
	}
	n.catsLen = highest/32 + 1
	const maxWords = 1 << 26
	if len(t.cats)+int(n.catsLen) > maxWords {
		return fmt.Errorf("not a valid XGBoost model: more than %d categories in its splits", maxWords*32)
	}
	t.cats = append(t.cats, make([]uint32, n.catsLen)...)
	for _, code := range codes {
		t.cats[n.catsAt+code/32] |= 1 << (code % 32)
	}
	return nil
}
