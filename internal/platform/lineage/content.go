package lineage

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
)

// maxListed is how many objects below a prefix are looked at to know its content.
const maxListed = 5 * object.MaxPage

// content tells what lies at a URI now from what lies there at another time: the ETag of an object, or one sum of the keys and ETags below a
// prefix. It is empty where nothing lies there, or where the URI is not of S3.
func (b *builder) content(uri string) ([]awsapi.ArtifactSourceType, error) {
	if !strings.HasPrefix(uri, "s3://") || b.svc.Objects == nil {
		return nil, nil
	}
	bucket, key, err := object.ParseURI(uri)
	if err != nil {
		return nil, nil // the user's own text, which names no object
	}
	if key != "" {
		if info, err := b.svc.Objects.Head(b.ctx, bucket, key); err == nil {
			return []awsapi.ArtifactSourceType{{SourceIdType: new(awsapi.ArtifactSourceIdTypeS3ETag), Value: &info.ETag}}, nil
		}
		key += "/"
	}
	sum, after, n := sha256.New(), "", 0
	for n < maxListed {
		page, more, err := b.svc.Objects.List(b.ctx, bucket, key, after, object.MaxPage)
		if err != nil {
			break // a bucket that is gone has nothing
		}
		for _, o := range page {
			fmt.Fprintf(sum, "%s\n%s\n", o.Key, o.ETag)
			after = o.Key
		}
		if n += len(page); !more {
			break
		}
	}
	if n == 0 {
		return nil, nil
	}
	return []awsapi.ArtifactSourceType{{SourceIdType: new(awsapi.ArtifactSourceIdTypeCustom), Value: new(hex.EncodeToString(sum.Sum(nil)))}}, nil
}

// contentKey is the content as text, "" where it is not known.
func contentKey(types []awsapi.ArtifactSourceType) string {
	var b strings.Builder
	for _, t := range types {
		io.WriteString(&b, awsapi.Val(t.SourceIdType)+"="+awsapi.Val(t.Value)+";") //nolint:errcheck // a strings.Builder takes everything
	}
	return b.String()
}

// artifactID follows from what an artifact is known by.
func artifactID(uri, kind string, content []awsapi.ArtifactSourceType) string {
	if key := contentKey(content); key != "" {
		return digest(uri, kind, key)
	}
	return digest(uri, kind)
}

// artifact finds the artifact of what lies at a URI, or makes it. One whose content nobody has told is of whatever lies there. earlier is the
// artifact of what lay there before, where a new one had to be made.
func (b *builder) artifact(kind, uri, name string, properties map[string]string) (arn, earlier string, err error) {
	uri = strings.TrimSuffix(uri, "/")
	content, err := b.content(uri)
	if err != nil {
		return "", "", err
	}
	page, err := artifactRows.List(b.tx, b.scope, store.Query{Keys: map[string]string{"source": uri}, SortBy: store.ByCreated, Descending: true})
	if err != nil {
		return "", "", err
	}
	key := contentKey(content)
	for _, other := range []string{key, ""} {
		for i := range page.Items {
			if have := contentKey(page.Items[i].SourceTypes); have == other || key == "" {
				return page.Items[i].ARN, "", nil
			}
		}
	}
	id := artifactID(uri, kind, content)
	e := &entity{Name: name, ARN: b.scope.ARN("artifact/" + id), Type: kind, SourceURI: uri, SourceTypes: content, Properties: properties, Created: b.now, Modified: b.now}
	if len(page.Items) > 0 {
		earlier = page.Items[0].ARN
	}
	return e.ARN, earlier, artifactRows.Insert(b.tx, b.scope, id, e.ARN, e)
}
