package pipelines

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

func itoa(n int) string { return strconv.Itoa(n) }

// short cuts a name to n bytes; names are ASCII.
func short(s string, n int) string { return s[:min(n, len(s))] }

// cutText cuts a message to n characters, the limit that the API's shape sets.
func cutText(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
