package dataset

import (
	"math"
	"strconv"
	"strings"
)

// identifier quotes a name for SQL. Any name is possible, keywords and quotes included.
func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func identifiers(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = identifier(name)
	}
	return strings.Join(quoted, ", ")
}

// text quotes a string for SQL.
func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func texts(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = text(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// double writes a number so that DuckDB reads the very same one. The parentheses keep a minus from joining one before it to a comment.
func double(x float64) string {
	switch {
	case math.IsNaN(x):
		return "('nan'::DOUBLE)"
	case math.IsInf(x, 0):
		return "('" + strconv.FormatFloat(x, 'g', -1, 64) + "'::DOUBLE)"
	}
	return "(" + strconv.FormatFloat(x, 'e', -1, 64) + "::DOUBLE)"
}
