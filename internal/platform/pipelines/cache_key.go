package pipelines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/pipelines/definition"
)

// A key is what the cache knows a step by. It is kept in parts so that a miss can name the first one that differs.
type key struct {
	Sum   string
	Parts []part
}

// A part is one member of a step's arguments, with the digest of what it says and of the objects it names.
type part struct {
	Name, Digest string
	Content      bool `json:",omitempty"` // it is a URI, and what lies there counts
}

// called is the part as a person is told of it.
func (p part) called() string {
	if p.Content {
		return "the content of " + p.Name
	}
	return p.Name
}

// counted lists the members of a step's arguments that make its key, from AWS's documentation of step caching. The output paths of training,
// tuning and transform are added to it: their results lie where they were written and are not copied on a hit.
var counted = map[string][]string{
	definition.Processing: {"AppSpecification", "Environment", "ProcessingInputs"},
	definition.Training: {"AlgorithmSpecification", "CheckpointConfig", "DebugHookConfig", "DebugRuleConfigurations", "Environment",
		"HyperParameters", "InputDataConfig", "OutputDataConfig"},
	definition.Tuning: {"HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions", "WarmStartConfig"},
	definition.Transform: {"BatchStrategy", "DataProcessing", "Environment", "MaxConcurrentTransforms", "MaxPayloadInMB", "Model", "TransformInput",
		"TransformOutput"},
	definition.Lambda:   {"Code", "FunctionArn", "Arguments", "OutputParameters"},
	definition.Callback: {"SqsQueueUrl", "Arguments", "OutputParameters"},
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

// anyJob stands for the name of the step's own job in the key: every execution has another.
const anyJob = "job"

// keyOf makes the key of a step.
func (r *run) keyOf(def *definition.Step) (*key, error) {
	value, err := definition.Evaluate(def.Arguments, stepScope{r, def, anyJob})
	if err != nil {
		return nil, err
	}
	members, err := r.keyMembers(def, value.(map[string]any))
	if err != nil {
		return nil, err
	}
	k := &key{}
	environment, _ := members["Environment"].(map[string]any)
	_, versioned := environment[stepVersion]
	for _, name := range counted[def.Type] {
		normal := members[name]
		if def.Type != definition.Lambda && def.Type != definition.Callback { // what they make of a URI is not known
			if normal, err = r.svc.byContent(r.ctx, normal); err != nil {
				return nil, err
			}
		}
		k.add(name, normal, 0)
	}
	k.addRuntimes(r.svc.Runtimes, members)
	if versioned {
		code := "ProcessingInputs['" + codeInput + "']"
		k.Parts = slices.DeleteFunc(k.Parts, func(p part) bool { return p.Name == code || strings.HasPrefix(p.Name, code+".") })
	}
	all := []string{def.Type}
	for _, p := range k.Parts {
		all = append(all, p.Name, p.Digest)
	}
	k.Sum = digest(all...)
	return k, nil
}

// keyMembers is what the key of a step is made of: its arguments, and what they name that has no place in them.
func (r *run) keyMembers(def *definition.Step, args map[string]any) (map[string]any, error) {
	switch def.Type {
	case definition.Lambda, definition.Callback:
		members := map[string]any{"Arguments": args, "FunctionArn": def.FunctionARN, "SqsQueueUrl": def.QueueURL, "OutputParameters": def.Outputs}
		if def.Type == definition.Lambda {
			sum, err := r.svc.Functions.CodeDigest(r.ctx, def.FunctionARN)
			if err != nil && !awsapi.IsNotFound(err) { // a function that does not exist fails the step when it is invoked
				return nil, err
			}
			members["Code"] = sum
			if members["Image"], err = r.svc.Functions.Image(r.ctx, def.FunctionARN); err != nil && !awsapi.IsNotFound(err) {
				return nil, err
			}
		}
		return members, nil
	case definition.Transform:
		name, _ := args["ModelName"].(string)
		model, err := r.svc.Models.DescribeModel(r.ctx, &awsapi.DescribeModelInput{ModelName: &name})
		if err != nil && !isRefusal(err) { // a model that does not exist fails the step when its job is made
			return nil, err
		}
		members := maps.Clone(args)
		if model != nil {
			tree, err := treeOf([]any{model.PrimaryContainer, model.Containers})
			if err != nil {
				return nil, err
			}
			members["Model"] = tree
		}
		return members, nil
	}
	return args, nil
}

// treeOf is the JSON tree of a value.
func treeOf(v any) (tree any, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &tree)
	}
	return tree, err
}

// maxParts is how deep structures are taken apart, so that a miss names what differs and not all that is around it.
const maxParts = 3

// add puts a value into the key: structures by member, lists of named entries by name, and the rest as it is.
func (k *key) add(name string, value any, depth int) {
	switch x := value.(type) {
	case nil:
		return
	case map[string]any:
		if depth < maxParts && len(x) > 0 {
			for _, member := range slices.Sorted(maps.Keys(x)) {
				k.add(name+"."+member, x[member], depth+1)
			}
			return
		}
	case []any:
		if names := entryNames(x); depth < maxParts && len(names) > 0 {
			for i, entry := range x {
				k.add(name+"['"+names[i]+"']", entry, depth+1)
			}
			return
		}
	}
	b, err := json.Marshal(value)
	if err != nil {
		panic("a JSON tree can be encoded: " + err.Error())
	}
	text, _ := value.(string)
	k.Parts = append(k.Parts, part{name, digest(string(b)), strings.HasPrefix(text, content)})
}

// entryNames are the names of a list's entries, or nil where they have none that tell them apart.
func entryNames(list []any) []string {
	var names []string
	for _, entry := range list {
		m, _ := entry.(map[string]any)
		for _, by := range []string{"InputName", "ChannelName", "DefinitionName", "Name"} {
			if s, ok := m[by].(string); ok && !slices.Contains(names, s) {
				names = append(names, s)
				break
			}
		}
	}
	if len(names) < len(list) {
		return nil
	}
	return names
}

// content begins what stands for a URI by what lies there.
const content = "content:"

// byContent returns value with every S3 URI that names objects replaced by the digest of their content, and generated names dropped.
func (s *Service) byContent(ctx context.Context, value any) (any, error) {
	switch x := value.(type) {
	case string:
		uri := strings.Trim(x, `"`) // hyper-parameters carry text in quotes
		if !strings.HasPrefix(uri, "s3://") {
			return x, nil
		}
		files, err := under(ctx, s.Objects, uri)
		if err != nil || len(files) == 0 {
			return x, err
		}
		var all []string
		for _, f := range files {
			sum, err := s.unpackedDigest(ctx, uri, f)
			if err != nil {
				return nil, err
			}
			all = append(all, f.Path, sum)
		}
		return content + digest(all...), nil
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			var err error
			if out[i], err = s.byContent(ctx, e); err != nil {
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
			if out[name], err = s.byContent(ctx, x[name]); err != nil {
				return nil, err
			}
		}
		if uri, ok := manifestOf(x); ok {
			sum, err := s.listed(ctx, uri, x)
			if err != nil {
				return nil, err
			}
			if sum != "" {
				out["S3Uri"] = sum
			}
		}
		return out, nil
	}
	return value, nil
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
			return p.called() + " is new"
		}
		if was != p.Digest {
			return p.called() + " has changed"
		}
		delete(before, p.Name)
	}
	for _, p := range earlier.Parts {
		if _, gone := before[p.Name]; gone {
			return p.called() + " is gone"
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
