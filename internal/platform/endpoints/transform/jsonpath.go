package transform

import (
	"fmt"
	"strconv"
	"strings"
)

// A jsonPath selects parts of a record: "$", then any of .name, ['name', …], [2, …], [1:3], [*] and .*, as the filters of batch transform have
// them. Of a CSV record, which is an array, indices and ranges make sense.
type jsonPath []selector

// A selector goes one step down. Exactly one of its members is set.
type selector struct {
	names   []string
	indices []int
	span    *span
	all     bool
}

type span struct{ from, to *int }

// parsePath reads a path.
func parsePath(text string) (jsonPath, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "$")
	if !ok {
		return nil, fmt.Errorf("the path '%s' must begin with $", text)
	}
	path := jsonPath{}
	for rest != "" {
		var s selector
		var err error
		switch {
		case strings.HasPrefix(rest, ".."):
			return nil, fmt.Errorf("the path '%s' has '..', which is not served", text)
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			name := rest[1 : end+1]
			rest = rest[end+1:]
			if name == "" {
				return nil, fmt.Errorf("the path '%s' has a '.' without a name", text)
			}
			s = selector{names: []string{name}}
			if name == "*" {
				s = selector{all: true}
			}
		case rest[0] == '[':
			end := closing(rest)
			if end < 0 {
				return nil, fmt.Errorf("the path '%s' has a '[' without a ']'", text)
			}
			if s, err = parseBrackets(strings.TrimSpace(rest[1:end])); err != nil {
				return nil, fmt.Errorf("the path '%s': %w", text, err)
			}
			rest = rest[end+1:]
		default:
			return nil, fmt.Errorf("the path '%s' has '%s' where '.' or '[' is needed", text, rest)
		}
		path = append(path, s)
	}
	return path, nil
}

// closing finds the bracket that closes the first one, past quoted names.
func closing(text string) int {
	quote := rune(0)
	for i, c := range text {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == ']':
			return i
		}
	}
	return -1
}

func parseBrackets(text string) (s selector, err error) {
	if text == "*" || text == "" {
		return selector{all: true}, nil
	}
	if text[0] == '\'' || text[0] == '"' {
		for text != "" {
			end := strings.IndexByte(text[1:], text[0])
			if end < 0 || text[0] != '\'' && text[0] != '"' {
				return s, fmt.Errorf("'%s' is no list of quoted names", text)
			}
			s.names = append(s.names, text[1:end+1])
			rest := strings.TrimSpace(text[end+2:])
			if rest != "" && rest[0] != ',' {
				return s, fmt.Errorf("'%s' must be a ',' or the end", rest)
			}
			text = strings.TrimSpace(strings.TrimPrefix(rest, ","))
		}
		return s, nil
	}
	number := func(text string) (n int) {
		if n, err = strconv.Atoi(strings.TrimSpace(text)); err != nil {
			err = fmt.Errorf("'%s' is no number", text)
		}
		return n
	}
	if from, to, ok := strings.Cut(text, ":"); ok {
		s.span = &span{}
		if strings.TrimSpace(from) != "" {
			s.span.from = new(number(from))
		}
		if strings.TrimSpace(to) != "" && err == nil {
			s.span.to = new(number(to))
		}
		return s, err
	}
	for part := range strings.SplitSeq(text, ",") {
		if s.indices = append(s.indices, number(part)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// many says whether a selector selects a list, of which the next one selects in each entry.
func (s selector) many() bool { return s.all || s.span != nil || len(s.indices) > 1 }

// find selects in a value.
func (p jsonPath) find(v any) (any, error) {
	for i, s := range p {
		next, err := s.find(v)
		if err != nil {
			return nil, err
		}
		if !s.many() || i == len(p)-1 {
			v = next
			continue
		}
		found := []any{}
		for _, entry := range next.([]any) {
			if x, err := p[i+1:].find(entry); err == nil {
				found = append(found, x)
			}
		}
		return found, nil
	}
	return v, nil
}

func (s selector) find(v any) (any, error) {
	if len(s.names) > 0 {
		return s.member(v)
	}
	if o, ok := v.(*jsonObject); ok && s.all {
		values := []any{}
		for _, name := range o.names {
			values = append(values, o.values[name])
		}
		return values, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("it selects in a list, and the record has none there")
	}
	switch {
	case s.all:
		return list, nil
	case s.span != nil:
		from, to := within(s.span.from, 0, len(list)), within(s.span.to, len(list), len(list))
		return list[min(from, to):to], nil
	}
	found := []any{}
	for _, i := range s.indices {
		at := i
		if at < 0 {
			at += len(list)
		}
		if at < 0 || at >= len(list) {
			return nil, fmt.Errorf("it selects entry %d of a list of %d", i, len(list))
		}
		found = append(found, list[at])
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return found, nil
}

// within turns the bound of a range into an index.
func within(bound *int, otherwise, length int) int {
	if bound == nil {
		return otherwise
	}
	n := *bound
	if n < 0 {
		n += length
	}
	return min(max(n, 0), length)
}

// member selects one member, or of several an object with those that are there.
func (s selector) member(v any) (any, error) {
	o, ok := v.(*jsonObject)
	if !ok {
		return nil, fmt.Errorf("it selects the member '%s', and the record has no object there", s.names[0])
	}
	if len(s.names) == 1 {
		x, ok := o.values[s.names[0]]
		if !ok {
			return nil, fmt.Errorf("the record has no member '%s'", s.names[0])
		}
		return x, nil
	}
	found := &jsonObject{values: map[string]any{}}
	for _, name := range s.names {
		if x, ok := o.values[name]; ok {
			found.set(name, x)
		}
	}
	return found, nil
}
