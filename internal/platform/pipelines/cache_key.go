package pipelines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
)

// A key is what the cache knows a step by. It is kept in parts so that a miss can name the first one that differs.
type key struct {
	Sum   string
	Parts []part
}

// A part is one member of a step's arguments, with the digest of what it says and of the objects it names.
type part struct{ Name, Digest string }

// counted lists the members of a step's arguments that make its key, from AWS's documentation of step caching. The output paths of training
// and tuning are added to it: their results lie where they were written and are not copied on a hit.
var counted = map[string][]string{
	definition.Processing: {"AppSpecification", "Environment", "ProcessingInputs"},
	definition.Training: {"AlgorithmSpecification", "CheckpointConfig", "DebugHookConfig", "DebugRuleConfigurations", "Environment",
		"HyperParameters", "InputDataConfig", "OutputDataConfig"},
	definition.Tuning: {"HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions", "WarmStartConfig"},
}

// generated are members that the SDK gives a new value each time and that say nothing about the result.
var generated = []string{"sagemaker_job_name"}

// written are members that say where results go: what lies there now is no input, so they count as text.
var written = []string{"S3OutputPath", "CheckpointConfig"}

// stepVersion is the environment variable by which a Go step says what stands for its program in the key, so that an edit elsewhere in the
// program does not miss every step; codeInput is the input that carries the program.
const (
	stepVersion = "MOBULA_STEP_VERSION"
	codeInput   = "code"
)

// keyOf makes the key of a step from its evaluated arguments.
func keyOf(ctx context.Context, objects object.Store, stepType string, args map[string]any) (*key, error) {
	k := &key{}
	environment, _ := args["Environment"].(map[string]any)
	_, versioned := environment[stepVersion]
	add := func(name string, value any) error {
		normal, err := byContent(ctx, objects, value)
		if err != nil {
			return err
		}
		b, err := json.Marshal(normal)
		if err != nil {
			return err
		}
		k.Parts = append(k.Parts, part{name, digest(string(b))})
		return nil
	}
	for _, member := range counted[stepType] {
		list, isList := args[member].([]any)
		if !isList {
			if err := add(member, args[member]); err != nil {
				return nil, err
			}
			continue
		}
		for i, entry := range list {
			m, _ := entry.(map[string]any)
			name := fmt.Sprintf("%s[%d]", member, i)
			for _, by := range []string{"InputName", "ChannelName"} {
				if s, ok := m[by].(string); ok {
					name = fmt.Sprintf("%s['%s']", member, s)
				}
			}
			if versioned && m["InputName"] == codeInput {
				continue
			}
			if err := add(name, entry); err != nil {
				return nil, err
			}
		}
	}
	all := []string{stepType}
	for _, p := range k.Parts {
		all = append(all, p.Name, p.Digest)
	}
	k.Sum = digest(all...)
	return k, nil
}

// byContent returns value with every S3 URI that names objects replaced by the digest of their content, and generated names dropped.
func byContent(ctx context.Context, objects object.Store, value any) (any, error) {
	switch x := value.(type) {
	case string:
		uri := strings.Trim(x, `"`) // hyper-parameters carry text in quotes
		if !strings.HasPrefix(uri, "s3://") {
			return x, nil
		}
		files, err := under(ctx, objects, uri)
		if err != nil || len(files) == 0 {
			return x, err
		}
		var all []string
		for _, f := range files {
			all = append(all, f.Path, f.Digest)
		}
		return "content:" + digest(all...), nil
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			var err error
			if out[i], err = byContent(ctx, objects, e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(x)) {
			if slices.Contains(generated, name) {
				continue
			}
			if slices.Contains(written, name) {
				out[name] = x[name]
				continue
			}
			var err error
			if out[name], err = byContent(ctx, objects, x[name]); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return value, nil
}

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

// distance is in how many parts two keys differ.
func (k *key) distance(other *key) (n int) {
	digests := map[string]string{}
	for _, p := range other.Parts {
		digests[p.Name] = p.Digest
	}
	for _, p := range k.Parts {
		if digests[p.Name] != p.Digest {
			n++
		}
		delete(digests, p.Name)
	}
	return n + len(digests)
}

// differs names the first part in which two keys differ.
func (k *key) differs(earlier *key) string {
	before := map[string]string{}
	for _, p := range earlier.Parts {
		before[p.Name] = p.Digest
	}
	for _, p := range k.Parts {
		was, ok := before[p.Name]
		if !ok {
			return p.Name + " is new"
		}
		if was != p.Digest {
			return p.Name + " has changed"
		}
		delete(before, p.Name)
	}
	for _, p := range earlier.Parts {
		if _, gone := before[p.Name]; gone {
			return p.Name + " is gone"
		}
	}
	return "the step's type has changed"
}

// digest is the SHA-256, in hexadecimal, of its arguments, each with its length before it.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}
