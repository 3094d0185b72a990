package wire_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/wire"
	"github.com/mobula-ml/mobula/internal/world"
)

const (
	accessKey = "AKIDEXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	jobKey    = "ASIAJOBEXAMPLE"
	jobSecret = "jobsecret"
	jobToken  = "the+job/token=="
	expired   = "ASIAEXPIRED"
)

// keys knows two key pairs and one that has expired.
type keys struct{}

func (keys) Lookup(_ context.Context, key, token string) (string, identity.Principal, error) {
	p := identity.Principal{Account: "123456789012", Region: "us-east-1", AccessKey: key, SessionName: "me",
		RoleARN: identity.RoleARN("123456789012", identity.DefaultRole)}
	switch {
	case key == accessKey:
		return secretKey, p, nil
	case key == jobKey && token == jobToken:
		p.JobARN = "arn:job"
		return jobSecret, p, nil
	case key == jobKey:
		return "", p, identity.ErrBadToken
	case key == expired:
		return "", p, identity.ErrExpired
	}
	return "", p, identity.ErrUnknownKey
}

// trials is a small room: it keeps trials and records in memory.
type trials struct {
	mu      sync.Mutex
	trials  map[string]*awsapi.CreateTrialRequest
	records map[string][]awsapi.FeatureValue
	seen    identity.Principal
}

func (s *trials) CreateTrial(ctx context.Context, in *awsapi.CreateTrialRequest) (*awsapi.CreateTrialResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = identity.From(ctx)
	name := awsapi.Val(in.TrialName)
	if s.trials[name] != nil {
		return nil, awsapi.InUse("The trial %s exists.", name)
	}
	s.trials[name] = in
	return &awsapi.CreateTrialResponse{TrialArn: new(s.seen.Scope().ARN("experiment-trial/" + name))}, nil
}

func (s *trials) DescribeTrial(_ context.Context, in *awsapi.DescribeTrialRequest) (*awsapi.DescribeTrialResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := awsapi.Val(in.TrialName)
	switch {
	case name == "panic":
		panic("oh")
	case name == "broken":
		return nil, io.ErrClosedPipe
	case s.trials[name] == nil:
		return nil, awsapi.NotFound("Trial '%s' does not exist.", name)
	}
	return &awsapi.DescribeTrialResponse{TrialName: in.TrialName, ExperimentName: s.trials[name].ExperimentName, DisplayName: s.trials[name].DisplayName,
		CreationTime: &awsapi.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)}}, nil
}

func (s *trials) ListTrials(context.Context, *awsapi.ListTrialsRequest) (*awsapi.ListTrialsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &awsapi.ListTrialsResponse{}
	for name := range s.trials {
		out.TrialSummaries = append(out.TrialSummaries, awsapi.TrialSummary{TrialName: &name})
	}
	return out, nil
}

func (s *trials) DeleteFeatureGroup(context.Context, *awsapi.DeleteFeatureGroupRequest) error {
	return nil
}

func (s *trials) PutRecord(_ context.Context, in *awsapi.PutRecordRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[awsapi.Val(in.FeatureGroupName)] = in.Record
	return nil
}

func (s *trials) GetRecord(_ context.Context, in *awsapi.GetRecordRequest) (*awsapi.GetRecordResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.records[awsapi.Val(in.FeatureGroupName)]
	if all == nil {
		return nil, awsapi.NotFound("There is no feature group %s.", awsapi.Val(in.FeatureGroupName))
	}
	out := &awsapi.GetRecordResponse{}
	for _, f := range all {
		if len(in.FeatureNames) == 0 || strings.Contains(strings.Join(in.FeatureNames, ","), awsapi.Val(f.FeatureName)) {
			out.Record = append(out.Record, f)
		}
	}
	return out, nil
}

func (s *trials) BatchPutMetrics(_ context.Context, in *awsapi.BatchPutMetricsRequest) (*awsapi.BatchPutMetricsResponse, error) {
	if t := in.MetricData[0].Timestamp; t == nil || t.UnixMilli() != 1767323045678 {
		return nil, awsapi.Validation("timestamp is %v", t)
	}
	return &awsapi.BatchPutMetricsResponse{}, nil
}

// endpoint answers with what it was asked.
type endpoint struct{}

func (endpoint) InvokeEndpoint(_ context.Context, in *awsapi.InvokeEndpointInput) (*awsapi.InvokeEndpointOutput, error) {
	if awsapi.Val(in.EndpointName) == "bad" {
		return nil, &awsapi.Error{Code: "ModelError", Message: "the model said no", Members: map[string]any{"OriginalStatusCode": 400, "OriginalMessage": "no"}}
	}
	return &awsapi.InvokeEndpointOutput{Body: in.Body, ContentType: in.ContentType, InvokedProductionVariant: new("AllTraffic"), CustomAttributes: in.CustomAttributes}, nil
}

func (endpoint) GetCallerIdentity(ctx context.Context, _ *awsapi.GetCallerIdentityRequest) (*awsapi.GetCallerIdentityResponse, error) {
	p := identity.From(ctx)
	return &awsapi.GetCallerIdentityResponse{Account: &p.Account, Arn: new(p.CallerARN()), UserId: new("AROA:me")}, nil
}

func (endpoint) GetRole(ctx context.Context, in *awsapi.GetRoleRequest) (*awsapi.GetRoleResponse, error) {
	p := identity.From(ctx)
	if awsapi.Val(in.RoleName) != p.RoleName() {
		return nil, awsapi.NotFound("The role with name %s cannot be found.", awsapi.Val(in.RoleName))
	}
	return &awsapi.GetRoleResponse{Role: &awsapi.Role{Arn: &p.RoleARN, RoleName: in.RoleName, RoleId: new("AROAEXAMPLEEXAMPLE"), Path: new("/<service-role>/"),
		CreateDate: &awsapi.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}}, nil
}

func (endpoint) GetLogEvents(_ context.Context, in *awsapi.GetLogEventsRequest) (*awsapi.GetLogEventsResponse, error) {
	if awsapi.Val(in.LogStreamName) == "none" {
		return nil, awsapi.NotFound("The specified log stream does not exist.")
	}
	return &awsapi.GetLogEventsResponse{NextForwardToken: new("f/1")}, nil
}

// env is a server on a free port.
type env struct {
	*httptest.Server
	handler *wire.Handler
	room    *trials
	log     *logged
}

// logged keeps the log.
type logged struct {
	mu sync.Mutex
	strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.Write(b)
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.String()
}

func start(t testing.TB, change func(*wire.Config)) *env {
	t.Helper()
	files, err := object.OpenFiles(t.TempDir(), object.FilesOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e := &env{room: &trials{trials: map[string]*awsapi.CreateTrialRequest{}, records: map[string][]awsapi.FeatureValue{}}, log: &logged{}}
	c := wire.Config{Keys: keys{}, Services: []any{e.room, endpoint{}}, S3: object.Handler(files, object.HandlerOptions{}), World: world.Real(),
		Log:   slog.New(slog.NewTextHandler(e.log, nil)),
		Pages: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the pages") })}
	if change != nil {
		change(&c)
	}
	e.handler = wire.New(c)
	e.Server = httptest.NewServer(e.handler)
	t.Cleanup(func() {
		e.Close()
		files.Close()
	})
	return e
}

func (e *env) client() *awsapi.Client {
	return &awsapi.Client{Endpoint: e.URL, Region: "us-east-1", Credentials: awsapi.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, Patience: time.Millisecond}
}

// python is the tests' own interpreter, which has boto3 and the AWS CLI.
func python(t *testing.T) string {
	t.Helper()
	path := os.Getenv("MOBULA_PYTHON")
	if path == "" {
		path = filepath.Join("..", "..", ".cache", "venv", "bin", "python")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v. Try: make setup-test", err)
	}
	return path
}
