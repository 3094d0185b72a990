package dataset_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/dataset"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/s3client"
)

// folder serves objects from memory and counts what it fetched.
type folder struct {
	objects map[string]string
	fetched int
}

func (f *folder) Keys(_ context.Context, _, prefix string) iter.Seq2[dataset.ObjectInfo, error] {
	return func(yield func(dataset.ObjectInfo, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(f.objects)) {
			if strings.HasPrefix(key, prefix) && !yield(dataset.ObjectInfo{Key: key, Size: int64(len(f.objects[key])), ETag: f.objects[key]}, nil) {
				return
			}
		}
	}
}

func (f *folder) Fetch(_ context.Context, bucket, key, path string) error {
	if bucket != "b" {
		return errors.New("NoSuchBucket")
	}
	f.fetched++
	return os.WriteFile(path, []byte(f.objects[key]), 0o644)
}

func TestObjectsBecomeFiles(t *testing.T) {
	t.Parallel()
	store := &folder{objects: map[string]string{
		"data/a.csv": "x\n1\n", "data/sub/b.csv": "x\n2\n", "data/_SUCCESS": "", "data/.tmp.csv": "y\n", "data2/c.csv": "x\n3\n", "data/readme.txt": "z",
	}}
	s := open(t, dataset.Config{Objects: store, CacheBytes: 20})
	for path, want := range map[string][]any{
		"s3://b/data": {int64(1), int64(2)}, "s3://b/data/": {int64(1), int64(2)}, "s3://b/data/a.csv": {int64(1)}, "s3://b/*/*.csv": {int64(1), int64(3)},
	} {
		d, err := s.ReadCSV(t.Context(), path, dataset.CSVOptions{})
		must(t, err)
		if got := column(t, d, "x"); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	if store.fetched != 3 {
		t.Errorf("%d objects were fetched, want 3", store.fetched)
	}
	// A dataset keeps the object it was read from; one read later has the new one.
	before, err := s.ReadCSV(t.Context(), "s3://b/data/a.csv", dataset.CSVOptions{})
	must(t, err)
	store.objects["data/a.csv"] = "x\n7\n"
	after, err := s.ReadCSV(t.Context(), "s3://b/data/a.csv", dataset.CSVOptions{})
	must(t, err)
	if a, b := column(t, before, "x")[0], column(t, after, "x")[0]; a != int64(1) || b != int64(7) {
		t.Errorf("before %v, after %v", a, b)
	}
	store.objects["data/big.csv"] = "x\n1000000000\n"
	for path, want := range map[string]string{"s3://b/none": "no object matches s3://b/none", "s3://other/data": "NoSuchBucket", "s3://b/data/big.csv": "more than Config.CacheBytes 20"} {
		if _, err := s.ReadCSV(t.Context(), path, dataset.CSVOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

// TestReadsFromTheEmbeddedS3 goes through the client that the environment describes.
func TestReadsFromTheEmbeddedS3(t *testing.T) {
	store, err := object.OpenFiles(t.TempDir(), object.FilesOptions{})
	must(t, err)
	defer store.Close()
	server := httptest.NewServer(object.Handler(store, object.HandlerOptions{}))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL", "")
	t.Setenv("AWS_ENDPOINT_URL_S3", "")
	s := open(t, dataset.Config{})
	if _, err := s.ReadParquet(t.Context(), "s3://lake/houses"); err == nil || !strings.Contains(err.Error(), "AWS_ENDPOINT_URL") {
		t.Error(err)
	}
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	client, err := s3client.FromEnv()
	must(t, err)
	must(t, client.EnsureBucket(t.Context(), "lake"))
	for key, path := range map[string]string{"a": "/year=2023/a.parquet", "b": "/year=2024/b.parquet"} {
		_, err = client.PutFile(t.Context(), "lake", "houses/year=202"+key+"/part.parquet", houses(t, 60)+path, s3client.PutOptions{})
		must(t, err)
	}
	d, err := s.ReadParquet(t.Context(), "s3://lake/houses/")
	must(t, err)
	if n, err := d.Filter("year IN ('202a', '202b')").Count(t.Context()); n != 60 || err != nil {
		t.Error(n, err)
	}
}
