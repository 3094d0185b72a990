// Package platformtest gives tests of platform rooms the rooms below them: a real store, real objects, an engine, and a caller.
package platformtest

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/world"
)

// An Env is what a room stands on. Ctx carries the caller.
type Env struct {
	Ctx     context.Context
	Dir     string
	DB      *store.DB
	Objects *object.Files
	Engine  *durable.Engine
	Keys    *identity.Keys
	World   world.World
	Log     *slog.Logger
	Caller  identity.Principal
}

// Bucket is the default bucket, which exists.
const Bucket = "sagemaker-us-east-1-123456789012"

// New opens everything in a folder of the test. The engine is not started.
func New(t testing.TB) *Env {
	t.Helper()
	e := Open(t, t.TempDir())
	t.Cleanup(e.Close)
	return e
}

// Open opens everything in dir, as a server does that starts there again.
func Open(t testing.TB, dir string) *Env {
	t.Helper()
	e := &Env{Dir: dir, World: world.Real(), Log: slog.New(slog.DiscardHandler)}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	e.Caller = identity.Principal{Account: identity.DefaultAccount, Region: identity.DefaultRegion,
		RoleARN: identity.RoleARN(identity.DefaultAccount, identity.DefaultRole), SessionName: "test"}
	e.Ctx = identity.With(context.Background(), e.Caller)
	e.DB, err = store.Open(e.Ctx, store.Options{Path: filepath.Join(dir, "state.db"), World: e.World})
	must(err)
	e.Objects, err = object.OpenFiles(filepath.Join(dir, "objects"), object.FilesOptions{World: e.World, Log: e.Log})
	must(err)
	if e.Objects.HeadBucket(e.Ctx, Bucket) != nil {
		must(e.Objects.CreateBucket(e.Ctx, Bucket))
	}
	e.Keys, err = identity.OpenKeys(e.DB, filepath.Join(dir, "keys.json"), e.Caller)
	must(err)
	e.Engine = durable.New(e.DB, durable.Options{Log: e.Log, Alone: true})
	return e
}

// Close stops the engine and closes everything.
func (e *Env) Close() {
	e.Engine.Stop()
	e.Objects.Close()
	e.DB.Close()
}

// Eventually waits until ok, and fails the test when that takes longer than 30 s.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s did not come true in 30 s", what)
}
