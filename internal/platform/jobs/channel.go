package jobs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/records"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/scriptmode"
)

// A channel is what only an input of a training job has.
type channel struct {
	piped      bool
	augmented  bool     // uri names an augmented manifest
	attributes []string // of its lines, in the order in which they go through the pipe
	wrapped    bool     // each object or attribute is a RecordIO record
	gzip       bool
	seed       *int64 // of a shuffle
}

func (p *pass) channelOf(c awsapi.Channel) channel {
	s3 := c.DataSource.S3DataSource
	out := channel{piped: piped(p.job.Training, c), augmented: awsapi.Val(s3.S3DataType) == awsapi.S3DataTypeAugmentedManifestFile, attributes: s3.AttributeNames}
	// The service knows wrapping and unpacking in Pipe mode only; files are as they are.
	out.wrapped = out.piped && awsapi.Val(c.RecordWrapperType) == awsapi.RecordWrapperRecordIO
	out.gzip = out.piped && awsapi.Val(c.CompressionType) == awsapi.CompressionTypeGzip
	if c.ShuffleConfig != nil {
		out.seed = c.ShuffleConfig.Seed
	}
	return out
}

// checkChannel checks what S3DataType, AttributeNames and the input mode say together.
func checkChannel(in *awsapi.CreateTrainingJobRequest, c awsapi.Channel) error {
	s3 := c.DataSource.S3DataSource
	switch kind := awsapi.Val(s3.S3DataType); kind {
	case "", awsapi.S3DataTypeS3Prefix, awsapi.S3DataTypeManifestFile:
		return nil
	case awsapi.S3DataTypeAugmentedManifestFile:
		if !piped(in, c) {
			return awsapi.Validation("channel '%s': S3DataType %s can only be used with input mode %s.", *c.ChannelName, kind, awsapi.TrainingInputModePipe)
		}
		if len(s3.AttributeNames) == 0 {
			return awsapi.Validation("channel '%s': S3DataType %s needs AttributeNames, which name what of each line is sent.", *c.ChannelName, kind)
		}
		return nil
	default:
		return awsapi.Validation("channel '%s': S3DataType %s is not served; S3Prefix, ManifestFile and AugmentedManifestFile are.", *c.ChannelName, kind)
	}
}

// An item is what a shuffle and the sharing among hosts keep together: an object, or the attributes of a line of an augmented manifest.
type item []piece

// A piece is an object and the name that it gets, or a text.
type piece struct {
	info object.Info
	name string // "" for a text
	text string
}

// maxAugmentedLine is the service's limit of a line of an augmented manifest, in bytes.
const maxAugmentedLine = 100_000

// readAugmented reads a manifest of JSON lines. An attribute whose name ends in -ref is the object that it names, any other its value.
func (p *pass) readAugmented(ctx context.Context, in input, bucket, key string) (items []item, err error) {
	body, err := p.openManifest(ctx, in, bucket, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	names := map[string]piece{} // by URI: an object that many lines name is brought once
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 1<<16), maxAugmentedLine)
	for number := 1; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		one, err := p.augmentedLine(ctx, in, lines.Bytes(), names)
		var user *userError
		if errors.As(err, &user) {
			return nil, clientError("Data download failed: input %s: the manifest '%s', line %d: %s", in.name, in.uri, number, strings.TrimPrefix(user.text, "ClientError: "))
		}
		if err != nil {
			return nil, err
		}
		items = append(items, one)
	}
	if err := lines.Err(); err != nil {
		return nil, clientError("input %s: the manifest '%s' cannot be read after line %d: %v", in.name, in.uri, len(items), err)
	}
	if len(items) == 0 {
		return nil, clientError("Data download failed: input %s: the manifest '%s' has no line", in.name, in.uri)
	}
	return items, nil
}

func (p *pass) augmentedLine(ctx context.Context, in input, line []byte, names map[string]piece) (one item, err error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(line, &values); err != nil {
		return nil, clientError("it is no JSON object: %v", err)
	}
	for _, attribute := range in.attributes {
		value, ok := values[attribute]
		if !ok {
			return nil, clientError("it has no attribute '%s'", attribute)
		}
		text := string(value)
		if value[0] == '"' { // a string goes without its quotes
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, clientError("attribute '%s': %v", attribute, err)
			}
		}
		if !strings.HasSuffix(attribute, "-ref") {
			one = append(one, piece{text: text})
			continue
		}
		known, ok := names[text]
		if !ok {
			known.name = fmt.Sprint(len(names))
			if known.info, err = p.head(ctx, in, text); err != nil {
				return nil, err
			}
			names[text] = known
		}
		one = append(one, known)
	}
	return one, nil
}

// spread brings the items to the hosts that are to have them, and tells those that have a pipe what goes through it.
func (p *pass) spread(ctx context.Context, spec *runner.Spec, in input, items []item) error {
	if in.seed != nil && !in.piped {
		shuffled := make([]item, len(items))
		for to, from := range scriptmode.Order(len(items), *in.seed, 0) {
			shuffled[to] = items[from]
		}
		items = shuffled
	}
	// A pipe that is shuffled shares the items anew in each epoch, so every host has all of them.
	anew := in.piped && in.seed != nil
	for host := 1; host <= spec.Hosts; host++ {
		feed := scriptmode.Feed{RecordIO: in.wrapped, Gzip: in.gzip, Seed: in.seed}
		if anew && in.sharded {
			feed.Host, feed.Hosts = host-1, spec.Hosts
		}
		placed := map[string]bool{}
		for number, one := range items {
			if in.sharded && !anew && number%spec.Hosts != host-1 {
				continue
			}
			pieces := make([]scriptmode.Piece, len(one))
			for i, piece := range one {
				pieces[i] = scriptmode.Piece{File: piece.name, Text: piece.text}
				if piece.name == "" || placed[piece.name] {
					continue
				}
				if placed[piece.name] = true; in.wrapped && piece.info.Size > records.MaxRecordIO {
					return clientError("Data download failed: input %s: 's3://%s/%s' has %d bytes; a RecordIO record has at most %d", in.name, piece.info.Bucket, piece.info.Key, piece.info.Size, records.MaxRecordIO)
				}
				if err := p.place(ctx, spec, in, piece.info, piece.name, host); err != nil {
					return err
				}
			}
			feed.Items = append(feed.Items, pieces)
		}
		if in.piped {
			if err := p.writeFeed(host, in.name, feed); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pass) writeFeed(host int, name string, feed scriptmode.Feed) error {
	b, err := json.Marshal(feed)
	if err != nil {
		return err
	}
	file := p.at(host, ml+"/"+scriptmode.FeedFolder+"/"+name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}
