package awsapi

import (
	"regexp"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// javaClasses are the character classes of the models, which are Java's, by what stands for them inside brackets.
var javaClasses = map[string]string{"Alnum": `a-zA-Z0-9`, "Alpha": `a-zA-Z`, "Digit": `0-9`, "ASCII": `\x00-\x7F`,
	"Print": `\x20-\x7E`, "Graph": `\x21-\x7E`, "Punct": `!-/:-@\[-` + "`" + `{-~`, "IsLetter": `\p{L}`, "IsDigit": `\p{Nd}`}

// translate writes a Java pattern's classes for Go's engines, in brackets where they stand alone.
func translate(pattern string) string {
	var out strings.Builder
	inClass := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '\\':
			end := min(i+2, len(pattern))
			if strings.HasPrefix(pattern[i:], `\p{`) {
				name, _, found := strings.Cut(pattern[i+3:], "}")
				if class, known := javaClasses[name]; found && known {
					if !inClass {
						class = "[" + class + "]"
					}
					out.WriteString(class)
					i += len(name) + 3
					continue
				}
			}
			out.WriteString(pattern[i:end])
			i = end - 1
			continue
		case '[':
			inClass = true
		case ']':
			inClass = false
		}
		out.WriteByte(pattern[i])
	}
	return out.String()
}

// beyond is how the models write the characters beyond U+FFFF: as the range of their surrogate pairs, which no Go engine knows.
const beyond = `\uD800\uDC00-\uDBFF\uDFFF`

// escapes are \uXXXX, which Go writes \x{XXXX}.
var escapes = regexp.MustCompile(`\\u([0-9a-fA-F]{4})`)

// compile makes the pattern an expression that matches whole strings. The few with lookaheads go to regexp2.
func (s *Shape) compile() {
	p := strings.ReplaceAll(s.Pattern, beyond, `\x{10000}-\x{10FFFF}`)
	p = translate(p)
	if re, err := regexp.Compile(`\A(?:` + escapes.ReplaceAllString(p, `\x{$1}`) + `)\z`); err == nil {
		s.plain = re
		return
	}
	s.fancy = regexp2.MustCompile(`\A(?:`+p+`)\z`, regexp2.None)
	s.fancy.MatchTimeout = 250 * time.Millisecond
}

func (s *Shape) matches(text string) bool {
	switch {
	case s.plain != nil:
		return s.plain.MatchString(text)
	case s.fancy != nil:
		ok, err := s.fancy.MatchString(text)
		return ok && err == nil
	}
	return true
}
