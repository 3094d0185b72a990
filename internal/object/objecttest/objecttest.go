package objecttest

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mobula-ml/mobula/internal/object"
)

const bucket = "sagemaker-us-east-1-123456789012"

// Run runs the suite. open gives an empty store; it is called for each case.
func Run(t *testing.T, open func(t *testing.T) object.Store) {
	cases := map[string]func(t *testing.T, s object.Store){
		"buckets":             testBuckets,
		"put, get, head":      testPutGet,
		"missing":             testMissing,
		"replace while read":  testReplaceWhileRead,
		"one winner":          testOneWinner,
		"if match":            testIfMatch,
		"failed write":        testFailedWrite,
		"checksums":           testChecksums,
		"names":               testNames,
		"delete":              testDelete,
		"put file":            testPutFile,
		"digest":              testDigest,
		"list":                testList,
		"groups":              testGroups,
		"before read":         testBeforeRead,
		"uploads":             testUploads,
		"uploads refuse":      testUploadsRefuse,
		"parents and objects": testParents,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			ok(t, s.CreateBucket(t.Context(), bucket))
			run(t, s)
		})
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
}

func put(t *testing.T, s object.Store, key, body string, opts ...object.PutOptions) object.Info {
	t.Helper()
	var o object.PutOptions
	if len(opts) > 0 {
		o = opts[0]
	}
	info, err := s.Put(t.Context(), bucket, key, strings.NewReader(body), o)
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return info
}

func get(t *testing.T, s object.Store, key string) string {
	t.Helper()
	r, _, err := s.Get(t.Context(), bucket, key)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	ok(t, err)
	return string(b)
}

func keys(t *testing.T, s object.Store, prefix string) []string {
	t.Helper()
	var out []string
	after := ""
	for {
		page, more, err := s.List(t.Context(), bucket, prefix, after, 3)
		ok(t, err)
		for _, info := range page {
			out = append(out, info.Key)
			after = info.Key
		}
		if !more {
			return out
		}
	}
}

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
}

func testBuckets(t *testing.T, s object.Store) {
	ctx := t.Context()
	wants(t, s.CreateBucket(ctx, bucket), object.ErrBucketExists)
	for _, name := range []string{"", "ab", "UPPER", "under_score", "-first", "last-", "a..b", "1.2.3.4", ".sys", "a/b", "..", strings.Repeat("x", 64)} {
		wants(t, s.CreateBucket(ctx, name), object.ErrInvalidBucket)
	}
	ok(t, s.CreateBucket(ctx, "a.second"))
	ok(t, s.HeadBucket(ctx, bucket))
	wants(t, s.HeadBucket(ctx, "missing"), object.ErrNoSuchBucket)
	wants(t, s.HeadBucket(ctx, "../etc"), object.ErrNoSuchBucket)
	list, err := s.ListBuckets(ctx)
	ok(t, err)
	if len(list) != 2 || list[0].Name != "a.second" || list[1].Name != bucket || list[0].Created.IsZero() {
		t.Fatalf("got %+v", list)
	}
	put(t, s, "deep/down/key", "x")
	wants(t, s.DeleteBucket(ctx, bucket), object.ErrBucketNotEmpty)
	ok(t, s.Delete(ctx, bucket, "deep/down/key"))
	ok(t, s.DeleteBucket(ctx, bucket))
	wants(t, s.HeadBucket(ctx, bucket), object.ErrNoSuchBucket)
	wants(t, s.DeleteBucket(ctx, bucket), object.ErrNoSuchBucket)
}

func testPutGet(t *testing.T, s object.Store) {
	opts := object.PutOptions{ContentType: "text/csv", Metadata: map[string]string{"author": "böb"}, Headers: map[string]string{"Cache-Control": "no-store"}}
	put1 := put(t, s, "dir/data.csv", "a,b\n1,2\n", opts)
	sum := md5.Sum([]byte("a,b\n1,2\n"))
	if put1.ETag != hex.EncodeToString(sum[:]) || put1.Size != 8 {
		t.Fatalf("got %+v", put1)
	}
	r, info, err := s.Get(t.Context(), bucket, "dir/data.csv")
	ok(t, err)
	defer r.Close()
	if info.ContentType != "text/csv" || !maps.Equal(info.Metadata, opts.Metadata) || info.Headers["Cache-Control"] != "no-store" || info.ETag != put1.ETag || info.Size != 8 || !info.Modified.Equal(put1.Modified) {
		t.Fatalf("got %+v, put gave %+v", info, put1)
	}
	if _, err := r.Seek(4, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "1,2\n" {
		t.Fatalf("got %q", rest)
	}
	if path, local := s.LocalPath(t.Context(), bucket, "dir/data.csv"); local {
		b, err := os.ReadFile(path)
		if err != nil || string(b) != "a,b\n1,2\n" {
			t.Fatalf("the file of the object: %q, %v", b, err)
		}
	}
	put(t, s, "dir/data.csv", "")
	if info, err := s.Head(t.Context(), bucket, "dir/data.csv"); err != nil || info.Size != 0 || info.ContentType != "" || len(info.Metadata) != 0 {
		t.Fatalf("the new object keeps something of the old: %+v, %v", info, err)
	}
	big := strings.Repeat("v", 1900)
	put(t, s, "big meta", "x", object.PutOptions{Metadata: map[string]string{"k": big}, Headers: map[string]string{"X-Amz-Tagging": strings.Repeat("t", 4000)}})
	if info, err := s.Head(t.Context(), bucket, "big meta"); err != nil || info.Metadata["k"] != big {
		t.Fatalf("large metadata: %v", err)
	}
}

func testMissing(t *testing.T, s object.Store) {
	ctx := t.Context()
	_, err := s.Head(ctx, bucket, "none")
	wants(t, err, object.ErrNoSuchKey)
	_, _, err = s.Get(ctx, "no-bucket", "none")
	wants(t, err, object.ErrNoSuchBucket)
	_, err = s.Put(ctx, "no-bucket", "k", strings.NewReader(""), object.PutOptions{})
	wants(t, err, object.ErrNoSuchBucket)
	_, err = s.Put(ctx, bucket, "", strings.NewReader(""), object.PutOptions{})
	wants(t, err, object.ErrInvalidKey)
	_, err = s.Put(ctx, bucket, "not\xffutf8", strings.NewReader(""), object.PutOptions{})
	wants(t, err, object.ErrInvalidKey)
	_, err = s.Put(ctx, bucket, strings.Repeat("k", 1025), strings.NewReader(""), object.PutOptions{})
	wants(t, err, object.ErrKeyTooLong)
	_, _, err = s.List(ctx, "no-bucket", "", "", 10)
	wants(t, err, object.ErrNoSuchBucket)
	ok(t, s.Delete(ctx, bucket, "none"))
	put(t, s, "file", "x")
	_, err = s.Head(ctx, bucket, "file/below")
	wants(t, err, object.ErrNoSuchKey)
	put(t, s, "folder/x", "x")
	_, err = s.Head(ctx, bucket, "folder")
	wants(t, err, object.ErrNoSuchKey)
	if _, local := s.LocalPath(ctx, bucket, "folder"); local {
		t.Fatal("a prefix has a local path")
	}
}

func testReplaceWhileRead(t *testing.T, s object.Store) {
	put(t, s, "k", "the old content")
	r, _, err := s.Get(t.Context(), bucket, "k")
	ok(t, err)
	defer r.Close()
	put(t, s, "k", "the new")
	b, err := io.ReadAll(r)
	if err != nil || string(b) != "the old content" {
		t.Fatalf("got %q, %v", b, err)
	}
	if got := get(t, s, "k"); got != "the new" {
		t.Fatalf("got %q", got)
	}
}

func testOneWinner(t *testing.T, s object.Store) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var winners []string
	for i := range 48 {
		wg.Go(func() {
			body := fmt.Sprintf("writer %d", i)
			_, err := s.Put(context.Background(), bucket, "lock", strings.NewReader(body), object.PutOptions{IfNoneMatch: true})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				winners = append(winners, body)
			} else if !errors.Is(err, object.ErrPreconditionFailed) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if len(winners) != 1 || get(t, s, "lock") != winners[0] {
		t.Fatalf("winners: %q", winners)
	}
}

func testIfMatch(t *testing.T, s object.Store) {
	_, err := s.Put(t.Context(), bucket, "k", strings.NewReader(""), object.PutOptions{IfMatch: "x"})
	wants(t, err, object.ErrNoSuchKey)
	first := put(t, s, "k", "one")
	put(t, s, "k", "two", object.PutOptions{IfMatch: first.ETag})
	_, err = s.Put(t.Context(), bucket, "k", strings.NewReader("three"), object.PutOptions{IfMatch: first.ETag})
	wants(t, err, object.ErrPreconditionFailed)
	if got := get(t, s, "k"); got != "two" {
		t.Fatalf("got %q", got)
	}
}

var errBroken = errors.New("the line broke")

func testFailedWrite(t *testing.T, s object.Store) {
	put(t, s, "k", "kept")
	broken := io.MultiReader(strings.NewReader("half"), readerFunc(func([]byte) (int, error) { return 0, errBroken }))
	_, err := s.Put(t.Context(), bucket, "k", broken, object.PutOptions{})
	wants(t, err, errBroken)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Put(ctx, bucket, "k", strings.NewReader("late"), object.PutOptions{})
	wants(t, err, context.Canceled)
	_, err = s.Put(t.Context(), bucket, "new/deep/key", readerFunc(func([]byte) (int, error) { return 0, errBroken }), object.PutOptions{})
	wants(t, err, errBroken)
	if got := get(t, s, "k"); got != "kept" {
		t.Fatalf("got %q", got)
	}
	equal(t, keys(t, s, ""), []string{"k"})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func testChecksums(t *testing.T, s object.Store) {
	// Published check values of the algorithms over "123456789"; SHA1 and SHA256 are those of the standard library.
	for algorithm, want := range map[string]string{"CRC32": "y/Q5Jg==", "CRC32C": "4waSgw==", "CRC64NVME": "rosUhgp5mIg="} {
		info := put(t, s, "sum", "123456789", object.PutOptions{Checksums: []object.Checksum{{Algorithm: algorithm, Value: want}}})
		if info.Checksums[algorithm] != want {
			t.Errorf("%s: got %q, want %q", algorithm, info.Checksums[algorithm], want)
		}
		for _, c := range []object.Checksum{{Algorithm: algorithm, Value: "AAAAAA=="}, {Algorithm: algorithm, Late: func() string { return "AAAAAA==" }}} {
			_, err := s.Put(t.Context(), bucket, "sum", strings.NewReader("other"), object.PutOptions{Checksums: []object.Checksum{c}})
			wants(t, err, object.ErrBadDigest)
		}
	}
	_, err := s.Put(t.Context(), bucket, "sum", strings.NewReader("other"), object.PutOptions{MD5: make([]byte, 16)})
	wants(t, err, object.ErrBadDigest)
	_, err = s.Put(t.Context(), bucket, "sum", strings.NewReader("other"), object.PutOptions{Checksums: []object.Checksum{{Algorithm: "ROT13"}}})
	wants(t, err, object.ErrInvalidRequest)
	info, err := s.Head(t.Context(), bucket, "sum")
	if err != nil || info.Size != 9 || len(info.Checksums) != 1 {
		t.Fatalf("a refused write changed the object: %+v, %v", info, err)
	}
}

// names are keys that a file system would rather not have.
var names = []string{
	"/", "//", "/leading", "trailing/", "trailing//", "a//b", ".", "..", "../..", "../../etc/passwd", "./x", "x/.", "x/..", "%", "%2F", "100%", "%%-", "a%-", "a%+", "tab\there", "nul\x00nul",
	"new\nline", "space ", " space", "Ünïcode/日本語/🦈", "a\\b", "q?x=1&y", "#", "dt=2026-01-01 00:00/part-0.parquet", ".sys/tmp/x", "CON", strings.Repeat("l", 255), strings.Repeat("l", 240), strings.Repeat("l", 241),
	strings.Repeat("l", 1024), strings.Repeat("é", 512), strings.Repeat("%", 300), strings.Repeat("d/", 512), strings.Repeat("x", 240) + "..", strings.Repeat("x", 240) + "/y", strings.Repeat("x", 240) + ".",
}

func testNames(t *testing.T, s object.Store) {
	for _, key := range names {
		put(t, s, key, "content of "+key)
	}
	for _, key := range names {
		if got := get(t, s, key); got != "content of "+key {
			t.Errorf("key %q gives %q", key, got)
		}
	}
	equal(t, keys(t, s, ""), sorted(names))
	for _, key := range names {
		ok(t, s.Delete(t.Context(), bucket, key))
	}
	equal(t, keys(t, s, ""), nil)
	ok(t, s.DeleteBucket(t.Context(), bucket))
}

func testParents(t *testing.T, s object.Store) {
	for _, order := range [][]string{{"a", "a/b", "a/b/c"}, {"a/b/c", "a/b", "a"}, {"a/b", "a/b/c", "a", "a/"}, {"a//", "a/", "a"}} {
		for _, key := range order {
			put(t, s, key, "first")
			put(t, s, key, key)
		}
		for _, key := range order {
			if got := get(t, s, key); got != key {
				t.Fatalf("order %q: %q gives %q", order, key, got)
			}
		}
		equal(t, keys(t, s, ""), sorted(order))
		for i, key := range order {
			ok(t, s.Delete(t.Context(), bucket, key))
			equal(t, keys(t, s, ""), sorted(order[i+1:]))
		}
	}
	// Writers of a key and of keys below it at once lose nothing.
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			key := "p" + strings.Repeat("/q", i%4)
			if _, err := s.Put(context.Background(), bucket, key, strings.NewReader(key), object.PutOptions{}); err != nil {
				t.Errorf("put %q: %v", key, err)
			}
			if i%8 == 7 {
				if err := s.Delete(context.Background(), bucket, "p/q/q/q"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, key := range []string{"p", "p/q", "p/q/q"} {
		if got := get(t, s, key); got != key {
			t.Fatalf("%q gives %q", key, got)
		}
	}
}

func testDelete(t *testing.T, s object.Store) {
	put(t, s, "a/b/c", "1")
	put(t, s, "a/d", "2")
	ok(t, s.Delete(t.Context(), bucket, "a/b/c"))
	ok(t, s.Delete(t.Context(), bucket, "a/b/c"))
	ok(t, s.Delete(t.Context(), bucket, "a"))
	equal(t, keys(t, s, ""), []string{"a/d"})
	wants(t, s.Delete(t.Context(), "no-bucket", "a"), object.ErrNoSuchBucket)
}

func testPutFile(t *testing.T, s object.Store) {
	path := filepath.Join(t.TempDir(), "model.tar.gz")
	write := func() {
		ok(t, os.WriteFile(path, []byte("model"), 0o600))
	}
	write()
	info, err := s.PutFile(t.Context(), bucket, "out/model", path, object.PutOptions{ContentType: "application/gzip"})
	ok(t, err)
	ok(t, os.WriteFile(path, []byte("changed"), 0o600))
	if got := get(t, s, "out/model"); got != "model" || info.Size != 5 {
		t.Fatalf("the object follows the file: %q, %+v", got, info)
	}
	write()
	_, err = s.PutFile(t.Context(), bucket, "out/model", path, object.PutOptions{Move: true, MD5: make([]byte, 16)})
	wants(t, err, object.ErrBadDigest)
	if b, err := os.ReadFile(path); err != nil || string(b) != "model" {
		t.Fatalf("a failed move lost the file: %q, %v", b, err)
	}
	_, err = s.PutFile(t.Context(), bucket, "out/moved", path, object.PutOptions{Move: true})
	ok(t, err)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the moved file is still there: %v", err)
	}
	if got := get(t, s, "out/moved"); got != "model" {
		t.Fatalf("got %q", got)
	}
	if _, err = s.PutFile(t.Context(), bucket, "x", path, object.PutOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	_, err = s.PutFile(t.Context(), bucket, "x", t.TempDir(), object.PutOptions{})
	wants(t, err, object.ErrInvalidRequest)
}

func testDigest(t *testing.T, s object.Store) {
	for _, body := range []string{"one", "two"} {
		put(t, s, "k", body)
		want := sha256.Sum256([]byte(body))
		for range 2 {
			got, err := s.Digest(t.Context(), bucket, "k")
			if err != nil || got != hex.EncodeToString(want[:]) {
				t.Fatalf("got %q, %v", got, err)
			}
		}
	}
	info, err := s.Head(t.Context(), bucket, "k")
	if err != nil || info.Size != 3 {
		t.Fatalf("got %+v, %v", info, err)
	}
	_, err = s.Digest(t.Context(), bucket, "none")
	wants(t, err, object.ErrNoSuchKey)
}

func testBeforeRead(t *testing.T, s object.Store) {
	var seen []string
	hooked := object.WithBeforeRead(s, func(_ context.Context, b, prefix string) error {
		seen = append(seen, b+":"+prefix)
		if prefix == "held/k" || prefix == "held/" {
			_, err := s.Put(t.Context(), bucket, "held/k", strings.NewReader("flushed"), object.PutOptions{})
			return err
		}
		if prefix == "broken" {
			return errBroken
		}
		return nil
	})
	if got := get(t, hooked, "held/k"); got != "flushed" {
		t.Fatalf("got %q", got)
	}
	equal(t, keys(t, hooked, "held/"), []string{"held/k"})
	_, err := hooked.Head(t.Context(), bucket, "broken")
	wants(t, err, errBroken)
	put(t, hooked, "quiet", "x")
	equal(t, seen, []string{bucket + ":held/k", bucket + ":held/", bucket + ":broken"})
}
