package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("STORE_TEST_WRITE"); path != "" {
		writeForEver(path)
	}
	os.Exit(m.Run())
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) func() *store.DB {
		path := filepath.Join(t.TempDir(), "state.db")
		return func() *store.DB {
			db, err := store.Open(t.Context(), store.Options{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			return db
		}
	})
}

type note struct{ N int }

var notes = store.NewCollection("note", func(*note) store.Index { return store.Index{} })

// writeForEver says on its output which writes were acknowledged.
func writeForEver(path string) {
	db, err := store.Open(context.Background(), store.Options{Path: path})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d-%d", w, i)
				if err := db.Update(context.Background(), func(tx *store.Tx) error {
					return notes.Insert(tx, store.Scope{}, name, name, &note{i})
				}); err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Println(name)
				mu.Unlock()
			}
		}()
	}
	select {}
}

func TestKilledWriterLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	var acknowledged []string
	{
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "STORE_TEST_WRITE="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if strings.HasPrefix(lines.Text(), "error") {
				t.Fatal(lines.Text())
			}
			acknowledged = append(acknowledged, lines.Text())
			if n == 200 {
				cmd.Process.Kill() // and read on: what was printed before the kill was acknowledged
			}
		}
		cmd.Wait()
	}
	db, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if len(acknowledged) < 150 {
		t.Fatalf("only %d writes were acknowledged", len(acknowledged))
	}
	err = db.View(t.Context(), func(tx *store.Tx) error {
		for _, name := range acknowledged {
			v, err := notes.Get(tx, store.Scope{}, name)
			if err != nil {
				return err
			}
			if _, n, _ := strings.Cut(name, "-"); strconv.Itoa(v.N) != n {
				t.Errorf("%s holds %d", name, v.N)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNewerFolderIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	raw, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Exec(`UPDATE meta SET value = '999' WHERE name = 'schema'`); err != nil {
		t.Fatal(err)
	}
	if _, err = store.Open(t.Context(), store.Options{Path: path}); !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "version 999") {
		t.Errorf("got %v", err)
	}
}

// TestOldFolders opens a folder of every schema version that was ever released.
func TestOldFolders(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/schema_*.sql")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no folders of old versions: %v", err)
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), filepath.Base(script)+".db")
		raw, err := sql.Open("sqlite3", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Exec(string(text)); err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		raw.Close()
		db, err := store.Open(t.Context(), store.Options{Path: path})
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		err = db.View(t.Context(), func(tx *store.Tx) error {
			v, err := notes.Get(tx, store.Scope{Account: "123456789012", Region: "us-east-1"}, "kept")
			if err == nil && v.N != 7 {
				t.Errorf("%s: %d", script, v.N)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", script, err)
		}
		db.Close()
	}
}

func BenchmarkUpdate(b *testing.B) {
	db, err := store.Open(b.Context(), store.Options{Path: filepath.Join(b.TempDir(), "state.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	b.SetParallelism(16)
	var n sync.Mutex
	i := 0
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n.Lock()
			i++
			name := fmt.Sprint(i)
			n.Unlock()
			if err := db.Update(b.Context(), func(tx *store.Tx) error {
				if err := notes.Insert(tx, store.Scope{}, name, name, &note{}); err != nil {
					return err
				}
				return tx.Emit(store.Event{Type: "Note.Made", Resource: name})
			}); err != nil {
				b.Error(err)
			}
		}
	})
}
