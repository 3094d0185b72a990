package sdktest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	runtimetypes "github.com/aws/aws-sdk-go-v2/service/sagemakerruntime/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/wire"
)

type keys struct{}

func (keys) Lookup(_ context.Context, key, _ string) (string, identity.Principal, error) {
	if key != "AKIDEXAMPLE" {
		return "", identity.Principal{}, identity.ErrUnknownKey
	}
	return "secret", identity.Principal{Account: "123456789012", Region: "us-east-1", RoleARN: "arn:aws:iam::123456789012:role/r", SessionName: "me"}, nil
}

var created = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

// room serves a few operations of every protocol from memory.
type room struct {
	mu     sync.Mutex
	trials []string
}

func (s *room) CreateTrial(_ context.Context, in *awsapi.CreateTrialRequest) (*awsapi.CreateTrialResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trials = append(s.trials, awsapi.Val(in.TrialName))
	return &awsapi.CreateTrialResponse{TrialArn: new("arn:aws:sagemaker:us-east-1:123456789012:experiment-trial/" + awsapi.Val(in.TrialName))}, nil
}

func (s *room) DescribeTrial(_ context.Context, in *awsapi.DescribeTrialRequest) (*awsapi.DescribeTrialResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.trials {
		if name == awsapi.Val(in.TrialName) {
			return &awsapi.DescribeTrialResponse{TrialName: &name, CreationTime: &awsapi.Time{Time: created}}, nil
		}
	}
	return nil, awsapi.NotFound("Trial '%s' does not exist.", awsapi.Val(in.TrialName))
}

// ListTrials gives pages of one.
func (s *room) ListTrials(_ context.Context, in *awsapi.ListTrialsRequest) (*awsapi.ListTrialsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := len(awsapi.Val(in.NextToken))
	out := &awsapi.ListTrialsResponse{}
	if at < len(s.trials) {
		out.TrialSummaries = []awsapi.TrialSummary{{TrialName: &s.trials[at]}}
	}
	if at+1 < len(s.trials) {
		out.NextToken = new(strings.Repeat("x", at+1))
	}
	return out, nil
}

func (s *room) DeleteFeatureGroup(context.Context, *awsapi.DeleteFeatureGroupRequest) error {
	return nil
}

func (s *room) InvokeEndpoint(_ context.Context, in *awsapi.InvokeEndpointInput) (*awsapi.InvokeEndpointOutput, error) {
	return &awsapi.InvokeEndpointOutput{Body: in.Body, ContentType: in.ContentType}, nil
}

// InvokeEndpointWithResponseStream answers with each byte of what it was sent, and then breaks off.
func (s *room) InvokeEndpointWithResponseStream(_ context.Context, in *awsapi.InvokeEndpointWithResponseStreamInput) (*awsapi.InvokeEndpointWithResponseStreamOutput, error) {
	return &awsapi.InvokeEndpointWithResponseStreamOutput{ContentType: in.ContentType, Body: func(yield func(*awsapi.ResponseStream, error) bool) {
		for i := range in.Body {
			if !yield(&awsapi.ResponseStream{PayloadPart: &awsapi.PayloadPart{Bytes: in.Body[i : i+1]}}, nil) {
				return
			}
		}
		yield(nil, &awsapi.Error{Code: "ModelStreamError", Message: "broken", Members: map[string]any{"ErrorCode": "StreamBroken"}})
	}}, nil
}

func (s *room) GetCallerIdentity(ctx context.Context, _ *awsapi.GetCallerIdentityRequest) (*awsapi.GetCallerIdentityResponse, error) {
	p := identity.From(ctx)
	return &awsapi.GetCallerIdentityResponse{Account: &p.Account, Arn: new(p.CallerARN()), UserId: new("AROA:me")}, nil
}

// GetMetricStatistics gives what it was asked for.
func (s *room) GetMetricStatistics(_ context.Context, in *awsapi.GetMetricStatisticsInput) (*awsapi.GetMetricStatisticsOutput, error) {
	if *in.Period == 7 {
		return nil, awsapi.Validation("The parameter Period must not be 7.")
	}
	out := &awsapi.GetMetricStatisticsOutput{Label: in.Dimensions[0].Value}
	if *in.Period > 1 {
		out.Datapoints = []awsapi.Datapoint{{Timestamp: in.StartTime, Sum: new(float64(*in.Period)), Average: new(0.25), Unit: &in.Statistics[0]}}
	}
	return out, nil
}

func TestRoundTripsOfTheGoSDK(t *testing.T) {
	files, err := object.OpenFiles(t.TempDir(), object.FilesOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	server := httptest.NewServer(wire.New(wire.Config{Keys: keys{}, Services: []any{&room{}}, S3: object.Handler(files, object.HandlerOptions{})}))
	defer server.Close()
	config := aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
	})}
	t.Run("SageMaker", func(t *testing.T) { trials(t, sagemaker.NewFromConfig(config)) })
	t.Run("runtime", func(t *testing.T) {
		out, err := sagemakerruntime.NewFromConfig(config).InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{EndpointName: new("e"), Body: []byte("1,2"), ContentType: new("text/csv")})
		if err != nil || string(out.Body) != "1,2" || aws.ToString(out.ContentType) != "text/csv" {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("CloudWatch", func(t *testing.T) { metrics(t, cloudwatch.NewFromConfig(config)) })
	t.Run("streams", func(t *testing.T) { streams(t, sagemakerruntime.NewFromConfig(config)) })
	t.Run("STS", func(t *testing.T) {
		who, err := sts.NewFromConfig(config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		if err != nil || aws.ToString(who.Arn) != "arn:aws:sts::123456789012:assumed-role/r/me" {
			t.Errorf("got %+v, %v", who, err)
		}
	})
	t.Run("S3", func(t *testing.T) {
		objects(t, s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }))
	})
}

// metrics speaks CBOR.
func metrics(t *testing.T, c *cloudwatch.Client) {
	in := &cloudwatch.GetMetricStatisticsInput{Namespace: new("n"), MetricName: new("m"), Dimensions: []cloudwatchtypes.Dimension{{Name: new("d"), Value: new("ä")}},
		StartTime: &created, EndTime: new(created.Add(time.Hour)), Period: new(int32(60)), Statistics: []cloudwatchtypes.Statistic{"Sum"}}
	out, err := c.GetMetricStatistics(t.Context(), in)
	if err != nil || len(out.Datapoints) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	d := out.Datapoints[0]
	if aws.ToString(out.Label) != "ä" || !d.Timestamp.Equal(created) || *d.Sum != 60 || *d.Average != 0.25 || d.Unit != "Sum" || d.Minimum != nil {
		t.Errorf("%+v", d)
	}
	in.Period = new(int32(1))
	if out, err = c.GetMetricStatistics(t.Context(), in); err != nil || out.Datapoints == nil || len(out.Datapoints) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	in.Period = new(int32(7))
	var known *cloudwatchtypes.InvalidParameterValueException
	if _, err := c.GetMetricStatistics(t.Context(), in); !errors.As(err, &known) || !strings.Contains(known.ErrorMessage(), "must not be 7") {
		t.Errorf("%v", err)
	}
	var unknown smithy.APIError
	if _, err := c.ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{}); !errors.As(err, &unknown) || unknown.ErrorCode() != "UnknownOperationException" && unknown.ErrorCode() != "UnknownOperation" {
		t.Errorf("%v", err)
	}
}

func streams(t *testing.T, c *sagemakerruntime.Client) {
	out, err := c.InvokeEndpointWithResponseStream(t.Context(), &sagemakerruntime.InvokeEndpointWithResponseStreamInput{EndpointName: new("e"), Body: []byte("1,2"), ContentType: new("text/csv")})
	if err != nil || aws.ToString(out.ContentType) != "text/csv" {
		t.Fatal(out, err)
	}
	stream := out.GetStream()
	defer stream.Close()
	var parts []string
	for event := range stream.Events() {
		if p, ok := event.(*runtimetypes.ResponseStreamMemberPayloadPart); ok {
			parts = append(parts, string(p.Value.Bytes))
		}
	}
	var broken *runtimetypes.ModelStreamError
	if err := stream.Err(); strings.Join(parts, "|") != "1|,|2" || !errors.As(err, &broken) || aws.ToString(broken.ErrorCode_) != "StreamBroken" || aws.ToString(broken.Message) != "broken" {
		t.Errorf("got %q, %v", parts, err)
	}
}

func trials(t *testing.T, c *sagemaker.Client) {
	ctx := t.Context()
	for _, name := range []string{"a", "b"} {
		if _, err := c.CreateTrial(ctx, &sagemaker.CreateTrialInput{TrialName: &name, ExperimentName: new("e")}); err != nil {
			t.Fatal(err)
		}
	}
	trial, err := c.DescribeTrial(ctx, &sagemaker.DescribeTrialInput{TrialName: new("a")})
	if err != nil || !trial.CreationTime.Equal(created) {
		t.Errorf("got %+v, %v", trial, err)
	}
	var names []string
	for pages := sagemaker.NewListTrialsPaginator(c, &sagemaker.ListTrialsInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.TrialSummaries {
			names = append(names, aws.ToString(s.TrialName))
		}
	}
	if strings.Join(names, " ") != "a b" {
		t.Errorf("got %v", names)
	}
	if _, err := c.DeleteFeatureGroup(ctx, &sagemaker.DeleteFeatureGroupInput{FeatureGroupName: new("g")}); err != nil {
		t.Error(err)
	}
	_, err = c.DescribeTrial(ctx, &sagemaker.DescribeTrialInput{TrialName: new("none")})
	var missing *types.ResourceNotFound
	if !errors.As(err, &missing) || aws.ToString(missing.Message) != "Trial 'none' does not exist." {
		t.Errorf("got %v", err)
	}
	_, err = c.DescribeTrial(ctx, &sagemaker.DescribeTrialInput{TrialName: new("x!")})
	var wrong smithy.APIError
	if !errors.As(err, &wrong) || wrong.ErrorCode() != "ValidationException" || !strings.Contains(wrong.ErrorMessage(), "Value 'x!' at 'trialName'") {
		t.Errorf("got %v", err)
	}
}

func objects(t *testing.T, c *s3.Client) {
	ctx := t.Context()
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: new("bucket")}); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("0123456789"), 30000)
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: new("bucket"), Key: new("a b/ü+&"), Body: bytes.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: new("bucket"), Key: new("a b/ü+&")})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if b, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(b, content) {
		t.Errorf("got %d bytes, %v", len(b), err)
	}
	link, err := s3.NewPresignClient(c).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: new("bucket"), Key: new("a b/ü+&")})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := httpGet(ctx, link.URL)
	if err != nil || !bytes.Equal(resp, content) {
		t.Errorf("got %d bytes, %v", len(resp), err)
	}
}

func httpGet(ctx context.Context, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
