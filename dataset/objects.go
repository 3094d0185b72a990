package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/mobula-ml/mobula/internal/s3client"
)

// objectCache holds the objects that a session reads as local files, under their keys, so that Hive's folder names stay. An object that changed
// since is fetched again, to another name, as a dataset read before may still need the former one.
type objectCache struct {
	mu    sync.Mutex
	dir   string
	limit int64
	used  int64
	have  map[string]string // bucket/key and ETag → path
	store Objects
}

func (c *objectCache) init(s *Session) {
	c.dir, c.limit, c.have, c.store = filepath.Join(s.dir, "objects"), s.config.CacheBytes, map[string]string{}, s.config.Objects
}

// fetched makes the objects under s3://location local files.
func (s *Session) fetched(ctx context.Context, location string, suffixes []string) ([]string, error) {
	bucket, key, _ := strings.Cut(location, "/")
	c := &s.objects
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store == nil {
		client, err := s3client.FromEnv()
		if err != nil {
			return nil, fmt.Errorf("dataset: read s3://%s: %w", location, err)
		}
		c.store = remote{client}
	}
	wanted, err := matcher(strings.TrimSuffix(key, "/"), suffixes)
	if err != nil {
		return nil, err
	}
	prefix := key
	if i := strings.IndexAny(key, "*?["); i >= 0 {
		prefix = key[:i]
	}
	var files []string
	for o, err := range c.store.Keys(ctx, bucket, prefix) {
		if err != nil {
			return nil, fmt.Errorf("dataset: list s3://%s: %w", location, err)
		}
		if o.Key != key && !(key == "" && !hidden(o.Key)) && !wanted(o.Key) {
			continue
		}
		path, err := c.fetch(ctx, bucket, o)
		if err != nil {
			return nil, fmt.Errorf("dataset: read s3://%s/%s: %w", bucket, o.Key, err)
		}
		files = append(files, path)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("dataset: no object matches s3://%s (looking for %s)", location, strings.Join(suffixes, ", "))
	}
	return files, nil // in the order of the listing, for the paths begin with a version
}

func (c *objectCache) fetch(ctx context.Context, bucket string, o ObjectInfo) (string, error) {
	id := bucket + "/" + o.Key + "\x00" + o.ETag
	if path, ok := c.have[id]; ok {
		return path, nil
	}
	if c.used+o.Size > c.limit {
		return "", fmt.Errorf("the session would hold %d bytes of objects, more than Config.CacheBytes %d: read fewer objects, or close the session between", c.used+o.Size, c.limit)
	}
	version := sha256.Sum256([]byte(o.ETag))
	path := filepath.Join(c.dir, "v"+hex.EncodeToString(version[:4]), bucket, filepath.FromSlash(o.Key))
	if rel, err := filepath.Rel(c.dir, path); err != nil || strings.HasPrefix(rel, "..") {
		return "", fmt.Errorf("the key leaves its folder")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	if err := c.store.Fetch(ctx, bucket, o.Key, path); err != nil {
		return "", err
	}
	c.have[id] = path
	c.used += o.Size
	return path, nil
}

// remote reads objects through the S3 client.
type remote struct{ *s3client.Client }

func (r remote) Keys(ctx context.Context, bucket, prefix string) iter.Seq2[ObjectInfo, error] {
	return func(yield func(ObjectInfo, error) bool) {
		for o, err := range r.List(ctx, bucket, prefix) {
			if !yield(ObjectInfo{Key: o.Key, Size: o.Size, ETag: o.ETag}, err) {
				return
			}
		}
	}
}

func (r remote) Fetch(ctx context.Context, bucket, key, path string) error {
	_, err := r.GetFile(ctx, bucket, key, path)
	return err
}
