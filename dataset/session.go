package dataset

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

// Config says what a session may use. The zero value is a good one.
type Config struct {
	// MemoryLimit is what DuckDB may hold before it spills, as "2GB" or "512MiB". Defaults to DuckDB's own, 80 % of the memory.
	MemoryLimit string
	// Threads is how many threads a query uses. Defaults to the cores Go uses. No answer depends on it.
	Threads int
	// TempDir is where a folder for spilled data and fetched objects is made. Defaults to the system's.
	TempDir string
	// SpillLimit bounds the spilled data, as "100GB". Defaults to DuckDB's own, 90 % of the free space.
	SpillLimit string
	// CacheBytes bounds the objects fetched from s3:// that a session keeps. Defaults to 64 GiB.
	CacheBytes int64
	// Progress is called from time to time while a long query runs, from a goroutine of the query.
	Progress func(Progress)
	// Objects reads s3:// inputs. Defaults to the client that the AWS_… variables of the environment describe.
	Objects Objects
}

// Progress says how far a query is.
type Progress struct {
	Operation   string  // what runs, as "write train.csv"
	Fraction    float64 // 0 to 1; DuckDB's estimate
	Rows, Total int64   // rows read, and rows to read as far as known
}

// Objects gives objects of S3 as local files.
type Objects interface {
	// Keys lists the keys that begin with prefix, in the order of their bytes.
	Keys(ctx context.Context, bucket, prefix string) iter.Seq2[ObjectInfo, error]
	// Fetch writes the object to path, whole or not at all. An implementation that finds the object on this machine may link it there.
	Fetch(ctx context.Context, bucket, key, path string) error
}

// ObjectInfo is what a listing says of an object.
type ObjectInfo struct {
	Key  string
	Size int64 // bytes
	ETag string
}

// Session owns a DuckDB and the datasets read through it. What a shuffle or split computed stays, in memory or spilled, until Close.
// It may be used from several goroutines.
type Session struct {
	engine  *engine
	config  Config
	dir     string
	tables  atomic.Int64
	objects objectCache
	closing sync.Once
}

var sizePattern = regexp.MustCompile(`^[0-9]+(\.[0-9]+)? ?([KMGT]i?)?B$`)

// Open starts a session. Close it to give back its memory and its files.
func Open(config Config) (*Session, error) {
	for name, size := range map[string]string{"MemoryLimit": config.MemoryLimit, "SpillLimit": config.SpillLimit} {
		if size != "" && !sizePattern.MatchString(size) {
			return nil, fmt.Errorf("dataset: Config.%s %q must be a size such as 512MiB or 2GB", name, size)
		}
	}
	if config.Threads < 0 || config.CacheBytes < 0 {
		return nil, errors.New("dataset: Config.Threads and Config.CacheBytes must not be negative")
	}
	if config.Threads == 0 {
		config.Threads = runtime.GOMAXPROCS(0)
	}
	if config.CacheBytes == 0 {
		config.CacheBytes = 64 << 30
	}
	dir, err := os.MkdirTemp(config.TempDir, "mobula-dataset-")
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	settings := map[string]string{
		"threads":                  strconv.Itoa(config.Threads),
		"temp_directory":           dir + "/spill",
		"preserve_insertion_order": "true",
		// Nothing is fetched, loaded or written that a dataset did not ask for.
		"autoinstall_known_extensions": "false",
		"autoload_known_extensions":    "false",
	}
	if config.MemoryLimit != "" {
		settings["memory_limit"] = config.MemoryLimit
	}
	if config.SpillLimit != "" {
		settings["max_temp_directory_size"] = config.SpillLimit
	}
	e, err := openEngine(settings)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	s := &Session{engine: e, config: config, dir: dir}
	s.objects.init(s)
	e.progress = config.Progress
	return s, nil
}

// Close ends the session, after the queries that are running. Its datasets answer with an error from then on. It may be called again.
func (s *Session) Close() error {
	var err error
	s.closing.Do(func() {
		s.engine.close()
		err = os.RemoveAll(s.dir)
	})
	return err
}

// query runs one statement on a connection of its own.
func (s *Session) query(ctx context.Context, operation, sql string, stream bool, each func(chunk) error) error {
	c, err := s.engine.connect()
	if err != nil {
		return err
	}
	defer c.close()
	if s.config.Progress != nil {
		for _, set := range []string{"SET enable_progress_bar = true", "SET enable_progress_bar_print = false"} {
			if err := c.execute(set, false, nil); err != nil {
				return err
			}
		}
	}
	return c.run(ctx, operation, sql, stream, each)
}

// row gives the only row of a query.
func (s *Session) row(ctx context.Context, operation, sql string) (values []any, err error) {
	err = s.query(ctx, operation, sql, false, func(k chunk) error {
		for i := range k.types {
			values = append(values, k.value(i, 0))
		}
		return nil
	})
	return values, err
}
