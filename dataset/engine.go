package dataset

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"
)

// engine is one in-memory DuckDB. Tables are shared by its connections, each of which runs one query at a time.
type engine struct {
	db       duckdb.Database
	progress func(Progress)
	mu       sync.RWMutex // held for reading by every query, so that close waits for them
	closed   bool
}

func openEngine(settings map[string]string) (*engine, error) {
	var config duckdb.Config
	if duckdb.CreateConfig(&config) == duckdb.StateError {
		return nil, errors.New("dataset: DuckDB gives no configuration")
	}
	defer duckdb.DestroyConfig(&config)
	for name, value := range settings {
		if duckdb.SetConfig(config, name, value) == duckdb.StateError {
			return nil, fmt.Errorf("dataset: DuckDB has no setting %s", name)
		}
	}
	e := &engine{}
	var message string
	if duckdb.OpenExt(":memory:", &e.db, config, &message) == duckdb.StateError {
		return nil, fmt.Errorf("dataset: open DuckDB: %s", message)
	}
	return e, nil
}

func (e *engine) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.closed = true
		duckdb.Close(&e.db)
	}
}

// conn is one connection. What is left of it (interrupts, progress) is looked after by query.
type conn struct {
	engine *engine
	c      duckdb.Connection
}

func (e *engine) connect() (*conn, error) {
	e.mu.RLock()
	if e.closed {
		e.mu.RUnlock()
		return nil, errors.New("dataset: the session is closed")
	}
	c := &conn{engine: e}
	if duckdb.Connect(e.db, &c.c) == duckdb.StateError {
		e.mu.RUnlock()
		return nil, errors.New("dataset: DuckDB refused a connection")
	}
	return c, nil
}

func (c *conn) close() {
	duckdb.Disconnect(&c.c)
	c.engine.mu.RUnlock()
}

// engineError is what DuckDB said of a query.
type engineError struct {
	message string
	kind    duckdb.ErrorType
}

func (e *engineError) Error() string {
	message, _, _ := strings.Cut(e.message, "\n\n") // what follows is advice on settings of DuckDB and the query
	if e.kind == duckdb.ErrorTypeOutOfMemory {
		message += "; raise Config.MemoryLimit or Config.SpillLimit, or lower Config.Threads"
	}
	return strings.TrimSpace(message)
}

// run executes one statement and hands its chunks to each, in order. A result that is streamed is computed while it is read, within the
// memory of some chunks. each may be nil.
func (c *conn) run(ctx context.Context, operation, query string, stream bool, each func(chunk) error) error {
	if ctx.Err() != nil {
		return interrupted(ctx, operation)
	}
	done := c.watch(ctx, operation)
	err := c.execute(query, stream, each)
	done()
	// A stream that is interrupted may just end.
	if ctx.Err() != nil && (err != nil || stream) {
		return interrupted(ctx, operation)
	}
	return err
}

func interrupted(ctx context.Context, operation string) error {
	return fmt.Errorf("dataset: %s was interrupted: %w", operation, context.Cause(ctx))
}

func (c *conn) execute(query string, stream bool, each func(chunk) error) error {
	var statement duckdb.PreparedStatement
	state := duckdb.Prepare(c.c, query, &statement)
	defer duckdb.DestroyPrepare(&statement)
	if state == duckdb.StateError {
		return &engineError{message: duckdb.PrepareError(statement), kind: duckdb.ErrorTypeBinder}
	}
	var result duckdb.Result
	if stream {
		state = duckdb.ExecutePreparedStreaming(statement, &result)
	} else {
		state = duckdb.ExecutePrepared(statement, &result)
	}
	defer duckdb.DestroyResult(&result)
	if state == duckdb.StateError {
		return &engineError{message: duckdb.ResultError(&result), kind: duckdb.ResultErrorType(&result)}
	}
	for each != nil {
		data := duckdb.FetchChunk(result)
		if data.Ptr == nil {
			break
		}
		err := each(newChunk(&result, data))
		duckdb.DestroyDataChunk(&data)
		if err != nil {
			return err
		}
	}
	if message := duckdb.ResultError(&result); message != "" {
		return &engineError{message: message, kind: duckdb.ResultErrorType(&result)}
	}
	return nil
}

// watch interrupts the query when ctx ends and reports progress, until the returned function is called.
func (c *conn) watch(ctx context.Context, operation string) (done func()) {
	if ctx.Done() == nil && c.engine.progress == nil {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		// An interrupt that comes before the query has begun is lost, so it is repeated.
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		ended := ctx.Done()
		for {
			select {
			case <-stop:
				return
			case <-ended:
				ended = nil
				duckdb.Interrupt(c.c)
			case <-tick.C:
				if ended == nil && ctx.Err() != nil {
					duckdb.Interrupt(c.c)
				} else if c.engine.progress != nil {
					c.report(operation)
				}
			}
		}
	}()
	return func() { close(stop); <-stopped }
}

func (c *conn) report(operation string) {
	p := duckdb.QueryProgress(c.c)
	if percent, done, total := duckdb.QueryProgressTypeMembers(&p); percent >= 0 {
		c.engine.progress(Progress{Operation: operation, Fraction: min(percent/100, 1), Rows: int64(done), Total: int64(total)})
	}
}

// chunk is up to 2048 rows of a result, valid until the next one is asked for.
type chunk struct {
	result *duckdb.Result
	data   duckdb.DataChunk
	rows   int
	types  []duckdb.Type
}

func newChunk(result *duckdb.Result, data duckdb.DataChunk) chunk {
	k := chunk{result: result, data: data, rows: int(duckdb.DataChunkGetSize(data)), types: make([]duckdb.Type, duckdb.ColumnCount(result))}
	for i := range k.types {
		k.types[i] = duckdb.ColumnType(result, duckdb.IdxT(i))
	}
	return k
}

// vector gives the values of a column where they lie, and the bits of which are not NULL (nil: all).
func vector[T any](k chunk, column int) (values []T, valid []uint64) {
	v := duckdb.DataChunkGetVector(k.data, duckdb.IdxT(column))
	if p := duckdb.VectorGetValidity(v); p != nil {
		valid = unsafe.Slice((*uint64)(p), (k.rows+63)/64)
	}
	return unsafe.Slice((*T)(duckdb.VectorGetData(v)), k.rows), valid
}

func isValid(valid []uint64, row int) bool { return valid == nil || valid[row/64]>>(row%64)&1 == 1 }

// value decodes one cell into what Row holds: nil, bool, int64, uint64, float64 or string.
func (k chunk) value(column, row int) any {
	switch k.types[column] {
	case duckdb.TypeBoolean:
		return cell[bool](k, column, row)
	case duckdb.TypeBigInt:
		return cell[int64](k, column, row)
	case duckdb.TypeUBigInt:
		return cell[uint64](k, column, row)
	case duckdb.TypeDouble:
		return cell[float64](k, column, row)
	}
	values, valid := vector[duckdb.StringT](k, column)
	if !isValid(valid, row) {
		return nil
	}
	return duckdb.StringTData(&values[row])
}

func cell[T any](k chunk, column, row int) any {
	values, valid := vector[T](k, column)
	if !isValid(valid, row) {
		return nil
	}
	return values[row]
}
