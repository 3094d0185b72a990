package dataset

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// localFiles lists the files that a path stands for, sorted: one file, a glob (*, ?, […] and ** for any folders), all files below a folder
// that end in one of the suffixes, or the same under s3://. Names that begin with . or _ are left out, as Hive does, but where they are named themselves.
func (s *Session) localFiles(ctx context.Context, path string, suffixes []string) ([]string, error) {
	if strings.ContainsRune(path, 0) || path == "" {
		return nil, fmt.Errorf("dataset: %q is not a path", path)
	}
	if rest, ok := strings.CutPrefix(path, "s3://"); ok {
		return s.fetched(ctx, rest, suffixes)
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return []string{path}, nil
	} else if err != nil && !isGlob(path) {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	wanted, err := matcher(filepath.ToSlash(filepath.Clean(path)), suffixes)
	if err != nil {
		return nil, err
	}
	var files []string
	err = filepath.WalkDir(fixedFolder(path), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !d.IsDir() && wanted(filepath.ToSlash(name)):
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("dataset: no file matches %s (looking for %s)", path, strings.Join(suffixes, ", "))
	}
	slices.Sort(files)
	return files, nil
}

func isGlob(path string) bool { return strings.ContainsAny(path, "*?[") }

// fixedFolder is the longest folder of a path before its first pattern.
func fixedFolder(path string) string {
	for isGlob(path) {
		path = filepath.Dir(path)
	}
	return filepath.Clean(path)
}

// matcher tells which names a glob, or a folder and its suffixes, stands for.
func matcher(pattern string, suffixes []string) (func(string) bool, error) {
	if !isGlob(pattern) {
		prefix := strings.TrimSuffix(pattern, "/") + "/"
		if pattern == "." {
			prefix = ""
		}
		return func(name string) bool {
			rest, ok := strings.CutPrefix(name, prefix)
			return ok && !hidden(rest) && slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) })
		}, nil
	}
	re := regexp.QuoteMeta(pattern)
	for _, r := range [][2]string{{`\*\*/`, `(?:.*/)?`}, {`\*\*`, `.*`}, {`\*`, `[^/]*`}, {`\?`, `[^/]`}, {`\[!`, `[^`}, {`\[`, `[`}, {`\]`, `]`}} {
		re = strings.ReplaceAll(re, r[0], r[1])
	}
	compiled, err := regexp.Compile("^" + re + "$")
	if err != nil {
		return nil, fmt.Errorf("dataset: %q is not a pattern: %w", pattern, err)
	}
	fixed := filepath.ToSlash(fixedFolder(pattern))
	return func(name string) bool {
		return compiled.MatchString(name) && !hidden(strings.TrimPrefix(strings.TrimPrefix(name, fixed), "/"))
	}, nil
}

func hidden(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool {
		return strings.HasPrefix(part, ".") || strings.HasPrefix(part, "_")
	})
}

// read is a source over files: a query that stands behind FROM.
type read struct {
	query string
	csv   *csvFiles // nil for other formats
}

func (r *read) sql(context.Context) (string, error) { return r.query, nil }

func (r *read) inputs() []*Dataset { return nil }

// ReadParquet reads Parquet files: one, a glob, or all *.parquet below a folder, local or under s3://. Folders named key=value become columns
// of type VARCHAR. The columns are those of all files; where a file lacks one, its rows hold NULL.
func (s *Session) ReadParquet(ctx context.Context, path string) (*Dataset, error) {
	files, err := s.localFiles(ctx, path, []string{".parquet"})
	if err != nil {
		return nil, err
	}
	query := "read_parquet(" + texts(files) + ", union_by_name = true, hive_partitioning = " + fmt.Sprint(allPartitioned(files)) + ", hive_types_autocast = false)"
	columns, err := s.describe(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("dataset: read %s: %w", path, err)
	}
	return &Dataset{session: s, from: &read{query: query}, columns: columns, rowwise: true}, nil
}

var partition = regexp.MustCompile(`/[^/=]+=[^/]*/`)

func allPartitioned(files []string) bool {
	return !slices.ContainsFunc(files, func(f string) bool { return !partition.MatchString("/" + filepath.ToSlash(f)) })
}

func (s *Session) describe(ctx context.Context, from string) ([]Column, error) {
	var columns []Column
	err := s.query(ctx, "read the schema", "DESCRIBE SELECT * FROM "+from, false, func(k chunk) error {
		for i := range k.rows {
			columns = append(columns, Column{Name: k.value(0, i).(string), Type: k.value(1, i).(string)})
		}
		return nil
	})
	return columns, err
}
