package awsapi

import (
	"regexp"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// javaClasses maps the character classes of the models, which are Java's, to what Go's engines know.
var javaClasses = strings.NewReplacer(`\p{Alnum}`, `a-zA-Z0-9`, `\p{Alpha}`, `a-zA-Z`, `\p{Digit}`, `0-9`, `\p{ASCII}`, `\x00-\x7F`,
	`\p{Print}`, `\x20-\x7E`, `\p{Graph}`, `\x21-\x7E`, `\p{Punct}`, `!-/:-@\[-`+"`"+`{-~`, `\p{IsLetter}`, `\p{L}`, `\p{IsDigit}`, `\p{Nd}`)

// surrogates are written as \uD800 and the like, which no Go engine knows; whole characters need no such pairs.
var surrogates = regexp.MustCompile(`\\u[dD][89a-fA-F][0-9a-fA-F]{2}-\\u[dD][89a-fA-F][0-9a-fA-F]{2}`)

// escapes are \uXXXX, which Go writes \x{XXXX}.
var escapes = regexp.MustCompile(`\\u([0-9a-fA-F]{4})`)

// compile makes the pattern an expression that matches whole strings. The few with lookaheads go to regexp2.
func (s *Shape) compile() {
	p := surrogates.ReplaceAllString(s.Pattern, "")
	p = javaClasses.Replace(p)
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
