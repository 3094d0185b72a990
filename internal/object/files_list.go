package object

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// List returns one page of a bucket's objects.
func (f *Files) List(ctx context.Context, bucket, prefix, after string, limit int) ([]Info, bool, error) {
	page, err := f.ListGroups(ctx, bucket, prefix, "", after, limit)
	return page.Objects, page.More, err
}

// ListGroups returns one page of a bucket's objects and common prefixes.
func (f *Files) ListGroups(ctx context.Context, bucket, prefix, delimiter, after string, limit int) (Page, error) {
	if err := f.HeadBucket(ctx, bucket); err != nil {
		return Page{}, err
	}
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	c := &cursor{ctx: ctx, prefix: prefix, after: after, delimiter: delimiter, window: limit + 1}
	c.push(node{path: f.bucketDir(bucket), dir: true})
	var page Page
	for {
		key, group, err := c.next()
		if errors.Is(err, io.EOF) {
			return page, nil
		}
		if err != nil {
			return Page{}, fmt.Errorf("list bucket %q: %w", bucket, err)
		}
		if len(page.Objects)+len(page.Prefixes) == limit {
			page.More = true
			return page, nil
		}
		if group {
			page.Prefixes = append(page.Prefixes, key)
			page.Next = key
			continue
		}
		info, err := f.Head(ctx, bucket, key)
		if errors.Is(err, ErrNoSuchKey) {
			continue // deleted since its folder was read
		}
		if err != nil {
			return Page{}, err
		}
		page.Objects = append(page.Objects, info)
		page.Next = key
	}
}

// cursor walks a bucket in the order of its keys. It holds the entries that may come next, smallest first: files by their key,
// folders by what all their keys begin with. A folder is read when its turn comes, and only as many entries are kept of it as
// the page can use; the rest is a node again, to be read from there on.
type cursor struct {
	ctx                      context.Context
	prefix, after, delimiter string
	window                   int
	nodes                    nodeHeap
	last                     string // the last key or group given
	started                  bool
}

type node struct {
	bound string // the key of a file; what every key of a folder begins with
	path  string
	dir   bool
	// from is set on the rest of a folder: only entries after it are still to come. The bound is then that of the entry.
	from   string
	parent string // the bound of the folder itself, for the rest of it
}

func (c *cursor) push(n node) { heap.Push(&c.nodes, n) }

// next gives the next key, or the next common prefix.
func (c *cursor) next() (key string, group bool, err error) {
	for c.nodes.Len() > 0 {
		if err := c.ctx.Err(); err != nil {
			return "", false, err
		}
		n := heap.Pop(&c.nodes).(node)
		if g, ok := c.groupOf(n.bound); ok && n.from == "" {
			if c.started && g == c.last || g <= c.after || n.dir && !holdsObject(n.path) {
				continue
			}
			c.last, c.started = g, true
			return g, true, nil
		}
		if n.dir {
			if err := c.expand(n); err != nil {
				return "", false, err
			}
			continue
		}
		if n.bound <= c.after || !strings.HasPrefix(n.bound, c.prefix) || c.started && n.bound == c.last {
			continue
		}
		c.last, c.started = n.bound, true
		return n.bound, false, nil
	}
	return "", false, io.EOF
}

// groupOf gives the common prefix that a key, or all keys that begin with the bound of a folder, fall under.
func (c *cursor) groupOf(bound string) (string, bool) {
	if c.delimiter == "" || !strings.HasPrefix(bound, c.prefix) {
		return "", false
	}
	before, _, found := strings.Cut(bound[len(c.prefix):], c.delimiter)
	return c.prefix + before + c.delimiter, found
}

// expand reads a folder and pushes the entries that the listing can want.
func (c *cursor) expand(n node) error {
	parent := n.bound
	if n.from != "" {
		parent = n.parent
	}
	d, err := os.Open(n.path)
	if notThere(err) {
		return nil // pruned since it was seen
	}
	if err != nil {
		return err
	}
	defer d.Close()
	var best nodeHeap // the window's smallest, kept as a sorted slice that is cut when it has doubled
	cut := false
	order := func(a, b node) int { return cmp.Or(strings.Compare(a.bound, b.bound), strings.Compare(a.path, b.path)) }
	for {
		entries, err := d.ReadDir(512)
		for _, e := range entries {
			if !e.IsDir() && !e.Type().IsRegular() {
				continue
			}
			child, ok := c.child(parent, n, e)
			if !ok {
				continue
			}
			if best = append(best, child); len(best) >= 2*c.window+512 {
				slices.SortFunc(best, order)
				best, cut = best[:c.window], true
			}
		}
		if errors.Is(err, io.EOF) || notThere(err) {
			break
		}
		if err != nil {
			return err
		}
	}
	slices.SortFunc(best, order)
	if len(best) > c.window {
		best, cut = best[:c.window], true
	}
	for _, child := range best {
		c.push(child)
	}
	if cut {
		last := best[len(best)-1]
		c.push(node{bound: last.bound, path: n.path, dir: true, from: last.bound + "\x00" + last.path, parent: parent})
	}
	return nil
}

// child makes the node of a directory entry, unless nothing below it can be in the listing.
func (c *cursor) child(parent string, n node, e os.DirEntry) (node, bool) {
	bound, ok := entryBound(parent, e.Name(), e.IsDir())
	path := filepath.Join(n.path, e.Name())
	if !ok || n.from != "" && !comesAfter(bound, path, n.from) {
		return node{}, false
	}
	if e.IsDir() {
		ok = (strings.HasPrefix(bound, c.prefix) || strings.HasPrefix(c.prefix, bound)) && (bound > c.after || strings.HasPrefix(c.after, bound))
	} else {
		ok = bound > c.after && strings.HasPrefix(bound, c.prefix)
	}
	return node{bound: bound, path: path, dir: e.IsDir()}, ok
}

// comesAfter compares an entry with where the rest of a folder begins. Paths have no zero byte, so the last one parts the two.
func comesAfter(bound, path, from string) bool {
	i := strings.LastIndexByte(from, 0)
	return cmp.Or(strings.Compare(bound, from[:i]), strings.Compare(path, from[i+1:])) > 0
}

// holdsObject says whether a folder has an object somewhere below. Folders are empty only for a moment, or after a crash.
func holdsObject(dir string) bool {
	d, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(64)
		for _, e := range entries {
			if e.Type().IsRegular() || e.IsDir() && holdsObject(filepath.Join(dir, e.Name())) {
				return true
			}
		}
		if err != nil {
			return false
		}
	}
}

type nodeHeap []node

func (h nodeHeap) Len() int { return len(h) }
func (h nodeHeap) Less(i, j int) bool {
	return cmp.Or(strings.Compare(h[i].bound, h[j].bound), strings.Compare(h[i].path, h[j].path)) < 0
}
func (h nodeHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *nodeHeap) Push(x any)   { *h = append(*h, x.(node)) }
func (h *nodeHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
