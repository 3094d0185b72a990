package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// The parts of botocore's service-2.json that are read. Documentation is not.
type (
	ref struct {
		Shape            string
		Location         string // header, uri, querystring, statusCode, or "" for the body
		LocationName     string
		IdempotencyToken bool
		EventPayload     bool // the whole body of an event
		EventHeader      bool
	}
	shape struct {
		Type       string
		Members    map[string]ref
		Required   []string
		Member     *ref
		Key, Value *ref
		Enum       []string
		Pattern    string
		Min, Max   *float64
		Union      bool
		Exception  bool
		Payload    string
		// EventStream marks the structure whose members are the events of a stream: each event has one of them.
		EventStream bool
	}
	operation struct {
		Name string
		HTTP struct {
			Method, RequestURI string
			ResponseCode       int
		}
		Input, Output *ref
		Errors        []ref
	}
	model struct {
		Metadata struct {
			Protocol, TargetPrefix, SigningName, EndpointPrefix, XMLNamespace string
			Protocols                                                         []string
		}
		Operations map[string]operation
		Shapes     map[string]shape
	}
)

// A service is one botocore model and what is taken of it.
type service struct {
	folder string   // of botocore's data
	name   string   // as the operation table says it
	prefix string   // for shapes whose name an earlier service has taken
	only   []string // operations; nil is all
}

var services = []service{
	{folder: "sagemaker", name: "sagemaker", prefix: "SageMaker"},
	{folder: "sagemaker-runtime", name: "runtime", prefix: "Runtime", only: []string{"InvokeEndpoint", "InvokeEndpointAsync", "InvokeEndpointWithResponseStream"}},
	{folder: "sagemaker-featurestore-runtime", name: "featurestore", prefix: "FeatureStore"},
	{folder: "sagemaker-metrics", name: "metrics", prefix: "Metrics"},
	{folder: "logs", name: "logs", prefix: "Logs", only: []string{"DescribeLogGroups", "DescribeLogStreams", "FilterLogEvents", "GetLogEvents", "ListLogGroups"}},
	{folder: "sts", name: "sts", prefix: "STS", only: []string{"AssumeRole", "GetAccessKeyInfo", "GetCallerIdentity", "GetSessionToken"}},
	{folder: "iam", name: "iam", prefix: "IAM", only: []string{"AttachRolePolicy", "CreatePolicy", "CreateRole", "DeletePolicy", "DeleteRole",
		"DeleteRolePolicy", "DetachRolePolicy", "GetPolicy", "GetPolicyVersion", "GetRole", "GetRolePolicy", "ListAttachedRolePolicies",
		"ListInstanceProfilesForRole", "ListPolicies", "ListPolicyVersions", "ListRolePolicies", "ListRoleTags", "ListRoles", "PutRolePolicy",
		"SimulatePrincipalPolicy", "TagRole", "UntagRole", "UpdateAssumeRolePolicy", "UpdateRole", "UpdateRoleDescription"}},
	{folder: "sqs", name: "sqs", prefix: "SQS", only: []string{"ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "CreateQueue",
		"DeleteMessage", "DeleteMessageBatch", "DeleteQueue", "GetQueueAttributes", "GetQueueUrl", "ListQueueTags", "ListQueues", "PurgeQueue",
		"ReceiveMessage", "SendMessage", "SendMessageBatch", "SetQueueAttributes", "TagQueue", "UntagQueue"}},
	{folder: "cloudwatch", name: "monitoring", prefix: "CloudWatch", only: []string{"GetMetricData", "GetMetricStatistics", "ListMetrics"}},
	{folder: "lambda", name: "lambda", prefix: "Lambda", only: []string{"CreateFunction", "DeleteFunction", "GetFunction", "GetFunctionConfiguration", "Invoke", "ListFunctions",
		"UpdateFunctionCode", "UpdateFunctionConfiguration"}},
}

// read loads the newest model of a service from botocore's data folder.
func read(data, folder string) (*model, error) {
	found, err := filepath.Glob(filepath.Join(data, folder, "*", "service-2.json*"))
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("no service-2.json of %s below %s", folder, data)
	}
	path := found[len(found)-1] // folders are dates, so the last is the newest
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	var m model
	if err := json.NewDecoder(r).Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &m, nil
}
