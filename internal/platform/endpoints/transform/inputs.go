package transform

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/mobula-ml/mobula/internal/object"
)

// An input is one object to transform. name is what its output is called, without ".out".
type input struct{ bucket, key, name string }

// inputs lists the objects of the job's input.
func (p *pass) inputs(ctx context.Context) (found []input, err error) {
	if p.plan.manifest != "" {
		return p.readManifest(ctx)
	}
	prefix := p.plan.prefix
	for after, more := "", true; more; {
		var page []object.Info
		page, more, err = p.svc.Objects.List(ctx, p.plan.bucket, prefix, after, 0)
		if errors.Is(err, object.ErrNoSuchBucket) {
			return nil, clientError("the bucket '%s' of the input does not exist", p.plan.bucket)
		}
		if err != nil {
			return nil, err
		}
		for _, o := range page {
			after = o.Key
			if name := nameOf(prefix, o.Key); name != "" && !strings.HasSuffix(name, "/") {
				found = append(found, input{p.plan.bucket, o.Key, name})
			}
		}
	}
	if len(found) == 0 {
		return nil, clientError("no S3 objects found under S3 URL 's3://%s/%s'", p.plan.bucket, prefix)
	}
	return found, nil
}

// nameOf is what is left of a key without its input's prefix: from the last slash of the prefix on where that is no folder.
func nameOf(prefix, key string) string {
	if key == prefix || !strings.HasSuffix(prefix, "/") && !strings.HasPrefix(key, prefix+"/") {
		prefix = prefix[:strings.LastIndexByte(prefix, '/')+1]
	}
	return strings.TrimPrefix(strings.TrimPrefix(key, prefix), "/")
}

// maxManifest bounds a manifest in bytes.
const maxManifest = 64 << 20

// readManifest reads a list of objects: [{"prefix": "s3://bucket/folder/"}, "a.csv", "b.csv"].
func (p *pass) readManifest(ctx context.Context) (found []input, err error) {
	body, info, err := p.svc.Objects.Get(ctx, p.plan.bucket, p.plan.manifest)
	if errors.Is(err, object.ErrNoSuchBucket) || errors.Is(err, object.ErrNoSuchKey) {
		return nil, clientError("the manifest 's3://%s/%s' does not exist", p.plan.bucket, p.plan.manifest)
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var entries []json.RawMessage
	if info.Size > maxManifest {
		return nil, clientError("the manifest is larger than %d bytes", maxManifest)
	}
	if err := json.NewDecoder(body).Decode(&entries); err != nil {
		return nil, clientError("the manifest is no JSON list: %v", err)
	}
	var head struct{ Prefix string }
	for i, entry := range entries {
		var name string
		if i == 0 && json.Unmarshal(entry, &head) == nil && head.Prefix != "" {
			continue
		}
		if err := json.Unmarshal(entry, &name); err != nil {
			return nil, clientError("entry %d of the manifest must be the name of an object, not %s", i+1, entry)
		}
		bucket, key, err := object.ParseURI(head.Prefix + name)
		if err != nil {
			return nil, clientError("entry %d of the manifest: %v", i+1, err)
		}
		found = append(found, input{bucket, key, strings.TrimPrefix(name, "/")})
	}
	if len(found) == 0 {
		return nil, clientError("the manifest names no object")
	}
	return found, nil
}

// progress is the list of the objects whose output is written, kept for a server that takes the job over. What is lost of it is done again.
type progress struct {
	mu   sync.Mutex
	file *os.File
	keys map[string]bool
}

func openProgress(path string) (*progress, error) {
	d := &progress{keys: map[string]bool{}}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	lines := bufio.NewScanner(strings.NewReader(string(b)))
	for lines.Scan() {
		if key, err := strconv.Unquote(lines.Text()); err == nil {
			d.keys[key] = true
		}
	}
	d.file, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return d, err
}

func (d *progress) has(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.keys[key]
}

func (d *progress) add(key string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys[key] = true
	_, err := d.file.WriteString(strconv.Quote(key) + "\n")
	return err
}

func (d *progress) close() { d.file.Close() }
