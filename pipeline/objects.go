package pipeline

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/mobula-ml/mobula/internal/s3client"
)

// parseURI splits s3://bucket/key.
func parseURI(uri string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(uri, "s3://")
	bucket, key, _ = strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return "", "", fmt.Errorf("'%s' must read s3://bucket/key", uri)
	}
	return bucket, key, nil
}

// Upload stores a file in the default bucket, which it creates where it is not there, and returns the object's URI.
func (c *Client) Upload(ctx context.Context, path, key string) (uri string, err error) {
	t, err := c.Target(ctx)
	if err != nil {
		return "", err
	}
	if err := c.objects.EnsureBucket(ctx, t.Bucket); err != nil {
		return "", err
	}
	if _, err := c.objects.PutFile(ctx, t.Bucket, key, path, s3client.PutOptions{}); err != nil {
		return "", err
	}
	return "s3://" + t.Bucket + "/" + key, nil
}

// Open reads an object. The caller closes it.
func (c *Client) Open(ctx context.Context, uri string) (io.ReadCloser, error) {
	bucket, key, err := parseURI(uri)
	if err != nil {
		return nil, err
	}
	body, _, err := c.objects.Get(ctx, bucket, key)
	return body, err
}

// Download stores an object in a file, whole or not at all.
func (c *Client) Download(ctx context.Context, uri, path string) error {
	bucket, key, err := parseURI(uri)
	if err != nil {
		return err
	}
	_, err = c.objects.GetFile(ctx, bucket, key, path)
	return err
}

// Objects are the URIs of the objects whose URIs begin with prefix, in order.
func (c *Client) Objects(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		bucket, key, err := parseURI(prefix)
		if err != nil {
			yield("", err)
			return
		}
		for o, err := range c.objects.List(ctx, bucket, key) {
			if !yield("s3://"+bucket+"/"+o.Key, err) {
				return
			}
		}
	}
}
