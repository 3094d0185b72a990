package pipelines

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
)

// maxManifest bounds a manifest in bytes; a larger one counts as it is.
const maxManifest = 64 << 20

// manifestOf says whether the member S3Uri of a data source names a manifest: then the objects that are listed there are what is read.
func manifestOf(source map[string]any) (uri string, ok bool) {
	uri, _ = source["S3Uri"].(string)
	kind, _ := source["S3DataType"].(string)
	return uri, kind == awsapi.S3DataTypeManifestFile || kind == awsapi.S3DataTypeAugmentedManifestFile
}

// listed is the digest of a manifest's text and of the objects that it names, or "" where it cannot be read, which the job says better.
func (s *Service) listed(ctx context.Context, uri string, source map[string]any) (string, error) {
	bucket, name, err := object.ParseURI(uri)
	if err != nil {
		return "", nil //nolint:nilerr // not a URI of ours
	}
	body, _, err := s.Objects.Get(ctx, bucket, name)
	if errors.Is(err, object.ErrNoSuchKey) || errors.Is(err, object.ErrNoSuchBucket) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxManifest))
	if err != nil {
		return "", err
	}
	all := []string{string(text)}
	for _, uri := range namedIn(text, source) {
		bucket, key, err := object.ParseURI(uri)
		if err != nil {
			continue
		}
		sum, err := s.Objects.Digest(ctx, bucket, key)
		if err != nil && !errors.Is(err, object.ErrNoSuchKey) && !errors.Is(err, object.ErrNoSuchBucket) {
			return "", err
		}
		all = append(all, uri, sum)
	}
	return content + digest(all...), nil
}

// namedIn are the URIs of the objects that a manifest names, at most maxFiles of them.
func namedIn(text []byte, source map[string]any) (uris []string) {
	if source["S3DataType"] == awsapi.S3DataTypeManifestFile {
		var head struct{ Prefix string }
		var entries []json.RawMessage
		if json.Unmarshal(text, &entries) != nil || len(entries) == 0 || json.Unmarshal(entries[0], &head) != nil {
			return nil
		}
		for _, entry := range entries[1:min(len(entries), maxFiles)] {
			var rest string
			if json.Unmarshal(entry, &rest) == nil {
				uris = append(uris, head.Prefix+rest)
			}
		}
		return uris
	}
	attributes, _ := source["AttributeNames"].([]any)
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() && len(uris) < maxFiles {
		var values map[string]any
		if json.Unmarshal(lines.Bytes(), &values) != nil {
			continue
		}
		for _, name := range attributes {
			name, _ := name.(string)
			if uri, ok := values[name].(string); ok && strings.HasSuffix(name, "-ref") {
				uris = append(uris, uri)
			}
		}
	}
	return uris
}
