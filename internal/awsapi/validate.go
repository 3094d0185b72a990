package awsapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Options say what Check lets pass.
type Options struct {
	// Optional names members of the outermost structure that need not be there although the model requires them.
	Optional []string
	// Open says whether a value is one to let pass unseen, such as an expression that gets its value later.
	Open func(value any) bool
}

// Check compares a JSON tree, as encoding/json decodes it with UseNumber, with a shape. It removes members that the shape does not know and
// members that are null, and returns every violation, worded as the service does. A value of the wrong JSON type gives a
// SerializationException, violations of constraints one ValidationException that lists them all.
func Check(shape *Shape, tree any, o Options) *Error {
	c := checker{options: o}
	c.walk(shape, tree, "")
	if c.wrongType != "" {
		return newError(http.StatusBadRequest, "SerializationException", "%s", []any{c.wrongType})
	}
	if n := len(c.violations); n > 0 {
		noun := "errors"
		if n == 1 {
			noun = "error"
		}
		return Validation("%d validation %s detected: %s", n, noun, strings.Join(c.violations, "; "))
	}
	return nil
}

type checker struct {
	options    Options
	violations []string
	wrongType  string
}

// maxViolations bounds the violations that one answer lists.
const maxViolations = 50

func (c *checker) fail(value any, path, rule string, args ...any) {
	if len(c.violations) < maxViolations {
		c.violations = append(c.violations, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", show(value), path, fmt.Sprintf(rule, args...)))
	}
}

func (c *checker) walk(s *Shape, value any, path string) {
	s.prepare()
	if c.options.Open != nil && c.options.Open(value) {
		return
	}
	switch s.Kind {
	case "structure":
		c.structure(s, value, path)
	case "list":
		c.list(s, value, path)
	case "map":
		c.dictionary(s, value, path)
	case "string":
		c.text(s, value, path)
	case "integer", "long", "float", "double":
		c.number(s, value, path)
	case "boolean":
		if _, ok := value.(bool); !ok {
			c.mistyped(value, "a Boolean")
		}
	case "timestamp":
		_, isText := value.(string)
		if _, ok := value.(json.Number); !ok && !isText {
			c.mistyped(value, "a Timestamp")
		}
	case "blob":
		switch x := value.(type) {
		case string:
		case []byte: // the whole body of a request
			c.length(s, value, len(x), path)
		default:
			c.mistyped(value, "a Blob")
		}
	}
}

func (c *checker) structure(s *Shape, value any, path string) {
	m, ok := value.(map[string]any)
	if !ok {
		c.mistyped(value, "")
		return
	}
	for name := range m {
		if _, known := s.byName[name]; !known {
			delete(m, name)
		}
	}
	given := 0
	for i := range s.Members {
		member := &s.Members[i]
		v, ok := m[member.Name]
		if !ok || v == nil {
			delete(m, member.Name)
			if member.Required && (path != "" || !slices.Contains(c.options.Optional, member.Name)) {
				c.fail(nil, join(path, camel(member.Name)), "Member must not be null")
			}
			continue
		}
		given++
		c.walk(&Shapes[member.Shape], v, join(path, camel(member.Name)))
	}
	if s.Union && given != 1 {
		c.fail(value, path, "Exactly one of the members must be set")
	}
}

func (c *checker) list(s *Shape, value any, path string) {
	l, ok := value.([]any)
	if !ok {
		c.mistyped(value, "")
		return
	}
	c.length(s, value, len(l), path)
	for i, e := range l {
		if e != nil {
			c.walk(&Shapes[s.Elem], e, path+"."+strconv.Itoa(i+1)+".member")
		}
	}
}

func (c *checker) dictionary(s *Shape, value any, path string) {
	m, ok := value.(map[string]any)
	if !ok {
		c.mistyped(value, "")
		return
	}
	c.length(s, value, len(m), path)
	for _, k := range slices.Sorted(maps.Keys(m)) { // in order, so that the same request gives the same words
		c.walk(&Shapes[s.Key], k, path+"."+k+".key")
		if e := m[k]; e != nil {
			c.walk(&Shapes[s.Elem], e, path+"."+k+".value")
		}
	}
}

func (c *checker) text(s *Shape, value any, path string) {
	x, ok := value.(string)
	if !ok {
		c.mistyped(value, "a String")
		return
	}
	if s.enum != nil && !s.enum[x] {
		c.fail(value, path, "Member must satisfy enum value set: [%s]", strings.Join(s.Enum, ", "))
	}
	if s.Min != nil || s.Max != nil {
		c.length(s, value, utf8.RuneCountInString(x), path)
	}
	if s.Pattern != "" && !s.matches(x) {
		c.fail(value, path, "Member must satisfy regular expression pattern: %s", s.Pattern)
	}
}

// numberNames are how the service names what a value could not be converted to.
var numberNames = map[string]string{"integer": "an Integer", "long": "a Long", "float": "a Float", "double": "a Double"}

func (c *checker) number(s *Shape, value any, path string) {
	n, ok := value.(json.Number)
	if !ok {
		c.mistyped(value, numberNames[s.Kind])
		return
	}
	f, err := n.Float64()
	whole := s.Kind == "integer" || s.Kind == "long"
	if err != nil || whole && (f != math.Trunc(f) || s.Kind == "integer" && math.Abs(f) > math.MaxInt32 || math.Abs(f) > math.MaxInt64) {
		c.mistyped(value, numberNames[s.Kind])
		return
	}
	if s.Min != nil && f < *s.Min {
		c.fail(value, path, "Member must have value greater than or equal to %s", plain(*s.Min))
	}
	if s.Max != nil && f > *s.Max {
		c.fail(value, path, "Member must have value less than or equal to %s", plain(*s.Max))
	}
}

func (c *checker) length(s *Shape, value any, n int, path string) {
	if s.Min != nil && float64(n) < *s.Min {
		c.fail(value, path, "Member must have length greater than or equal to %s", plain(*s.Min))
	}
	if s.Max != nil && float64(n) > *s.Max {
		c.fail(value, path, "Member must have length less than or equal to %s", plain(*s.Max))
	}
}

// mistyped notes a value of the wrong JSON type. want is "" where a structure, list or map belongs.
func (c *checker) mistyped(value any, want string) {
	if c.wrongType != "" {
		return
	}
	kind := map[bool]string{true: "TRUE_VALUE", false: "FALSE_VALUE"}
	name := ""
	switch x := value.(type) {
	case string:
		name = "STRING_VALUE"
	case json.Number:
		name = "NUMBER_VALUE"
	case bool:
		name = kind[x]
	}
	_, isList := value.([]any)
	switch {
	case name != "" && want == "":
		c.wrongType = "Unexpected field type"
	case name != "":
		c.wrongType = name + " can not be converted to " + want
	case isList:
		c.wrongType = "Start of list found where not expected"
	default:
		c.wrongType = "Start of structure or map found where not expected."
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func camel(s string) string { return strings.ToLower(s[:1]) + s[1:] }

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// maxShown bounds how much of a wrong value an error repeats, in bytes.
const maxShown = 1024

func show(value any) string {
	if value == nil {
		return "null"
	}
	s := inner(value)
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return "'" + s + "'"
}

func inner(value any) string {
	switch x := value.(type) {
	case string:
		return x
	case []byte:
		return fmt.Sprintf("(%d bytes)", len(x))
	case []any:
		parts := make([]string, 0, len(x))
		for _, e := range x {
			parts = append(parts, inner(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(value)
}
