package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/scriptmode"
	"github.com/mobula-ml/mobula/xgboost"
)

// An input is one input of a job, in the terms that both kinds of job share.
type input struct {
	name, uri string
	target    string // folder in the host
	list      bool   // uri names a manifest
	sharded   bool   // each host gets a part of the objects
	channel
}

// ml is the root of the contract between a job and its hosts.
const ml = "/opt/ml"

// stage fills the folders of the hosts and says what is to be started in them.
func (p *pass) stage(ctx context.Context, prog program) (*runner.Spec, error) {
	kind, hosts := p.job.cluster()
	shape, err := capacity.InstanceOf(kind)
	if err != nil {
		return nil, clientError("%v", err)
	}
	spec := &runner.Spec{Name: p.job.Name, Dir: p.dir, Hosts: hosts, Env: map[string]string{}, VCPUs: shape.VCPUs, MemoryBytes: shape.Memory,
		MaxRuntime: p.job.maxRuntime(), PlatformSocket: p.svc.Socket}
	var folders []string
	var inputs []input
	spec.Command = prog.command
	if p.job.Processing != nil {
		inputs, folders = p.processingInputs()
	} else {
		inputs, folders = p.trainingInputs()
	}
	for n := 1; n <= hosts; n++ {
		for _, f := range folders {
			if err := os.MkdirAll(p.at(n, f), 0o755); err != nil {
				return nil, err
			}
		}
		if err := p.configure(n, hosts); err != nil {
			return nil, err
		}
	}
	for _, in := range inputs {
		if err := p.fetch(ctx, spec, in); err != nil {
			return nil, err
		}
	}
	if err := p.makeExecutable(spec); err != nil {
		return nil, err
	}
	return spec, p.shareLogs(hosts)
}

// at is where a path below /opt/ml of a host lies on the machine.
func (p *pass) at(host int, target string) string {
	return filepath.Join(runner.HostDir(p.dir, host), "ml", strings.TrimPrefix(path.Clean(target), ml))
}

func (p *pass) processingInputs() (inputs []input, folders []string) {
	in := p.job.Processing
	folders = []string{ml + "/processing", ml + "/config", ml + "/output"}
	for _, i := range in.ProcessingInputs {
		s3 := i.S3Input
		inputs = append(inputs, input{name: *i.InputName, uri: *s3.S3Uri, target: awsapi.Val(s3.LocalPath),
			list:    awsapi.Val(s3.S3DataType) == awsapi.ProcessingS3DataTypeManifestFile,
			sharded: awsapi.Val(s3.S3DataDistributionType) == awsapi.ProcessingS3DataDistributionTypeShardedByS3Key})
		folders = append(folders, awsapi.Val(s3.LocalPath))
	}
	if in.ProcessingOutputConfig != nil {
		for _, o := range in.ProcessingOutputConfig.Outputs {
			folders = append(folders, rowsFolder(o))
		}
	}
	return inputs, folders
}

func (p *pass) trainingInputs() (inputs []input, folders []string) {
	folders = []string{ml + "/input/config", ml + "/input/data", ml + "/model", ml + "/output/data", ml + "/code", ml + "/checkpoints"}
	for _, c := range p.job.Training.InputDataConfig {
		s3 := c.DataSource.S3DataSource
		target := ml + "/input/data/" + *c.ChannelName
		if piped(p.job.Training, c) {
			target = ml + "/" + scriptmode.PipeFolder + "/" + *c.ChannelName
		}
		inputs = append(inputs, input{name: *c.ChannelName, uri: *s3.S3Uri, target: target,
			list:    awsapi.Val(s3.S3DataType) == awsapi.S3DataTypeManifestFile,
			sharded: awsapi.Val(s3.S3DataDistributionType) == awsapi.S3DataDistributionShardedByS3Key, channel: p.channelOf(c)})
		folders = append(folders, target)
	}
	if c := p.job.Training.CheckpointConfig; c != nil {
		inputs = append(inputs, input{name: "checkpoints", uri: *c.S3Uri, target: checkpointFolder(c)})
	}
	return inputs, folders
}

func checkpointFolder(c *awsapi.CheckpointConfig) string {
	if c.LocalPath != nil {
		return *c.LocalPath
	}
	return ml + "/checkpoints"
}

// configure writes the files by which a host learns what it is part of.
func (p *pass) configure(n, hosts int) error {
	names := make([]string, hosts)
	for i := range names {
		names[i] = runner.HostName(i + 1)
	}
	kind, _ := p.job.cluster()
	resources := map[string]any{"current_host": runner.HostName(n), "hosts": names, "network_interface_name": "eth0",
		"current_instance_type": kind, "current_group_name": "homogeneousCluster",
		"instance_groups": []any{map[string]any{"instance_group_name": "homogeneousCluster", "instance_type": kind, "hosts": names}}}
	files := map[string]any{ml + "/config/resourceconfig.json": resources, ml + "/config/processingjobconfig.json": p.job.describeProcessingConfig()}
	if p.job.Training != nil {
		channels := map[string]any{}
		for _, c := range p.job.Training.InputDataConfig {
			mode := "File" // what lies there for FastFile, too
			if piped(p.job.Training, c) {
				mode = awsapi.TrainingInputModePipe
			}
			channels[*c.ChannelName] = map[string]any{"ContentType": awsapi.Val(c.ContentType), "TrainingInputMode": mode,
				"S3DistributionType": awsapi.Val(c.DataSource.S3DataSource.S3DataDistributionType), "RecordWrapperType": orNone(c.RecordWrapperType)}
		}
		params := p.job.Training.HyperParameters
		if params == nil {
			params = map[string]string{}
		}
		files = map[string]any{ml + "/input/config/resourceconfig.json": resources, ml + "/input/config/hyperparameters.json": params,
			ml + "/input/config/inputdataconfig.json": channels}
	}
	for name, content := range files {
		b, err := json.Marshal(content)
		if err != nil {
			return err
		}
		if err := os.WriteFile(p.at(n, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) describeProcessingConfig() any {
	if j.Processing == nil {
		return nil
	}
	return j.describeProcessing()
}

func orNone(s *string) string {
	if s == nil {
		return "None"
	}
	return *s
}

// copyBelow is the size in bytes up to which an object is copied into a host's folder. A larger one is shown there read-only: quicker than
// copying it, and the job cannot change it either way.
const copyBelow = 1 << 20

// maxMounts bounds the objects that are shown so; further ones are copied.
const maxMounts = 200

// fetch brings one input to every host.
func (p *pass) fetch(ctx context.Context, spec *runner.Spec, in input) error {
	bucket, prefix, err := object.ParseURI(in.uri)
	if err != nil {
		return clientError("input %s: '%s': %v", in.name, in.uri, err)
	}
	var items []item
	switch {
	case in.augmented:
		items, err = p.readAugmented(ctx, in, bucket, prefix)
	case in.list:
		items, err = p.readManifest(ctx, in, bucket, prefix)
	default:
		items, err = p.list(ctx, in, bucket, prefix)
	}
	if err != nil {
		return err
	}
	return p.spread(ctx, spec, in, items)
}

// list finds the objects of a prefix.
func (p *pass) list(ctx context.Context, in input, bucket, prefix string) (items []item, err error) {
	for after, more := "", true; more; {
		var page []object.Info
		page, more, err = p.svc.Objects.List(ctx, bucket, prefix, after, 1000)
		if errors.Is(err, object.ErrNoSuchBucket) {
			return nil, clientError("Data download failed: input %s: the bucket of '%s' does not exist", in.name, in.uri)
		}
		if err != nil {
			return nil, err
		}
		for _, info := range page {
			after = info.Key
			if name, ok := relative(prefix, info.Key); ok {
				items = append(items, item{{info: info, name: name}})
			}
		}
	}
	if len(items) == 0 && in.name != "checkpoints" {
		return nil, clientError("Data download failed: input %s: no S3 objects found under S3 URL '%s'", in.name, in.uri)
	}
	return items, nil
}

// maxManifest bounds a manifest in bytes.
const maxManifest = 64 << 20

// readManifest finds the objects that a manifest names: a JSON list of an object with the prefix and the keys behind it.
func (p *pass) readManifest(ctx context.Context, in input, bucket, key string) (items []item, err error) {
	body, err := p.openManifest(ctx, in, bucket, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var entries []json.RawMessage
	var head struct{ Prefix string }
	err = json.NewDecoder(io.LimitReader(body, maxManifest)).Decode(&entries)
	if err != nil || len(entries) == 0 || json.Unmarshal(entries[0], &head) != nil || head.Prefix == "" {
		return nil, clientError("input %s: the manifest '%s' must be a JSON list that begins with {\"prefix\": \"s3://…\"}", in.name, in.uri)
	}
	for number, entry := range entries[1:] {
		var rest string
		if json.Unmarshal(entry, &rest) != nil || !filepath.IsLocal(rest) {
			return nil, clientError("input %s: the manifest '%s', entry %d: %s is not a key below the prefix", in.name, in.uri, number+1, entry)
		}
		info, err := p.head(ctx, in, head.Prefix+rest)
		if err != nil {
			return nil, err
		}
		items = append(items, item{{info: info, name: rest}})
	}
	return items, nil
}

func (p *pass) openManifest(ctx context.Context, in input, bucket, key string) (io.ReadCloser, error) {
	body, _, err := p.svc.Objects.Get(ctx, bucket, key)
	if errors.Is(err, object.ErrNoSuchKey) || errors.Is(err, object.ErrNoSuchBucket) {
		return nil, clientError("Data download failed: input %s: the manifest '%s' does not exist", in.name, in.uri)
	}
	return body, err
}

// head describes an object that a manifest names.
func (p *pass) head(ctx context.Context, in input, uri string) (object.Info, error) {
	bucket, key, err := object.ParseURI(uri)
	if err != nil {
		return object.Info{}, clientError("input %s: '%s': %v", in.name, uri, err)
	}
	info, err := p.svc.Objects.Head(ctx, bucket, key)
	if errors.Is(err, object.ErrNoSuchKey) || errors.Is(err, object.ErrNoSuchBucket) {
		return info, clientError("Data download failed: input %s: '%s' does not exist", in.name, uri)
	}
	return info, err
}

// relative is the name that an object gets in its input's folder: below the prefix where that ends at a slash, else from the last slash of
// the prefix on, as the service does. A key that would leave the folder, and one that stands for a folder, have none.
func relative(prefix, key string) (string, bool) {
	base := prefix
	if key == prefix || !strings.HasSuffix(prefix, "/") && !strings.HasPrefix(key, prefix+"/") {
		base = prefix[:strings.LastIndexByte(prefix, '/')+1]
	}
	name := strings.TrimPrefix(strings.TrimPrefix(key, base), "/")
	return name, name != "" && !strings.HasSuffix(name, "/") && filepath.IsLocal(name)
}

// place brings one object to a host.
func (p *pass) place(ctx context.Context, spec *runner.Spec, in input, info object.Info, name string, host int) error {
	source, local := p.svc.Objects.LocalPath(ctx, info.Bucket, info.Key)
	target := path.Join(in.target, name)
	if local && info.Size >= copyBelow && len(spec.Mounts) < maxMounts && !p.uploaded(p.at(host, target)) {
		spec.Mounts = append(spec.Mounts, runner.Mount{Source: source, Target: target, ReadOnly: true, Host: host})
		return nil
	}
	if err := p.copy(ctx, info, p.at(host, target)); err != nil {
		return fmt.Errorf("input %s: %w", in.name, err)
	}
	return nil
}

func (p *pass) copy(ctx context.Context, info object.Info, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	body, _, err := p.svc.Objects.Get(ctx, info.Bucket, info.Key)
	if err != nil {
		return err
	}
	defer body.Close()
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

// makeExecutable lets the entrypoint run that came as an input: objects have no modes.
func (p *pass) makeExecutable(spec *runner.Spec) error {
	if len(spec.Command) == 0 || !strings.HasPrefix(spec.Command[0], ml+"/") {
		return nil
	}
	program := path.Clean(spec.Command[0])
	for _, m := range spec.Mounts {
		if m.Target == program {
			return os.Chmod(m.Source, 0o555)
		}
	}
	for n := 1; n <= spec.Hosts; n++ {
		err := os.Chmod(p.at(n, program), 0o755)
		if errors.Is(err, os.ErrNotExist) {
			return clientError("the entrypoint '%s' is in no input of the job", program)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// libraryFolder is where hosts see the folder of libxgboost.
const libraryFolder = "/opt/mobula/xgboost"

// addEnvironment adds what every job finds in its environment. The user's variables go before, but for what leads to the platform.
func (p *pass) addEnvironment(spec *runner.Spec, key identity.Credentials) {
	e := maps.Clone(spec.Env) // the container image's
	e["SM_NUM_CPUS"], e["SM_NUM_GPUS"] = strconv.Itoa(spec.VCPUs), "0"
	if p.svc.Library != "" && spec.Root == "" {
		e[xgboost.PathVariable] = spec.Show(p.svc.Runner, xgboost.LibraryFolder(p.svc.Library), p.svc.Library, libraryFolder)
	}
	if t := p.job.Training; t != nil {
		e["TRAINING_JOB_NAME"], e["TRAINING_JOB_ARN"] = p.job.Name, p.job.ARN
		e["SM_MODEL_DIR"], e["SM_OUTPUT_DATA_DIR"], e["SM_INPUT_DIR"] = ml+"/model", ml+"/output/data", ml+"/input"
		for _, c := range t.InputDataConfig {
			e["SM_CHANNEL_"+strings.ToUpper(*c.ChannelName)] = ml + "/input/data/" + *c.ChannelName
		}
		for k, v := range t.HyperParameters {
			e["SM_HP_"+strings.ToUpper(strings.ReplaceAll(k, "-", "_"))] = v
		}
	} else {
		e["PROCESSING_JOB_NAME"], e["PROCESSING_JOB_ARN"] = p.job.Name, p.job.ARN
	}
	maps.Copy(e, p.job.environment())
	maps.Copy(e, map[string]string{"AWS_ENDPOINT_URL": p.svc.Runner.PlatformURL(), "AWS_ACCESS_KEY_ID": key.AccessKeyID, "AWS_SECRET_ACCESS_KEY": key.SecretAccessKey,
		"AWS_SESSION_TOKEN": key.SessionToken, "AWS_REGION": p.job.Scope.Region, "AWS_DEFAULT_REGION": p.job.Scope.Region})
	spec.Env = e
}
