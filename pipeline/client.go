package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/s3client"
)

// Config says which service a Client talks to, and as whom.
type Config struct {
	Endpoint        string // such as http://127.0.0.1:9000
	Region          string // Defaults to us-east-1.
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // Defaults to none.
	// RoleARN is the role that pipelines and jobs run under. Defaults to that of the caller.
	RoleARN string
	// Patience is how long Follow tries a service again that cannot be reached, so that a restart goes unnoticed. Other calls give up after
	// 2 s, or Patience where that is less. Defaults to 30 s.
	Patience time.Duration
}

// roleVariable names the role that pipelines and jobs run under.
const roleVariable = "MOBULA_ROLE_ARN"

// A Client applies, starts and follows workflows. It may be used from several goroutines.
type Client struct {
	api     *awsapi.Client
	patient *awsapi.Client // api that outlasts a restart of the service
	objects *s3client.Client
	role    string

	mu     sync.Mutex
	target Target // what the service said of the caller; its Account is "" until it was asked
}

// NewClient makes a client. The error names the field that is missing.
func NewClient(c Config) (*Client, error) {
	for name, value := range map[string]string{"Endpoint": c.Endpoint, "AccessKeyID": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey} {
		if value == "" {
			return nil, fmt.Errorf("pipeline: the client's %s is not given", name)
		}
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Patience == 0 {
		c.Patience = 30 * time.Second
	}
	api := awsapi.Client{Endpoint: c.Endpoint, Region: c.Region, Patience: c.Patience,
		Credentials: awsapi.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}}
	patient := api
	api.Patience = min(c.Patience, 2*time.Second)
	return &Client{
		api: &api, patient: &patient,
		objects: &s3client.Client{Endpoint: c.Endpoint, Region: c.Region,
			Credentials: s3client.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}},
		role: c.RoleARN,
	}, nil
}

// FromEnv makes a client from what every AWS client reads: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
// AWS_REGION or AWS_DEFAULT_REGION; and MOBULA_ROLE_ARN. The error names the variable that is missing.
func FromEnv() (*Client, error) {
	api, err := awsapi.ClientFromEnv()
	if err != nil {
		return nil, fmt.Errorf("pipeline: %w", err)
	}
	return NewClient(Config{Endpoint: api.Endpoint, Region: api.Region, AccessKeyID: api.Credentials.AccessKeyID,
		SecretAccessKey: api.Credentials.SecretAccessKey, SessionToken: api.Credentials.SessionToken, RoleARN: os.Getenv(roleVariable)})
}

// Target is the account, region, role and bucket that workflows of this client run in. The service is asked once.
func (c *Client) Target(ctx context.Context) (Target, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.target.Account != "" {
		return c.target, nil
	}
	who, err := c.api.GetCallerIdentity(ctx, &awsapi.GetCallerIdentityRequest{})
	if err != nil {
		return Target{}, fmt.Errorf("ask who the caller is: %w", err)
	}
	role := c.role
	if role == "" {
		if role, err = c.callersRole(ctx, awsapi.Val(who.Arn)); err != nil {
			return Target{}, err
		}
	}
	c.target = Target{Region: c.api.Region, Account: awsapi.Val(who.Account), RoleARN: role}.withDefaults()
	return c.target, nil
}

// callersRole is the role behind the session that the caller is: arn:aws:sts::<account>:assumed-role/<role>/<session>.
func (c *Client) callersRole(ctx context.Context, arn string) (string, error) {
	_, session, assumed := strings.Cut(arn, ":assumed-role/")
	if !assumed {
		return "", fmt.Errorf("the caller %s is no role that jobs could run under: give the client a RoleARN, or set %s", arn, roleVariable)
	}
	name, _, _ := strings.Cut(session, "/")
	role, err := c.api.GetRole(ctx, &awsapi.GetRoleRequest{RoleName: &name})
	if err != nil {
		return "", fmt.Errorf("look up the role %s of the caller: %w", name, err)
	}
	return awsapi.Val(role.Role.Arn), nil
}

// Call calls any operation of the service by its name, such as DescribeFeatureGroup. in is encoded as JSON with AWS's names of members; the answer is
// decoded into out, which may be nil.
func (c *Client) Call(ctx context.Context, operation string, in, out any) error {
	op := operationNamed(operation)
	if op == nil {
		return fmt.Errorf("there is no operation named '%s'", operation)
	}
	input := op.NewInput()
	text, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: the input cannot be encoded: %w", operation, err)
	}
	if err := json.Unmarshal(text, input); err != nil {
		return fmt.Errorf("%s: the input does not fit: %w", operation, err)
	}
	call, ok := op.Bind(c.api)
	if !ok {
		return fmt.Errorf("operation '%s' cannot be called", operation)
	}
	answer, err := call(ctx, input)
	if err != nil || out == nil || answer == nil {
		return err
	}
	if text, err = json.Marshal(answer); err != nil {
		return fmt.Errorf("%s: the answer cannot be decoded: %w", operation, err)
	}
	return json.Unmarshal(text, out)
}

func operationNamed(name string) *awsapi.Operation {
	for _, service := range []string{"sagemaker", "runtime", "featurestore", "metrics", "logs"} {
		if op := awsapi.OperationNamed(service, name); op != nil {
			return op
		}
	}
	return nil
}

// ErrorCode is the code of an error that the service answered with, such as ValidationException, or "".
func ErrorCode(err error) string {
	var e *awsapi.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
