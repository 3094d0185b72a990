package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"

	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"

	"github.com/mobula-ml/mobula/internal/world"
)

// Options say where and how to open a store.
type Options struct {
	Path  string // the SQLite file
	World world.World
	// KeepEvents is how many of the newest events are kept; older ones go when every consumer has had them. Defaults to 500,000.
	KeepEvents int
	// Schema is the folder of migrations of a room that keeps a file of its own, with its own tables and without the platform's. Defaults to the platform's.
	Schema fs.FS
}

// A DB is an open store.
type DB struct {
	World  world.World
	lock   *os.File
	writer *sql.DB
	reader *sql.DB

	mu      sync.Mutex
	queue   []*update
	wake    chan struct{}
	stop    chan struct{}
	stopped chan struct{}
	closed  bool

	bell bell
	seq  int64 // of the last event, known to the writer alone

	keepEvents int64
}

// ErrClosed is given by a store that is closed.
var ErrClosed = errors.New("the store is closed")

// ErrNewer is given by a folder that a newer program has written.
var ErrNewer = errors.New("the data folder was written by a newer version of Mobula")

// ErrInUse is given by a store that another process has open.
var ErrInUse = errors.New("another process has it open; stop that one first")

// Open opens a store, makes it where it is not there, and migrates it forward. One process at a time has it open.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.World == nil {
		o.World = world.Real()
	}
	held, err := lock(o.Path)
	if err != nil {
		return nil, err
	}
	db, err := open(ctx, o)
	if err != nil {
		held.Close()
		return nil, err
	}
	db.lock = held
	go db.write()
	return db, nil
}

func open(ctx context.Context, o Options) (*DB, error) {
	if o.KeepEvents == 0 {
		o.KeepEvents = 500_000
	}
	if err := makePrivate(o.Path); err != nil {
		return nil, err
	}
	dsn := func(more string) string {
		return "file:" + (&url.URL{Path: o.Path}).EscapedPath() + "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=10000&_foreign_keys=on&_stmt_cache_size=64" + more
	}
	writer, err := sql.Open("sqlite3", dsn("&_txlock=immediate"))
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1)
	platform := o.Schema == nil
	if platform {
		o.Schema = migrations
	}
	if err := migrate(ctx, writer, o.Schema); err != nil {
		writer.Close()
		return nil, fmt.Errorf("open %s: %w", o.Path, err)
	}
	reader, err := sql.Open("sqlite3", dsn("&mode=ro&_query_only=on"))
	if err != nil {
		writer.Close()
		return nil, err
	}
	reader.SetMaxOpenConns(max(4, 2*runtime.NumCPU()))
	reader.SetMaxIdleConns(max(4, 2*runtime.NumCPU()))
	db := &DB{World: o.World, writer: writer, reader: reader, wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
		keepEvents: int64(o.KeepEvents)}
	if platform {
		if err := writer.QueryRowContext(ctx, `SELECT COALESCE(MAX(seq), 0) FROM events`).Scan(&db.seq); err != nil {
			return nil, errors.Join(err, db.writer.Close(), db.reader.Close())
		}
	}
	return db, nil
}

// makePrivate makes the file where it is not there, for its owner alone, because it holds the keys of jobs. SQLite gives the files beside
// it the same mode. A file that is there is not even opened: to close it would end the locks that this process has on it.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// Close ends the store after the updates that were already handed in.
func (db *DB) Close() error {
	db.mu.Lock()
	already := db.closed
	db.closed = true
	db.mu.Unlock()
	if !already {
		close(db.stop)
	}
	<-db.stopped
	err := errors.Join(db.reader.Close(), db.writer.Close())
	if !already {
		err = errors.Join(err, db.lock.Close())
	}
	return err
}

//go:embed migrations/*.sql
var migrations embed.FS

// migrate runs the numbered files that the folder has not seen, each in a transaction with the number it leaves behind.
func migrate(ctx context.Context, db *sql.DB, schema fs.FS) error {
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)`); err != nil {
		return err
	}
	var at int
	var text string
	switch err := db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'schema'`).Scan(&text); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	default:
		if at, err = strconv.Atoi(text); err != nil {
			return fmt.Errorf("schema version %q: %w", text, err)
		}
	}
	files, err := fs.Glob(schema, "migrations/*.sql") // sorted by name, so by number
	if err != nil {
		return err
	}
	if at > len(files) {
		return fmt.Errorf("%w: its schema is version %d, this program knows %d", ErrNewer, at, len(files))
	}
	for _, file := range files[at:] {
		script, err := fs.ReadFile(schema, file)
		if err != nil {
			return err
		}
		number, _, _ := strings.Cut(path.Base(file), "_")
		n, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		if err := migrateTo(ctx, db, n, string(script)); err != nil {
			return fmt.Errorf("migrate to schema version %d: %w", n, err)
		}
	}
	return nil
}

func migrateTo(ctx context.Context, db *sql.DB, version int, script string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, script); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('schema', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, strconv.Itoa(version)); err != nil {
		return err
	}
	return tx.Commit()
}
