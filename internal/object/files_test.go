package object_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/object/objecttest"
	"github.com/mobula-ml/mobula/internal/world"
)

const bucket = "sagemaker-us-east-1-123456789012"

func openFiles(t *testing.T, root string, w world.World) *object.Files {
	t.Helper()
	f, err := object.OpenFiles(root, object.FilesOptions{World: w})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func withBucket(t *testing.T, f *object.Files) *object.Files {
	t.Helper()
	if err := f.CreateBucket(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	return f
}

func put(t *testing.T, s object.Store, key, body string) object.Info {
	t.Helper()
	info, err := s.Put(t.Context(), bucket, key, strings.NewReader(body), object.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestFilesConforms(t *testing.T) {
	t.Parallel()
	objecttest.Run(t, func(t *testing.T) object.Store { return openFiles(t, t.TempDir(), world.Real()) })
}

func TestObjectsArePlainFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	f := withBucket(t, openFiles(t, root, world.Real()))
	put(t, f, "data/2026/part-0.csv", "x,y\n")
	path := filepath.Join(root, bucket, "data/2026/part-0.csv")
	if b, err := os.ReadFile(path); err != nil || string(b) != "x,y\n" {
		t.Fatalf("got %q, %v", b, err)
	}
	if got, ok := f.LocalPath(t.Context(), bucket, "data/2026/part-0.csv"); !ok || got != path {
		t.Fatalf("got %q, %v", got, ok)
	}
	// A file that was put there by hand is an object, and one that was changed by hand is described anew.
	by := filepath.Join(root, bucket, "by-hand.txt")
	for _, body := range []string{"hello", "hello again"} {
		if err := os.WriteFile(by, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
		info, err := f.Head(t.Context(), bucket, "by-hand.txt")
		if err != nil || info.Size != int64(len(body)) || len(info.ETag) != 32 {
			t.Fatalf("got %+v, %v", info, err)
		}
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	f := openFiles(t, root, world.Real())
	if _, err := object.OpenFiles(root, object.FilesOptions{}); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Fatalf("got %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	openFiles(t, root, world.Real())
}

func TestReopenKeepsObjectsAndSweepsLitter(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	w := world.NewFixed(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
	f := withBucket(t, openFiles(t, root, w))
	before := put(t, f, "k", "v")
	upload, err := f.CreateUpload(t.Context(), bucket, "big", object.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := f.PutPart(t.Context(), bucket, "big", upload.ID, 1, strings.NewReader("part"), object.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	litter := filepath.Join(root, ".sys", "tmp", "half-written")
	if err := os.WriteFile(litter, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f.Close()

	f = openFiles(t, root, w)
	if _, err := os.Stat(litter); !os.IsNotExist(err) {
		t.Fatalf("litter is still there: %v", err)
	}
	info, err := f.Head(t.Context(), bucket, "k")
	if err != nil || info.ETag != before.ETag || !info.Modified.Equal(w.Now()) {
		t.Fatalf("got %+v, %v", info, err)
	}
	if _, err := f.CompleteUpload(t.Context(), bucket, "big", upload.ID, []object.Part{part}, object.PutOptions{}); err != nil {
		t.Fatalf("an upload did not survive the restart: %v", err)
	}
	old, err := f.CreateUpload(t.Context(), bucket, "forgotten", object.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.Advance(8 * 24 * time.Hour)
	if _, err := f.CreateUpload(t.Context(), bucket, "fresh", object.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	uploads, err := f.ListUploads(t.Context(), bucket, "")
	if err != nil || len(uploads) != 1 || uploads[0].Key != "fresh" || uploads[0].ID == old.ID {
		t.Fatalf("got %+v, %v", uploads, err)
	}
}

func TestListingAcrossManyFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	f := withBucket(t, openFiles(t, root, world.Real()))
	put(t, f, "d/00000", "")
	const files = 5000
	// Made by hand: five thousand synced writes would be a test of the disk.
	for i := range files {
		if err := os.WriteFile(filepath.Join(root, bucket, "d", fmt.Sprintf("%d-%d", i%7, i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	seen, after := 0, ""
	for {
		page, more, err := f.List(t.Context(), bucket, "", after, 700)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range page {
			if info.Key <= after {
				t.Fatalf("%q comes after %q", info.Key, after)
			}
			after = info.Key
			seen++
		}
		if !more {
			break
		}
	}
	if want := files + 1; seen != want {
		t.Fatalf("got %d keys, want %d", seen, want)
	}
}
