package pipelines

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/object"
)

// A file is an object as the cache remembers it. Path is relative to the URI it was found under: the name of the object itself where the URI
// names one object.
type file struct{ Path, Digest string }

// maxFiles bounds the objects that a key or a cache entry looks at.
const maxFiles = 100_000

// under lists the objects that an S3 URI stands for: the one it names, else all that lie below it.
func under(ctx context.Context, objects object.Store, uri string) ([]file, error) {
	bucket, name, err := object.ParseURI(uri)
	if err != nil {
		return nil, nil // not a URI of ours: it counts as text
	}
	var files []file
	if name != "" && !strings.HasSuffix(name, "/") {
		if _, err := objects.Head(ctx, bucket, name); err == nil {
			sum, err := objects.Digest(ctx, bucket, name)
			return []file{{name[strings.LastIndexByte(name, '/')+1:], sum}}, err
		}
		name += "/"
	}
	after := ""
	for {
		page, more, err := objects.List(ctx, bucket, name, after, 1000)
		if errors.Is(err, object.ErrNoSuchBucket) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, info := range page {
			sum, err := objects.Digest(ctx, bucket, info.Key)
			if err != nil {
				return nil, err
			}
			files = append(files, file{strings.TrimPrefix(info.Key, name), sum})
			after = info.Key
		}
		if !more || len(files) > maxFiles {
			return files, nil
		}
	}
}

// maxUnpacked bounds the archives that are looked into, in bytes of what comes out of them.
const maxUnpacked = 1 << 30

// unpackedDigest is what a key counts of a file found under uri: its digest, and of an archive that of its members. An SDK packs the same code
// again for every definition, and the archives differ by the time that gzip writes into them.
func (s *Service) unpackedDigest(ctx context.Context, uri string, f file) (string, error) {
	if !strings.HasSuffix(f.Path, ".tar.gz") && !strings.HasSuffix(f.Path, ".tgz") {
		return f.Digest, nil
	}
	if sum, ok := s.unpacked.Load(f.Digest); ok {
		return sum.(string), nil
	}
	bucket, name, err := object.ParseURI(uri)
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(name, f.Path) || strings.HasSuffix(uri, "/") {
		name = strings.TrimSuffix(name, "/") + "/" + f.Path
	}
	body, _, err := s.Objects.Get(ctx, bucket, name)
	if errors.Is(err, object.ErrNoSuchKey) {
		return f.Digest, nil // it went since it was listed
	}
	if err != nil {
		return "", err
	}
	defer body.Close()
	sum, err := membersDigest(body)
	if err != nil || ctx.Err() != nil {
		sum = f.Digest // not an archive after all, or too large a one
	}
	if ctx.Err() == nil {
		keepBounded(&s.unpacked, maxDigests, f.Digest, sum)
	}
	return sum, ctx.Err()
}

// membersDigest is the digest of an archive's members: names, modes, links and content, whatever their order and times.
func membersDigest(packed io.Reader) (string, error) {
	zipped, err := gzip.NewReader(packed)
	if err != nil {
		return "", err
	}
	limited := &io.LimitedReader{R: zipped, N: maxUnpacked}
	archive := tar.NewReader(limited)
	var all []string
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) && limited.N > 0 {
			slices.Sort(all)
			return "members:" + digest(all...), nil
		}
		if err != nil {
			return "", err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, archive); err != nil {
			return "", err
		}
		all = append(all, fmt.Sprintf("%q %c %o %q %s", strings.TrimPrefix(h.Name, "./"), h.Typeflag, h.Mode&0o7777, h.Linkname, hex.EncodeToString(sum.Sum(nil))))
	}
}
