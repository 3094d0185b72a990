package pipeline

import (
	"fmt"
	"strconv"
	"strings"
)

// An element is one part of a path into JSON: a member, an index into a list, or the key of an entry of a list of named things or of a map.
type element struct {
	name  string
	key   bool
	index int
}

// parsePath reads `A.B[0].C['name'].D`.
func parsePath(s string) (out []element, err error) {
	wrong := func(why string) ([]element, error) { return nil, fmt.Errorf("path '%s': %s", s, why) }
	for rest := s; rest != "" || len(out) == 0; {
		switch {
		case strings.HasPrefix(rest, "['") || strings.HasPrefix(rest, `["`):
			key, after, closed := strings.Cut(rest[2:], rest[1:2]+"]")
			if !closed {
				return wrong("a quoted key is not closed")
			}
			out, rest = append(out, element{name: key, key: true}), after
		case strings.HasPrefix(rest, "["):
			number, after, closed := strings.Cut(rest[1:], "]")
			n, err := strconv.Atoi(number)
			if err != nil || n < 0 || !closed {
				return wrong("'[" + number + "' is no index; it must be a number, or a key in quotes, and a closing bracket")
			}
			out, rest = append(out, element{index: n}), after
		default:
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return wrong("a part of it is empty")
			}
			out, rest = append(out, element{name: rest[:end]}), rest[end:]
		}
		if after, dot := strings.CutPrefix(rest, "."); dot {
			if rest = after; rest == "" || rest[0] == '[' {
				return wrong("a part of it is empty")
			}
		} else if rest != "" && rest[0] != '[' {
			return wrong("a dot or a bracket must follow a bracket")
		}
	}
	return out, nil
}

func render(path []element) string {
	var b strings.Builder
	for i, e := range path {
		switch {
		case e.key:
			fmt.Fprintf(&b, "['%s']", e.name)
		case e.name == "":
			fmt.Fprintf(&b, "[%d]", e.index)
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(e.name)
		}
	}
	return b.String()
}
