package object

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// A key becomes a path by its slashes. What a file system cannot hold is escaped, so that every key has one path and every path one key:
//
//	%XX  a byte that is "%" or a control character, and the dots of "." and ".."
//	%    alone is the empty name, as after the slash of "a/"
//	%+   ends a folder name that a long name continues in: names of a file system have at most 255 bytes, those of a key 1,024
//	%-   ends the file name of a key that is also the prefix of others: "a" beside "a/b"
const (
	emptyName    = "%"
	continues    = "%+"
	besideFolder = "%-"
	maxNameBytes = 240
)

// place is where a key's file lies: its folder, and its name there.
type place struct{ dir, name string }

func (p place) plain() string   { return filepath.Join(p.dir, p.name) }
func (p place) demoted() string { return filepath.Join(p.dir, p.name+besideFolder) }

// placeOf gives the place of a key below the bucket's folder.
func placeOf(bucketDir, key string) place {
	segments := strings.Split(key, "/")
	dir := bucketDir
	for i, s := range segments {
		pieces := escapeSegment(s)
		last := pieces[len(pieces)-1]
		for _, piece := range pieces[:len(pieces)-1] {
			dir = filepath.Join(dir, piece)
		}
		if i == len(segments)-1 {
			return place{dir: dir, name: last}
		}
		dir = filepath.Join(dir, last)
	}
	panic("unreachable: strings.Split gives at least one segment")
}

// escapeSegment gives the names for what stands between two slashes: one, or a chain of folders that ends in one.
func escapeSegment(s string) []string {
	if s == "" {
		return []string{emptyName}
	}
	var pieces []string
	var b strings.Builder
	for _, r := range s {
		unit := string(r)
		if r == '%' || r < 0x20 || r == 0x7f {
			unit = fmt.Sprintf("%%%02X", r)
		}
		if b.Len()+len(unit) > maxNameBytes {
			pieces = append(pieces, b.String()+continues)
			b.Reset()
		}
		b.WriteString(unit)
	}
	last := b.String()
	if last == "." || last == ".." {
		last = strings.ReplaceAll(last, ".", "%2E")
	}
	return append(pieces, last)
}

// unescapeName gives what a name on disk stands for. It refuses a name that escapeSegment would not have written:
// such a file was put there by someone else and has no key.
func unescapeName(name string) (string, bool) {
	if name == emptyName {
		return "", true
	}
	if !utf8.ValidString(name) || name == "" {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '%' {
			b.WriteByte(name[i])
			continue
		}
		if i+2 >= len(name) {
			return "", false
		}
		var c byte
		if _, err := fmt.Sscanf(name[i+1:i+3], "%02X", &c); err != nil {
			return "", false
		}
		b.WriteByte(c)
		i += 2
	}
	return b.String(), utf8.ValidString(b.String())
}

// entryBound says which keys a directory entry stands for: for a file its key, for a folder what all its keys begin with.
func entryBound(parent, name string, isDir bool) (bound string, ok bool) {
	if !isDir {
		s, ok := unescapeName(strings.TrimSuffix(name, besideFolder))
		return parent + s, ok && canonical(s, strings.TrimSuffix(name, besideFolder))
	}
	if chunk, chained := strings.CutSuffix(name, continues); chained {
		s, ok := unescapeName(chunk)
		return parent + s, ok && s != ""
	}
	s, ok := unescapeName(name)
	return parent + s + "/", ok && canonical(s, name)
}

func canonical(s, name string) bool {
	pieces := escapeSegment(s)
	return len(pieces) == 1 && pieces[0] == name
}
