package definition

import (
	"fmt"
	"strconv"
	"strings"
)

// An Element is one part of a property path: a member name, or an index into a list, or a key of a list of named things.
type Element struct {
	Name  string // a member, or the key where Key is set
	Key   bool   // ['name']: the entry of a list whose name is Name, or the value of a map
	Index int    // [n], where Name is "" and Key is not set
}

// parsePath reads `A.B[0].C['name'].D`.
func parsePath(s string) ([]Element, error) {
	var out []Element
	rest := s
	for rest != "" {
		switch {
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if len(rest) > 1 && (rest[1] == '\'' || rest[1] == '"') {
				close := strings.Index(rest[2:], string(rest[1])+"]")
				if close < 0 {
					return nil, fmt.Errorf("'%s': a quoted key is not closed", s)
				}
				out = append(out, Element{Name: rest[2 : 2+close], Key: true})
				rest = rest[2+close+2:]
				break
			}
			if end < 0 {
				return nil, fmt.Errorf("'%s': a bracket is not closed", s)
			}
			n, err := strconv.Atoi(rest[1:end])
			if err != nil || n < 0 {
				return nil, fmt.Errorf("'%s': '%s' is no index; it must be a number, or a key in quotes", s, rest[1:end])
			}
			out = append(out, Element{Index: n})
			rest = rest[end+1:]
		default:
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, fmt.Errorf("'%s': a part of the path is empty", s)
			}
			out = append(out, Element{Name: rest[:end]})
			rest = rest[end:]
		}
		if strings.HasPrefix(rest, ".") {
			if rest = rest[1:]; rest == "" || rest[0] == '[' {
				return nil, fmt.Errorf("'%s': a part of the path is empty", s)
			}
		} else if rest != "" && rest[0] != '[' {
			return nil, fmt.Errorf("'%s': a dot or a bracket must follow a bracket", s)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the path is empty")
	}
	return out, nil
}

// keyMembers are the members by which a list's entries are found where a path says ['name'].
var keyMembers = []string{"OutputName", "InputName", "ChannelName", "Name", "MetricName"}

// Walk follows a path into a JSON tree.
func Walk(tree any, path []Element) (any, error) {
	at := tree
	for i, e := range path {
		next, ok := step(at, e)
		if !ok {
			return nil, fmt.Errorf("there is no '%s'", render(path[:i+1]))
		}
		at = next
	}
	return at, nil
}

func step(at any, e Element) (any, bool) {
	switch node := at.(type) {
	case map[string]any:
		if e.Name == "" {
			return nil, false
		}
		v, ok := node[e.Name]
		return v, ok
	case []any:
		if !e.Key {
			if e.Name != "" || e.Index >= len(node) {
				return nil, false
			}
			return node[e.Index], true
		}
		for _, entry := range node {
			m, _ := entry.(map[string]any)
			for _, k := range keyMembers {
				if m[k] == e.Name {
					return entry, true
				}
			}
		}
	}
	return nil, false
}

func render(path []Element) string {
	var b strings.Builder
	for i, e := range path {
		switch {
		case e.Key:
			fmt.Fprintf(&b, "['%s']", e.Name)
		case e.Name == "":
			fmt.Fprintf(&b, "[%d]", e.Index)
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(e.Name)
		}
	}
	return b.String()
}
