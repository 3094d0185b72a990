package jobs_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/platform/jobs"
	"github.com/mobula-ml/mobula/internal/platform/platformtest"
	"github.com/mobula-ml/mobula/internal/records"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/tarball"
)

// piper runs training jobs that keep what comes through their pipes.
type piper struct {
	t *testing.T
	e *platformtest.Env
	s *jobs.Service
}

// request is a job that reads the pipe of its channel three times.
func (p piper) request(name string, hosts int32, c awsapi.Channel) *awsapi.CreateTrainingJobRequest {
	in := training(name)
	in.AlgorithmSpecification.TrainingImage = new("mobula/go:1")
	in.AlgorithmSpecification.ContainerEntrypoint = []string{"/bin/sh", "-c",
		`cd /opt/ml/input/data && for n in 0 1 2; do cat train_$n > /opt/ml/model/$SM_CURRENT_HOST$(hostname)-$n; done`}
	c.ChannelName, c.InputMode = new("train"), new("Pipe")
	in.HyperParameters, in.InputDataConfig, in.ResourceConfig.InstanceCount = nil, []awsapi.Channel{c}, &hosts
	return in
}

// run gives what was read in each epoch, for each host.
func (p piper) run(name string, hosts int32, c awsapi.Channel) (epochs [][]string) {
	p.t.Helper()
	if _, err := p.s.CreateTrainingJob(p.e.Ctx, p.request(name, hosts, c)); err != nil {
		p.t.Fatal(err)
	}
	if d := trained(p.t, p.e, p.s, name); *d.TrainingJobStatus != "Completed" {
		p.t.Fatalf("%s: %s: %s", name, *d.TrainingJobStatus, awsapi.Val(d.FailureReason))
	}
	model := p.t.TempDir()
	if err := tarball.Unpack(model, strings.NewReader(read(p.t, p.e, "models/"+name+"/output/model.tar.gz"))); err != nil {
		p.t.Fatal(err)
	}
	for n := range 3 {
		files, err := filepath.Glob(fmt.Sprintf("%s/*-%d", model, n))
		if err != nil || len(files) != int(hosts) {
			p.t.Fatal(name, files, err)
		}
		var epoch []string
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				p.t.Fatal(err)
			}
			epoch = append(epoch, string(b))
		}
		epochs = append(epochs, epoch)
	}
	return epochs
}

func source(uri, kind string, attributes ...string) awsapi.Channel {
	return awsapi.Channel{DataSource: &awsapi.DataSource{S3DataSource: &awsapi.S3DataSource{S3DataType: &kind,
		S3Uri: new("s3://" + platformtest.Bucket + "/" + uri), AttributeNames: attributes}}}
}

func unwrap(t *testing.T, text string) (payloads []string) {
	t.Helper()
	for r := records.NewReader(strings.NewReader(text), records.RecordIO, 1<<30); ; {
		one, err := r.Next()
		if err != nil {
			if err.Error() != "EOF" {
				t.Errorf("%v in %q", err, text)
			}
			return payloads
		}
		payloads = append(payloads, string(one.Payload))
	}
}

// Pipes wrap objects in records, unpack them, and send the attributes of augmented manifests in their order.
func TestRecordsInPipes(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	p := piper{t, e, newRoom(t, e, runner.Auto, 16)}
	bucket := "s3://" + platformtest.Bucket + "/"
	large := strings.Repeat("large", 1<<18)
	put(t, e, "data/a", "one")
	put(t, e, "data/b", large)
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	fmt.Fprint(zip, "packed")
	zip.Close()
	put(t, e, "zip/a.gz", zipped.String())
	put(t, e, "list.manifest", `{"source-ref": "`+bucket+`data/a", "label": 1, "name": "x \"y\"", "other": 5}`+"\n\n"+
		`{"label": {"n": [1, 2]}, "name": "z", "source-ref": "`+bucket+`data/b"}`+"\n"+`{"source-ref": "`+bucket+`data/a", "label": 0, "name": ""}`+"\n")
	wrapped := source("data/", "S3Prefix")
	wrapped.RecordWrapperType = new("RecordIO")
	packed := source("zip/", "S3Prefix")
	packed.RecordWrapperType, packed.CompressionType = wrapped.RecordWrapperType, new("Gzip")
	augmented := source("list.manifest", "AugmentedManifestFile", "source-ref", "label", "name")
	plain := augmented
	augmented.RecordWrapperType = wrapped.RecordWrapperType
	lines := []string{"one", "1", `x "y"`, large, `{"n": [1, 2]}`, "z", "one", "0", ""}
	for name, c := range map[string]struct {
		channel awsapi.Channel
		want    []string
	}{"wrapped": {wrapped, []string{"one", large}}, "packed": {packed, []string{"packed"}}, "augmented": {augmented, lines}, "plain": {plain, nil}} {
		for n, epoch := range p.run(name, 1, c.channel) {
			if c.want == nil && epoch[0] != strings.Join(lines, "") {
				t.Errorf("%s, epoch %d: %d bytes", name, n, len(epoch[0]))
			}
			if c.want != nil && !slices.Equal(unwrap(t, epoch[0]), c.want) {
				t.Errorf("%s, epoch %d: %d records", name, n, len(unwrap(t, epoch[0])))
			}
		}
	}
}

// A shuffle gives another order in each epoch, the same for the same seed, and shares the lines among the hosts anew.
func TestShuffle(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	p := piper{t, e, newRoom(t, e, runner.Auto, 16)}
	var list, want string
	for i := range 20 {
		put(t, e, fmt.Sprintf("data/%02d", i), fmt.Sprintf("%c", 'a'+i))
		list += fmt.Sprintf(`{"v": "%c"}`+"\n", 'a'+i)
		want += fmt.Sprintf("%c", 'a'+i)
	}
	put(t, e, "list.manifest", list)
	sorted := func(s string) string { b := []byte(s); slices.Sort(b); return string(b) }
	shuffled := func(c awsapi.Channel, seed int64) awsapi.Channel {
		c.ShuffleConfig = &awsapi.ShuffleConfig{Seed: &seed}
		return c
	}
	one, two := p.run("one", 1, shuffled(source("data/", "S3Prefix"), 7)), p.run("two", 1, shuffled(source("list.manifest", "AugmentedManifestFile", "v"), 7))
	other := p.run("other", 1, shuffled(source("data/", "S3Prefix"), 8))
	for n := range 3 {
		if sorted(one[n][0]) != want || one[n][0] == want || one[n][0] != two[n][0] || one[n][0] == other[n][0] || one[n][0] == one[(n+1)%3][0] {
			t.Errorf("epoch %d: %s, %s; other seed %s", n, one[n][0], two[n][0], other[n][0])
		}
	}
	shared := shuffled(source("data/", "S3Prefix"), 7)
	shared.DataSource.S3DataSource.S3DataDistributionType = new("ShardedByS3Key")
	both := p.run("shared", 2, shared)
	for n, epoch := range both {
		if len(epoch[0]) != 10 || sorted(epoch[0]+epoch[1]) != want || sorted(epoch[0]) == sorted(both[(n+1)%3][0]) {
			t.Errorf("shared, epoch %d: %s", n, epoch)
		}
	}
}

// What is wrong with an augmented manifest is said with its line.
func TestAugmentedManifestsThatFail(t *testing.T) {
	t.Parallel()
	e := platformtest.New(t)
	p := piper{t, e, newRoom(t, e, runner.Auto, 16)}
	for name, c := range map[string]struct{ text, want string }{
		"json":      {"{\"a-ref\": \n", "line 1: it is no JSON object"},
		"attribute": {"{\"b\": 1}\n", "line 1: it has no attribute 'a-ref'"},
		"object":    {"{\"a-ref\": \"s3://" + platformtest.Bucket + "/none\"}\n", "/none' does not exist"},
		"uri":       {"{\"a-ref\": 5}\n", "'5'"},
		"empty":     {"\n", "has no line"},
	} {
		put(t, e, name+".manifest", c.text)
		if _, err := p.s.CreateTrainingJob(e.Ctx, p.request(name, 1, source(name+".manifest", "AugmentedManifestFile", "a-ref"))); err != nil {
			t.Fatal(err)
		}
		if d := trained(t, e, p.s, name); *d.TrainingJobStatus != "Failed" || !strings.Contains(awsapi.Val(d.FailureReason), c.want) {
			t.Errorf("%s: %s: %s", name, *d.TrainingJobStatus, awsapi.Val(d.FailureReason))
		}
	}
	file := p.request("file", 1, source("list", "AugmentedManifestFile", "a"))
	file.InputDataConfig[0].InputMode = new("File")
	for want, in := range map[string]*awsapi.CreateTrainingJobRequest{
		"can only be used with input mode Pipe": file,
		"needs AttributeNames":                  p.request("none", 1, source("list", "AugmentedManifestFile")),
	} {
		if _, err := p.s.CreateTrainingJob(e.Ctx, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
