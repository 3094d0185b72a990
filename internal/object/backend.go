package object

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/rclone/gofakes3"
)

// backend is the store as gofakes3 wants to see it.
type backend struct{ *handler }

const (
	metaPrefix         = "X-Amz-Meta-"
	defaultContentType = "binary/octet-stream"
)

// refused turns an error into gofakes3's, and keeps the status that it would not give.
func (b *backend) refused(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var own gofakes3.Error
	if errors.As(err, &own) {
		return own
	}
	e := b.answer(ctx, err)
	exchangeOf(ctx).status = e.Status
	return gofakes3.ErrorMessage(gofakes3.ErrorCode(e.Code), e.Message)
}

func (b *backend) ListBuckets(ctx context.Context) ([]gofakes3.BucketInfo, error) {
	buckets, err := b.store.ListBuckets(ctx)
	if err != nil {
		return nil, b.refused(ctx, err)
	}
	var out []gofakes3.BucketInfo
	for _, bucket := range buckets {
		out = append(out, gofakes3.BucketInfo{Name: bucket.Name, CreationDate: gofakes3.NewContentTime(bucket.Created)})
	}
	return out, nil
}

func (b *backend) CreateBucket(ctx context.Context, bucket string) error {
	err := b.store.CreateBucket(ctx, bucket)
	if errors.Is(err, ErrBucketExists) && !exchangeOf(ctx).located {
		return nil
	}
	return b.refused(ctx, err)
}

func (b *backend) BucketExists(ctx context.Context, bucket string) (bool, error) {
	err := b.store.HeadBucket(ctx, bucket)
	if errors.Is(err, ErrNoSuchBucket) {
		return false, nil
	}
	return err == nil, b.refused(ctx, err)
}

func (b *backend) DeleteBucket(ctx context.Context, bucket string) error {
	return b.refused(ctx, b.store.DeleteBucket(ctx, bucket))
}

// object fills gofakes3's view of an object, and has the answer say what that leaves out.
func (b *backend) object(ctx context.Context, info Info) *gofakes3.Object {
	meta := map[string]string{"Last-Modified": info.Modified.UTC().Format(http.TimeFormat), "Content-Type": info.ContentType}
	if info.ContentType == "" {
		meta["Content-Type"] = defaultContentType
	}
	x := exchangeOf(ctx)
	for k, v := range info.Metadata {
		meta[metaPrefix+k] = v
	}
	for k, v := range info.Headers {
		meta[k] = v
		if strings.HasPrefix(k, encryptionHeaders[0]) && x.bucket == info.Bucket && x.key == info.Key {
			x.add.Set(k, v)
		}
	}
	for name, algorithm := range checksumHeaders {
		if v := info.Checksums[algorithm]; v != "" {
			meta[name], meta["X-Amz-Checksum-Type"] = v, checksumType(v)
		}
	}
	if x.bucket == info.Bucket && x.key == info.Key {
		x.add.Set("Etag", quoted(info.ETag))
	}
	tag, _, _ := strings.Cut(info.ETag, "-")
	hash, _ := hex.DecodeString(tag)
	return &gofakes3.Object{Name: info.Key, Metadata: meta, Size: info.Size, Hash: hash, Contents: io.NopCloser(strings.NewReader(""))}
}

func quoted(etag string) string { return `"` + etag + `"` }

func (b *backend) GetObject(ctx context.Context, bucket, key string, want *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	r, info, err := b.store.Get(ctx, bucket, key)
	if err != nil {
		return nil, b.refused(ctx, err)
	}
	o := b.object(ctx, info)
	body := &content{LimitedReader: io.LimitedReader{R: r, N: info.Size}, Closer: r}
	o.Contents = body
	if o.Range, err = want.Range(info.Size); err == nil && o.Range != nil {
		_, err = r.Seek(o.Range.Start, io.SeekStart)
		body.N = o.Range.Length
	}
	if err != nil {
		r.Close()
		if errors.Is(err, gofakes3.ErrInvalidRange) {
			err = gofakes3.ErrorMessage(gofakes3.ErrInvalidRange, "The requested range is not satisfiable")
		}
		return nil, b.refused(ctx, err)
	}
	return o, nil
}

func (b *backend) HeadObject(ctx context.Context, bucket, key string) (*gofakes3.Object, error) {
	info, err := b.store.Head(ctx, bucket, key)
	if err != nil {
		return nil, b.refused(ctx, err)
	}
	return b.object(ctx, info), nil
}

// writeOptions joins what gofakes3 read of the headers with what the exchange took.
func writeOptions(x *exchange, meta map[string]string) PutOptions {
	opts := x.opts
	headers := map[string]string{}
	for k, v := range opts.Headers {
		headers[k] = v
	}
	for k, v := range meta {
		switch name := http.CanonicalHeaderKey(k); {
		case name == "Last-Modified":
		case name == "Content-Type":
			opts.ContentType = v
		case strings.HasPrefix(name, metaPrefix):
			if opts.Metadata == nil {
				opts.Metadata = map[string]string{}
			}
			opts.Metadata[strings.ToLower(strings.TrimPrefix(name, metaPrefix))] = v
		default:
			headers[name] = v
		}
	}
	opts.Headers = headers
	return opts
}

func (b *backend) PutObject(ctx context.Context, bucket, key string, meta map[string]string, r io.Reader, _ int64) (gofakes3.PutObjectResult, error) {
	x := exchangeOf(ctx)
	if x.body != nil {
		r = x.body
	}
	info, err := b.store.Put(ctx, bucket, key, r, writeOptions(x, meta))
	if err != nil {
		return gofakes3.PutObjectResult{}, b.refused(ctx, err)
	}
	x.sayChecksums(info.Checksums)
	return gofakes3.PutObjectResult{ETag: quoted(info.ETag)}, nil
}

func (b *backend) CopyObject(ctx context.Context, srcBucket, srcKey, bucket, key string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	r, src, err := b.store.Get(ctx, srcBucket, srcKey)
	if err != nil {
		return gofakes3.CopyObjectResult{}, b.refused(ctx, err)
	}
	defer r.Close()
	x := exchangeOf(ctx)
	opts := writeOptions(x, meta)
	for algorithm := range src.Checksums {
		opts.Checksums = []Checksum{{Algorithm: algorithm}}
	}
	// The answer has no entity tag of its own; the copy's is in the body.
	x.add.Del("Etag")
	info, err := b.store.Put(ctx, bucket, key, r, opts)
	if err != nil {
		return gofakes3.CopyObjectResult{}, b.refused(ctx, err)
	}
	return gofakes3.CopyObjectResult{ETag: quoted(info.ETag), LastModified: gofakes3.NewContentTime(info.Modified)}, nil
}

func (b *backend) DeleteObject(ctx context.Context, bucket, key string) (gofakes3.ObjectDeleteResult, error) {
	return gofakes3.ObjectDeleteResult{}, b.refused(ctx, b.store.Delete(ctx, bucket, key))
}

func (b *backend) DeleteMulti(ctx context.Context, bucket string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	var out gofakes3.MultiDeleteResult
	for _, key := range keys {
		if err := b.store.Delete(ctx, bucket, key); err != nil {
			e := b.answer(ctx, err)
			out.Error = append(out.Error, gofakes3.ErrorResult{Key: key, Code: gofakes3.ErrorCode(e.Code), Message: e.Message})
			continue
		}
		out.Deleted = append(out.Deleted, gofakes3.ObjectID{Key: key})
	}
	return out, nil
}

func (b *backend) ListBucket(ctx context.Context, bucket string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	var p gofakes3.Prefix
	if prefix != nil {
		p = *prefix
	}
	got, err := b.store.ListGroups(ctx, bucket, p.Prefix, p.Delimiter, page.Marker, int(page.MaxKeys))
	if err != nil {
		return nil, b.refused(ctx, err)
	}
	out := gofakes3.NewObjectList()
	for _, info := range got.Objects {
		out.Add(&gofakes3.Content{Key: info.Key, LastModified: gofakes3.NewContentTime(info.Modified), ETag: quoted(info.ETag), Size: info.Size, StorageClass: gofakes3.StorageStandard})
	}
	for _, group := range got.Prefixes {
		out.AddPrefix(group)
	}
	if out.IsTruncated = got.More; got.More {
		out.NextMarker = got.Next
	}
	return out, nil
}
