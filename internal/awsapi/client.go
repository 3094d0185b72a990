package awsapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Credentials are what requests are signed with.
type Credentials struct{ AccessKeyID, SecretAccessKey, SessionToken string }

// A Client calls the services at one endpoint. It has one method for each operation.
type Client struct {
	Endpoint    string // such as http://127.0.0.1:9000
	Region      string
	Credentials Credentials
	HTTP        *http.Client  // Defaults to one that keeps connections.
	Patience    time.Duration // how long a server that cannot be reached is tried again. Defaults to 10 s.
}

// transport keeps enough connections for many goroutines that call one endpoint.
var transport = &http.Transport{MaxIdleConnsPerHost: 128, IdleConnTimeout: 90 * time.Second}

var defaultHTTP = &http.Client{Transport: transport}

// ClientFromEnv makes a client from the AWS_* variables. The error names the one that is missing.
func ClientFromEnv() (*Client, error) {
	c := &Client{Endpoint: os.Getenv("AWS_ENDPOINT_URL"), Region: os.Getenv("AWS_REGION"),
		Credentials: Credentials{os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")}}
	if c.Region == "" {
		c.Region = os.Getenv("AWS_DEFAULT_REGION")
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": c.Endpoint, "AWS_ACCESS_KEY_ID": c.Credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY": c.Credentials.SecretAccessKey} {
		if value == "" {
			return nil, fmt.Errorf("environment variable %s is not set", name)
		}
	}
	return c, nil
}

// signingName is the service in the credential scope.
var signingName = map[string]string{"sagemaker": "sagemaker", "runtime": "sagemaker", "featurestore": "sagemaker", "metrics": "sagemaker", "sqs": "sqs", "lambda": "lambda",
	"logs": "logs", "sts": "sts", "iam": "iam"}

var signer = v4.NewSigner()

func call[I, O any](ctx context.Context, c *Client, op *Operation, in *I, out *O) (*O, error) {
	fillToken(op, in)
	deadline := time.Now().Add(c.patience())
	for wait := 10 * time.Millisecond; ; wait = min(wait*2, 500*time.Millisecond) {
		err := c.try(ctx, op, in, out)
		if err == nil {
			return out, nil
		}
		if !again(op, err) || time.Now().After(deadline) || ctx.Err() != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (c *Client) patience() time.Duration {
	if c.Patience == 0 {
		return 10 * time.Second
	}
	return c.Patience
}

// again says whether a failed call may be made again: where the request cannot have arrived, or where making it twice does no harm.
func again(op *Operation, err error) bool {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return true
	}
	harmless := op.Service == "featurestore" || op.hasToken()
	for _, verb := range []string{"Describe", "List", "Get", "Search"} {
		harmless = harmless || strings.HasPrefix(op.Name, verb)
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code == "ThrottlingException" || harmless && e.Status == http.StatusServiceUnavailable
	}
	var network net.Error
	return harmless && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
}

func (o *Operation) hasToken() bool {
	for _, m := range Shapes[o.Input].Members {
		if m.Token {
			return true
		}
	}
	return false
}

// fillToken makes up the idempotency token that the caller left out, once for all tries.
func fillToken(op *Operation, in any) {
	for _, m := range Shapes[op.Input].Members {
		if !m.Token {
			continue
		}
		if f := field(in, m.Name); f.IsNil() {
			token := (rand.Text() + rand.Text())[:32] // some services want at least 32 characters, some at most 36
			f.Set(reflect.ValueOf(&token))
		}
	}
}

// field returns the Go field of a member.
func field(structure any, member string) reflect.Value {
	return reflect.ValueOf(structure).Elem().FieldByName(strings.ToUpper(member[:1]) + member[1:])
}

func (c *Client) try(ctx context.Context, op *Operation, in, out any) error {
	req, body, err := c.request(ctx, op, in)
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, signingName[op.Service], req, body)
	if err != nil {
		return fmt.Errorf("%s: %w", op.Name, err)
	}
	if op.Events() != nil && resp.StatusCode/100 == 2 {
		readEvents(op, resp, out)
		return readAnswer(op, resp, nil, out)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", op.Name, err)
	}
	if resp.StatusCode/100 != 2 {
		return answerError(op, resp, answer)
	}
	if !op.HasOutput {
		return nil
	}
	if err := readAnswer(op, resp, answer, out); err != nil {
		return fmt.Errorf("%s: the answer cannot be read: %w", op.Name, err)
	}
	return nil
}

// Send signs a request for a service and sends it. It is for what is no operation of an AWS service; nothing is tried again.
func (c *Client) Send(ctx context.Context, service, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Endpoint, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return c.send(ctx, service, req, body)
}

func (c *Client) send(ctx context.Context, service string, req *http.Request, body []byte) (*http.Response, error) {
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: c.Credentials.AccessKeyID, SecretAccessKey: c.Credentials.SecretAccessKey, SessionToken: c.Credentials.SessionToken}
	if err := signer.SignHTTP(ctx, credentials, req, hex.EncodeToString(sum[:]), service, c.Region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	client := c.HTTP
	if client == nil {
		client = defaultHTTP
	}
	return client.Do(req)
}

func readAnswer(op *Operation, resp *http.Response, answer []byte, out any) error {
	shape := &Shapes[op.Output]
	if op.Protocol == "query" {
		tree, err := readXML(op, answer)
		if err != nil {
			return err
		}
		if answer, err = json.Marshal(tree); err != nil {
			return err
		}
	}
	for _, m := range shape.Members {
		switch {
		case m.Name == shape.Payload && op.Events() != nil: // is there already
		case m.Name == shape.Payload:
			field(out, m.Name).Set(reflect.ValueOf(answer))
		case m.Location == "header":
			if v := resp.Header.Get(m.LocationName); v != "" {
				field(out, m.Name).Set(reflect.ValueOf(&v))
			}
		}
	}
	if shape.Payload != "" || len(bytes.TrimSpace(answer)) == 0 {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func answerError(op *Operation, resp *http.Response, answer []byte) error {
	e := &Error{Code: resp.Header.Get("X-Amzn-Errortype"), Status: resp.StatusCode}
	if op.Protocol == "query" {
		e.Code, e.Message = readXMLError(answer)
		return e
	}
	e = readError(e, answer)
	e.Code, _, _ = strings.Cut(e.Code, ":")
	e.Code = e.Code[strings.LastIndexByte(e.Code, '#')+1:]
	return e
}

// readError adds to an error what its body says.
func readError(e *Error, answer []byte) *Error {
	var body map[string]any
	if json.Unmarshal(answer, &body) != nil {
		e.Message = string(answer[:min(len(answer), 500)])
		return e
	}
	e.Members = body
	for _, name := range []string{"message", "Message"} {
		if s, ok := body[name].(string); ok {
			e.Message = s
		}
	}
	if s, ok := body["__type"].(string); ok && e.Code == "" {
		e.Code = s
	}
	return e
}
