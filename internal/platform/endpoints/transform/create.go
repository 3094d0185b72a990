package transform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
	"github.com/mobula-ml/mobula/internal/records"
	"github.com/mobula-ml/mobula/internal/store"
)

// CreateTransformJob keeps a job and hands it to its controller. A job that is made in a context with an owner signals it when it has ended.
func (s *Service) CreateTransformJob(ctx context.Context, in *awsapi.CreateTransformJobRequest) (*awsapi.CreateTransformJobResponse, error) {
	scope, now := identity.From(ctx).Scope(), s.World.Now()
	if _, err := planOf(in); err != nil {
		return nil, err
	}
	j := &job{ID: s.World.NewID(12), Name: *in.TransformJobName, ARN: scope.ARN("transform-job/" + strings.ToLower(*in.TransformJobName)), Scope: scope, Maker: identity.From(ctx).JobARN, Request: in,
		Owner: durable.OwnerFrom(ctx), Status: awsapi.TransformJobStatusInProgress, Created: now, Modified: now}
	return &awsapi.CreateTransformJobResponse{TransformJobArn: &j.ARN}, s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if j.Model, err = s.Models.Serves(tx, scope, *in.ModelName); err != nil {
			return err
		}
		j.setEnvironment()
		err = rows.Insert(tx, scope, j.Name, j.ARN, j)
		if errors.Is(err, store.ErrExists) {
			return awsapi.InUse("Job name must be unique within an AWS account and region, and a job with this name already exists (%s)", j.ARN)
		}
		if err != nil {
			return err
		}
		if err := tx.SetTags(j.ARN, in.Tags); err != nil {
			return err
		}
		if err := emit(tx, j); err != nil {
			return err
		}
		return s.Engine.Enqueue(tx, controller, j.ARN)
	})
}

// The variables that the containers of a batch have beside their own and those of the request.
const (
	batchVariable   = "SAGEMAKER_BATCH"
	timeoutVariable = "SAGEMAKER_MODEL_SERVER_TIMEOUT" // after which the model server ends a worker
)

// setEnvironment gives the containers their environment: the job's variables go before the model's.
func (j *job) setEnvironment() {
	set := func(c *serving.Container) {
		own := map[string]string{batchVariable: "true", timeoutVariable: strconv.Itoa(int(j.timeout().Seconds()))}
		maps.Copy(own, c.Environment)
		maps.Copy(own, j.Request.Environment)
		c.Environment = own
	}
	set(&j.Model.Container)
	for i := range j.Model.More {
		set(&j.Model.More[i])
	}
}

// A plan is what a request comes to.
type plan struct {
	bucket, prefix, manifest string // of the input; manifest is the key of one, or ""
	outBucket, outPrefix     string

	contentType, accept           string
	lines, single, gzip, assemble bool
	frames                        records.Format // of binary records, or nil
	inputFilter, outputFilter     jsonPath       // nil for none
	join                          bool
	in, out                       form
}

// looks says whether records are looked into, or only passed on.
func (p *plan) looks() bool { return p.inputFilter != nil || p.outputFilter != nil || p.join }

// planOf reads a request, or says what of it is wrong or not served.
func planOf(in *awsapi.CreateTransformJobRequest) (*plan, error) {
	if in.DataCaptureConfig != nil {
		return nil, awsapi.Validation("dataCaptureConfig is not served for transform jobs; leave it out.")
	}
	input, output := in.TransformInput, in.TransformOutput
	p := &plan{contentType: awsapi.Val(input.ContentType), accept: awsapi.Val(output.Accept), gzip: awsapi.Val(input.CompressionType) == awsapi.CompressionTypeGzip,
		single: awsapi.Val(in.BatchStrategy) == awsapi.BatchStrategySingleRecord, assemble: awsapi.Val(output.AssembleWith) == awsapi.AssemblyTypeLine}
	switch split := awsapi.Val(input.SplitType); split {
	case "", awsapi.SplitTypeNone:
	case awsapi.SplitTypeLine:
		p.lines = true
	case awsapi.SplitTypeRecordIO:
		p.frames = records.RecordIO
	case awsapi.SplitTypeTFRecord:
		p.frames = records.TFRecord
	default:
		return nil, awsapi.Validation("transformInput.splitType %s is not served; None, Line, RecordIO and TFRecord are.", split)
	}
	s3 := input.DataSource.S3DataSource
	var err error
	if p.bucket, p.prefix, err = object.ParseURI(awsapi.Val(s3.S3Uri)); err != nil {
		return nil, awsapi.Validation("Value '%s' at 'transformInput.dataSource.s3DataSource.s3Uri' failed to satisfy constraint: %v", awsapi.Val(s3.S3Uri), err)
	}
	switch kind := awsapi.Val(s3.S3DataType); kind {
	case awsapi.S3DataTypeS3Prefix:
	case awsapi.S3DataTypeManifestFile:
		p.manifest = p.prefix
	default:
		return nil, awsapi.Validation("transformInput.dataSource.s3DataSource.s3DataType %s is not served; S3Prefix and ManifestFile are.", kind)
	}
	if p.outBucket, p.outPrefix, err = object.ParseURI(awsapi.Val(output.S3OutputPath)); err != nil {
		return nil, awsapi.Validation("Value '%s' at 'transformOutput.s3OutputPath' failed to satisfy constraint: %v", awsapi.Val(output.S3OutputPath), err)
	}
	if n, mb := int64(awsapi.Val(in.MaxConcurrentTransforms)), int64(awsapi.Val(in.MaxPayloadInMB)); n*mb > 100 {
		return nil, awsapi.Validation("The product of maxConcurrentTransforms (%d) and maxPayloadInMB (%d) must not be larger than 100 MB.", n, mb)
	}
	return p, p.readProcessing(in.DataProcessing)
}

// readProcessing reads the filters and the join, which need to know the form of the records.
func (p *plan) readProcessing(d *awsapi.DataProcessing) error {
	if d == nil {
		return nil
	}
	for _, f := range []struct {
		member string
		text   *string
		into   *jsonPath
	}{{"inputFilter", d.InputFilter, &p.inputFilter}, {"outputFilter", d.OutputFilter, &p.outputFilter}} {
		if f.text == nil || strings.TrimSpace(*f.text) == "$" {
			continue // all of it, which is the same as none
		}
		path, err := parsePath(*f.text)
		if err != nil {
			return awsapi.Validation("Value '%s' at 'dataProcessing.%s' failed to satisfy constraint: %v", *f.text, f.member, err)
		}
		*f.into = path
	}
	p.join = awsapi.Val(d.JoinSource) == awsapi.JoinSourceInput
	if !p.looks() {
		return nil
	}
	if p.frames != nil {
		return awsapi.Validation("dataProcessing cannot be used with transformInput.splitType RecordIO or TFRecord; None and Line can.")
	}
	p.in = formOf(p.contentType)
	if p.in == opaque {
		return awsapi.Validation("dataProcessing needs records of text/csv, application/json or application/jsonlines; transformInput.contentType is '%s'.", p.contentType)
	}
	p.out = p.in
	if p.accept != "" {
		p.out = formOf(p.accept)
	}
	if p.out == opaque || p.join && p.out != p.in {
		return awsapi.Validation("dataProcessing: transformOutput.accept '%s' must be %s.", p.accept, map[bool]string{
			true:  fmt.Sprintf("of the form of transformInput.contentType '%s', with which it is joined", p.contentType),
			false: "text/csv, application/json or application/jsonlines"}[p.join])
	}
	return nil
}
