package logs

import (
	"regexp"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// A pattern is a filter pattern on text: every term that must be there, none that must not, and one of those that are marked as optional.
type pattern struct{ all, none, any []func(string) bool }

func (p *pattern) matches(text string) bool {
	for _, has := range p.all {
		if !has(text) {
			return false
		}
	}
	for _, has := range p.none {
		if has(text) {
			return false
		}
	}
	for _, has := range p.any {
		if has(text) {
			return true
		}
	}
	return len(p.any) == 0
}

func wrongPattern(why string) error {
	return &awsapi.Error{Code: "InvalidParameterException", Status: 400, Message: "Invalid filter pattern: " + why}
}

// parsePattern reads terms, "quoted phrases", %regular expressions%, and the marks - and ? before them. Letters count in their case.
func parsePattern(s string) (*pattern, error) {
	p := &pattern{}
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") {
		return nil, wrongPattern("patterns of JSON and of space-delimited fields are not served; terms, \"phrases\", %regular expressions%, -term and ?term are.")
	}
	for s != "" {
		list := &p.all
		switch s[0] {
		case '-':
			list, s = &p.none, s[1:]
		case '?':
			list, s = &p.any, s[1:]
		}
		has, rest, err := term(s)
		if err != nil {
			return nil, err
		}
		*list = append(*list, has)
		s = strings.TrimSpace(rest)
	}
	return p, nil
}

// term reads one term and returns what follows it.
func term(s string) (has func(string) bool, rest string, err error) {
	contains := func(part string) func(string) bool {
		return func(text string) bool { return strings.Contains(text, part) }
	}
	switch {
	case strings.HasPrefix(s, `"`):
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch c := s[i]; {
			case c == '\\' && i+1 < len(s):
				i++
				b.WriteByte(s[i])
			case c == '"':
				return contains(b.String()), s[i+1:], nil
			default:
				b.WriteByte(c)
			}
		}
		return nil, "", wrongPattern("a quotation mark is not closed.")
	case strings.HasPrefix(s, "%"):
		text, rest, closed := strings.Cut(s[1:], "%")
		if !closed {
			return nil, "", wrongPattern("a regular expression is not closed by %.")
		}
		expression, err := regexp.Compile(text)
		if err != nil {
			return nil, "", wrongPattern(err.Error())
		}
		return expression.MatchString, rest, nil
	}
	end := strings.IndexAny(s, " \t\r\n")
	if end < 0 {
		end = len(s)
	}
	if end == 0 {
		return nil, "", wrongPattern("a mark has no term after it.")
	}
	return contains(s[:end]), s[end:], nil
}
