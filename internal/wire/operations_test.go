package wire_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// signed makes a request that the SDK's own signer signs.
func (e *env) signed(t testing.TB, method, path, service, body string, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, e.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	sign(t, r, service, []byte(body), time.Now())
	return r
}

func sign(t testing.TB, r *http.Request, service string, body []byte, at time.Time) {
	t.Helper()
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	c := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
	err := v4.NewSigner().SignHTTP(context.Background(), c, r, hash, service, "us-east-1", at, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	if err != nil {
		t.Fatal(err)
	}
}

// exchange sends a request and gives the answer as it looks on the wire, without what differs from run to run.
func exchange(t testing.TB, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

var requestID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

func TestGoldenAnswers(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	var out strings.Builder
	show := func(name, method, path, service, body string, headers ...string) {
		t.Helper()
		resp, answer := exchange(t, e.signed(t, method, path, service, body, headers...))
		if !requestID.MatchString(resp.Header.Get("X-Amzn-Requestid")) {
			t.Errorf("%s: request id %q", name, resp.Header.Get("X-Amzn-Requestid"))
		}
		out.WriteString("# " + name + "\n" + resp.Status + "\n")
		for _, h := range []string{"Content-Type", "X-Amzn-Errortype", "X-Amzn-Invoked-Production-Variant"} {
			if v := resp.Header.Get(h); v != "" {
				out.WriteString(h + ": " + v + "\n")
			}
		}
		out.WriteString("\n" + requestID.ReplaceAllString(answer, "REQUEST-ID") + "\n\n")
	}
	json := func(name, target, body string) {
		t.Helper()
		service := "sagemaker"
		if strings.HasPrefix(target, "Logs") {
			service = "logs"
		}
		show(name, "POST", "/", service, body, "Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", target)
	}
	json("create", "SageMaker.CreateTrial", `{"TrialName":"one","ExperimentName":"e","Unknown":{"a":1},"displayname":"not a member"}`)
	json("create again", "SageMaker.CreateTrial", `{"TrialName":"one","ExperimentName":"e"}`)
	json("describe", "SageMaker.DescribeTrial", `{"TrialName":"one"}`)
	json("describe nothing", "SageMaker.DescribeTrial", `{"TrialName":"two"}`)
	json("list", "SageMaker.ListTrials", `{}`)
	json("list with an empty body", "SageMaker.ListTrials", ``)
	json("no output", "SageMaker.DeleteFeatureGroup", `{"FeatureGroupName":"fg"}`)
	json("violations", "SageMaker.CreateTrial", `{"TrialName":"x!"}`)
	json("wrong type", "SageMaker.CreateTrial", `{"TrialName":1}`)
	json("not JSON", "SageMaker.CreateTrial", `{`)
	json("two values", "SageMaker.CreateTrial", `{}{}`)
	json("not served", "SageMaker.DeleteTrial", `{"TrialName":"one"}`)
	json("resource not served", "SageMaker.CreateNotebookInstance", `{}`)
	json("unknown", "SageMaker.MakeTea", `{}`)
	json("panic", "SageMaker.DescribeTrial", `{"TrialName":"panic"}`)
	json("internal", "SageMaker.DescribeTrial", `{"TrialName":"broken"}`)
	json("log events", "Logs_20140328.GetLogEvents", `{"logGroupName":"/aws/sagemaker/TrainingJobs","logStreamName":"a/algo-1-1"}`)
	json("no log stream", "Logs_20140328.GetLogEvents", `{"logGroupName":"/aws/sagemaker/TrainingJobs","logStreamName":"none"}`)
	json("log violation", "Logs_20140328.GetLogEvents", `{"logGroupName":"/aws/sagemaker/TrainingJobs"}`)
	show("put record", "PUT", "/FeatureGroup/fg", "sagemaker", `{"Record":[{"FeatureName":"id","ValueAsString":"1"},{"FeatureName":"x","ValueAsString":"é"}]}`, "Content-Type", "application/json")
	show("put record without features", "PUT", "/FeatureGroup/fg", "sagemaker", `{"Record":[]}`)
	show("put record, a list for a body", "PUT", "/FeatureGroup/fg", "sagemaker", `[]`)
	show("get record", "GET", "/FeatureGroup/fg?RecordIdentifierValueAsString=1&FeatureName=x", "sagemaker", "")
	show("get record without its identifier", "GET", "/FeatureGroup/fg", "sagemaker", "")
	show("get record of nothing", "GET", "/FeatureGroup/none?RecordIdentifierValueAsString=1", "sagemaker", "")
	show("metrics", "PUT", "/BatchPutMetrics", "sagemaker", `{"TrialComponentName":"c","MetricData":[{"MetricName":"m","Timestamp":1767323045.678,"Value":1}]}`)
	show("invoke", "POST", "/endpoints/ep/invocations", "sagemaker", "1,2\n3,4", "Content-Type", "text/csv")
	show("invoke, model error", "POST", "/endpoints/bad/invocations", "sagemaker", "1")
	show("invoke, wrong name", "POST", "/endpoints/a%20b/invocations", "sagemaker", "1")
	show("no such path", "POST", "/nothing", "sagemaker", "1")
	form := []string{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}
	show("identity", "POST", "/", "sts", "Action=GetCallerIdentity&Version=2011-06-15", form...)
	show("identity by GET", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", "sts", "")
	show("role", "POST", "/", "iam", "Action=GetRole&Version=2010-05-08&RoleName=AmazonSageMaker-ExecutionRole-mobula", form...)
	show("no role", "POST", "/", "iam", "Action=GetRole&Version=2010-05-08&RoleName=none", form...)
	show("role without a name", "POST", "/", "iam", "Action=GetRole&Version=2010-05-08", form...)
	show("unknown action", "POST", "/", "sts", "Action=Nope&Version=2011-06-15", form...)
	show("service not served", "POST", "/", "glue", "{}", "X-Amz-Target", "AWSGlue.GetTables")
	show("no such key", "GET", "/no-such-bucket/key", "s3", "")

	const golden = "testdata/answers.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != string(want) {
		t.Errorf("answers differ from %s. Look, then run: go test ./internal/wire -run Golden -update\n%s", golden, firstDifference(got, string(want)))
	}
	if log := e.log.text(); !strings.Contains(log, "panic=oh") || !strings.Contains(log, "wire_test.(*trials).DescribeTrial") || !strings.Contains(log, "closed pipe") {
		t.Errorf("the log lacks the panic's stack or the error: %s", log)
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got  " + g[i] + "\nwant " + w[i]
		}
	}
	return "one is longer"
}

func TestUnsignedRequestsReachOnlyHealthAndPages(t *testing.T) {
	t.Parallel()
	down := errors.New("not yet")
	e := start(t, func(c *wire.Config) { c.Ready = func(context.Context) error { return down } })
	get := func(method, path, host string, headers ...string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, e.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		resp, body := exchange(t, r)
		return resp.StatusCode, body
	}
	if code, body := get("GET", "/healthz", ""); code != 503 || body != "not yet\n" {
		t.Errorf("got %d %q", code, body)
	}
	down = nil
	if code, body := get("GET", "/healthz", ""); code != 200 || body != "ok\n" {
		t.Errorf("got %d %q", code, body)
	}
	for _, host := range []string{"", "localhost", "anything.localhost:80"} {
		if code, body := get("GET", "/", host); code != 200 || body != "the pages" {
			t.Errorf("%s: got %d %q", host, code, body)
		}
	}
	for _, c := range []struct{ method, host, target, code string }{
		{"GET", "sm-pysdk-t-us-east-1.s3.us-east-1.amazonaws.com", "", "<Code>AccessDenied</Code>"},
		{"POST", "sts.us-east-1.amazonaws.com", "", "<Code>MissingAuthenticationToken</Code>"},
		{"POST", "api.sagemaker.us-east-1.amazonaws.com", "SageMaker.ListTrials", "MissingAuthenticationTokenException"},
		{"POST", "", "SageMaker.ListTrials", "MissingAuthenticationTokenException"},
		{"POST", "ec2.us-east-1.amazonaws.com", "", "The host ec2.us-east-1.amazonaws.com is not served"},
	} {
		headers := []string{}
		if c.target != "" {
			headers = []string{"X-Amz-Target", c.target}
		}
		if code, body := get(c.method, "/", c.host, headers...); code < 400 || !strings.Contains(body, c.code) {
			t.Errorf("%s %s: got %d %s", c.method, c.host, code, body)
		}
	}
}

func TestHostNamesOfAWSFindTheService(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	send := func(method, host, path, service, body string, headers ...string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, e.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		sign(t, r, service, []byte(body), time.Now())
		resp, answer := exchange(t, r)
		return resp.StatusCode, answer
	}
	for _, host := range []string{"sts.us-east-1.amazonaws.com", "sts.amazonaws.com", "STS.amazonaws.com.", "sts.eu-west-1.amazonaws.com:443", "sts.us-east-1.api.aws"} {
		if code, body := send("POST", host, "/", "sts", "Action=GetCallerIdentity"); code != 200 || !strings.Contains(body, "<Account>123456789012</Account>") {
			t.Errorf("%s: got %d %s", host, code, body)
		}
	}
	for _, c := range []struct{ method, host, path, service, target, body string }{
		{"POST", "api.sagemaker.us-east-1.amazonaws.com", "/", "sagemaker", "SageMaker.ListTrials", "{}"},
		{"POST", "api.sagemaker.cn-north-1.amazonaws.com.cn", "/", "sagemaker", "SageMaker.ListTrials", "{}"},
		{"POST", "runtime.sagemaker.us-east-1.amazonaws.com", "/endpoints/e/invocations", "sagemaker", "", "x"},
		{"PUT", "featurestore-runtime.sagemaker.us-east-1.amazonaws.com", "/FeatureGroup/houses", "sagemaker", "",
			`{"Record": [{"FeatureName": "id", "ValueAsString": "1"}]}`},
		{"PUT", "metrics.sagemaker.us-east-1.amazonaws.com", "/BatchPutMetrics", "sagemaker", "",
			`{"TrialComponentName": "t", "MetricData": [{"MetricName": "m", "Timestamp": 1767323045.678, "Value": 1}]}`},
		{"POST", "logs.us-east-1.amazonaws.com", "/", "logs", "Logs_20140328.GetLogEvents", `{"logStreamName": "s"}`},
		{"POST", "iam.amazonaws.com", "/", "iam", "", "Action=GetRole&RoleName=AmazonSageMaker-ExecutionRole-mobula"},
	} {
		var headers []string
		if c.target != "" {
			headers = []string{"X-Amz-Target", c.target}
		}
		if code, body := send(c.method, c.host, c.path, c.service, c.body, headers...); code != 200 {
			t.Errorf("%s: got %d %s", c.host, code, body)
		}
	}
	if code, body := send("POST", "sts.us-east-1.amazonaws.com", "/", "s3", ""); code != 403 || !strings.Contains(body, "correct service") {
		t.Errorf("got %d %s", code, body)
	}
	for _, host := range []string{"my-bucket.s3.us-east-1.amazonaws.com", "my-bucket.s3.amazonaws.com", "my-bucket.s3.dualstack.us-east-1.amazonaws.com", "my-bucket.s3-us-west-2.amazonaws.com",
		"my-bucket.localhost:9000", "my-bucket.s3.localhost"} {
		send("PUT", "s3.us-east-1.amazonaws.com", "/my-bucket", "s3", "")
		if code, body := send("PUT", host, "/a%20b", "s3", host); code != 200 {
			t.Errorf("%s: got %d %s", host, code, body)
		}
		if code, body := send("GET", "127.0.0.1", "/my-bucket/a%20b", "s3", ""); code != 200 || body != host {
			t.Errorf("%s: got %d %s", host, code, body)
		}
	}
	for host, want := range map[string]bool{"sts.amazonaws.com": true, "s3.cn-north-1.amazonaws.com.cn:443": true, "logs.us-east-1.api.aws": true,
		"amazonaws.com": false, "notamazonaws.com": false, "amazonaws.com.example.org": false, "127.0.0.1:80": false, "": false} {
		if wire.AWSHost(host) != want {
			t.Errorf("%q counts as AWS's: %v", host, !want)
		}
	}
}

func TestOwnClient(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	c, ctx := e.client(), t.Context()
	if _, err := c.CreateTrial(ctx, &awsapi.CreateTrialRequest{TrialName: new("a"), ExperimentName: new("e")}); err != nil {
		t.Fatal(err)
	}
	if e.room.seen.Account != "123456789012" || e.room.seen.AccessKey != accessKey {
		t.Errorf("the room saw %+v", e.room.seen)
	}
	_, err := c.DescribeTrial(ctx, &awsapi.DescribeTrialRequest{TrialName: new("b")})
	if !awsapi.IsNotFound(err) {
		t.Errorf("got %v", err)
	}
	if err := c.PutRecord(ctx, &awsapi.PutRecordRequest{FeatureGroupName: new("g"), Record: []awsapi.FeatureValue{{FeatureName: new("a"), ValueAsString: new("1")}}}); err != nil {
		t.Error(err)
	}
	got, err := c.GetRecord(ctx, &awsapi.GetRecordRequest{FeatureGroupName: new("g"), RecordIdentifierValueAsString: new("x y+z/ü"), FeatureNames: []string{"a", "b"}})
	if err != nil || len(got.Record) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	out, err := c.InvokeEndpoint(ctx, &awsapi.InvokeEndpointInput{EndpointName: new("e"), Body: []byte("1"), ContentType: new("text/csv"), CustomAttributes: new("a=b")})
	if err != nil || string(out.Body) != "1" || awsapi.Val(out.ContentType) != "text/csv" || awsapi.Val(out.CustomAttributes) != "a=b" {
		t.Errorf("got %+v, %v", out, err)
	}
	_, err = c.InvokeEndpoint(ctx, &awsapi.InvokeEndpointInput{EndpointName: new("bad"), Body: []byte("1")})
	var failure *awsapi.Error
	if !errors.As(err, &failure) || failure.Code != "ModelError" || failure.Status != 424 || failure.Members["OriginalMessage"] != "no" {
		t.Errorf("got %v", err)
	}
	who, err := c.GetCallerIdentity(ctx, &awsapi.GetCallerIdentityRequest{})
	if err != nil || !strings.HasPrefix(awsapi.Val(who.Arn), "arn:aws:sts::123456789012:assumed-role/") {
		t.Errorf("got %+v, %v", who, err)
	}
	role, err := c.GetRole(ctx, &awsapi.GetRoleRequest{RoleName: new("AmazonSageMaker-ExecutionRole-mobula")})
	if err != nil || role.Role.CreateDate == nil || awsapi.Val(role.Role.Path) != "/<service-role>/" {
		t.Errorf("got %+v, %v", role, err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	block, entered := make(chan struct{}), make(chan struct{})
	e := start(t, func(c *wire.Config) {
		c.Services = append(c.Services, blocking{block, entered})
		c.Limits = wire.Limits{Body: 1000, Payload: 100, Concurrent: 1}
	})
	c := e.client()
	_, err := c.InvokeEndpoint(t.Context(), &awsapi.InvokeEndpointInput{EndpointName: new("e"), Body: bytes.Repeat([]byte("x"), 101)})
	if !awsapi.IsCode(err, "RequestEntityTooLargeException") || !strings.Contains(err.Error(), "larger than 100 bytes") {
		t.Errorf("got %v", err)
	}
	r := e.signed(t, "POST", "/", "sagemaker", strings.Repeat(" ", 1001), "X-Amz-Target", "SageMaker.ListTrials")
	r.ContentLength = -1 // sent in chunks, so that the length is not known before
	if resp, body := exchange(t, r); resp.StatusCode != 413 {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	done := make(chan error)
	go func() {
		_, err := c.ListExperiments(t.Context(), &awsapi.ListExperimentsRequest{})
		done <- err
	}()
	<-entered
	if _, err = c.ListTrials(t.Context(), &awsapi.ListTrialsRequest{}); !awsapi.IsCode(err, "ThrottlingException") {
		t.Errorf("got %v", err)
	}
	close(block)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type blocking struct{ block, entered chan struct{} }

func (b blocking) ListExperiments(context.Context, *awsapi.ListExperimentsRequest) (*awsapi.ListExperimentsResponse, error) {
	b.entered <- struct{}{}
	<-b.block
	return &awsapi.ListExperimentsResponse{}, nil
}

func TestTwoServicesForOneOperationPanic(t *testing.T) {
	t.Parallel()
	defer func() {
		if cause, _ := recover().(string); !strings.Contains(cause, "serve sagemaker:CreateTrial") {
			t.Errorf("got %v", cause)
		}
	}()
	wire.New(wire.Config{Keys: keys{}, Services: []any{&trials{}, &trials{}}})
}

func TestServedOperationsAreListed(t *testing.T) {
	t.Parallel()
	page := start(t, nil).handler.OperationsMarkdown()
	for _, want := range []string{"| Trial | CreateTrial, DescribeTrial, ListTrials |", "## featurestore", "| Record | GetRecord, PutRecord |"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}
