package awsapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// answering is a client of a server that gives one answer after another, the last for ever, and counts the requests.
func answering(t *testing.T, answers ...http.HandlerFunc) (*Client, *atomic.Int32) {
	t.Helper()
	var n atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := int(n.Add(1)) - 1
		answers[min(i, len(answers)-1)](w, r)
	}))
	t.Cleanup(srv.Close)
	return &Client{Endpoint: srv.URL, Region: "us-east-1", Credentials: Credentials{AccessKeyID: "AKID", SecretAccessKey: "s", SessionToken: "t"}, HTTP: srv.Client(), Patience: 2 * time.Second}, &n
}

func refuse(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
		io.WriteString(w, `{"Message":"because"}`)
	}
}

func succeed(w http.ResponseWriter, _ *http.Request) {}

func cut(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }

func TestClientTriesAgainWhereThatDoesNoHarm(t *testing.T) {
	t.Parallel()
	describe := func(c *Client) error {
		_, err := c.DescribeTrial(t.Context(), &DescribeTrialRequest{TrialName: new("a")})
		return err
	}
	create := func(c *Client) error { // no token
		_, err := c.CreateTrial(t.Context(), &CreateTrialRequest{TrialName: new("a"), ExperimentName: new("e")})
		return err
	}
	start := func(c *Client) error { // with a token
		_, err := c.StartPipelineExecution(t.Context(), &StartPipelineExecutionRequest{PipelineName: new("p")})
		return err
	}
	for _, c := range []struct {
		name  string
		call  func(*Client) error
		first http.HandlerFunc
		tries int32
	}{
		{"a look at an unready server", describe, refuse(503, "ServiceUnavailable"), 2},
		{"a look that is cut off", describe, cut, 2},
		{"a look that is wrong", describe, refuse(400, "ValidationException"), 1},
		{"a look that fails inside", describe, refuse(500, "InternalFailure"), 1},
		{"a creation at an unready server", create, refuse(503, "ServiceUnavailable"), 1},
		{"a creation that is cut off", create, cut, 1},
		{"a creation that is throttled", create, refuse(400, "ThrottlingException"), 2},
		{"a creation with a token that is cut off", start, cut, 2},
	} {
		client, n := answering(t, c.first, succeed)
		err := c.call(client)
		if n.Load() != c.tries || (err == nil) != (c.tries == 2) {
			t.Errorf("%s: %d tries, want %d; %v", c.name, n.Load(), c.tries, err)
		}
	}
}

func TestClientMakesUpOneTokenForAllTries(t *testing.T) {
	t.Parallel()
	var tokens []string
	note := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var in StartPipelineExecutionRequest
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				t.Error(err)
			}
			tokens = append(tokens, Val(in.ClientRequestToken))
			next(w, r)
		}
	}
	c, _ := answering(t, note(refuse(503, "ServiceUnavailable")), note(succeed))
	if _, err := c.StartPipelineExecution(t.Context(), &StartPipelineExecutionRequest{PipelineName: new("p")}); err != nil {
		t.Fatal(err)
	}
	if len(tokens) != 2 || tokens[0] != tokens[1] || len(tokens[0]) < 32 {
		t.Errorf("got %q", tokens)
	}
}

func TestClientWaitsForAServerThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	c := &Client{Endpoint: "http://" + address, Region: "us-east-1", Patience: 50 * time.Millisecond}
	_, err = c.CreateTrial(t.Context(), &CreateTrialRequest{})
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
	c.Patience = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := c.CreateTrial(ctx, &CreateTrialRequest{}); err == nil || ctx.Err() == nil {
		t.Errorf("got %v before the caller gave up", err)
	}
}

func TestClientReadsErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer        http.HandlerFunc
		code, message string
	}{
		{refuse(400, "ResourceNotFound"), "ResourceNotFound", "because"},
		{func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			io.WriteString(w, `{"__type":"com.amazonaws.sagemaker#ConflictException:http://x","message":"no"}`)
		}, "ConflictException", "no"},
		{func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			io.WriteString(w, "not the API")
		}, "", "not the API"},
	} {
		client, _ := answering(t, c.answer)
		_, err := client.CreateTrial(t.Context(), &CreateTrialRequest{})
		var e *Error
		if !errors.As(err, &e) || e.Code != c.code || e.Message != c.message {
			t.Errorf("got %v, want %s: %s", err, c.code, c.message)
		}
	}
	client, _ := answering(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{") })
	if _, err := client.CreateTrial(t.Context(), &CreateTrialRequest{}); err == nil || !strings.Contains(err.Error(), "CreateTrial: the answer cannot be read") {
		t.Errorf("got %v", err)
	}
}

func TestClientFromEnvNamesWhatIsMissing(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if _, err := ClientFromEnv(); err == nil || !strings.Contains(err.Error(), "AWS_SECRET_ACCESS_KEY") {
		t.Errorf("got %v", err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "eu-west-1")
	if c, err := ClientFromEnv(); err != nil || c.Region != "eu-west-1" {
		t.Errorf("got %+v, %v", c, err)
	}
}
