package s3client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Credentials are an AWS key pair, with the token of a session if it has one.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
}

// Client talks to one S3 endpoint, path style. It may be used from several goroutines. The zero value of each field but Endpoint has a use.
type Client struct {
	// Endpoint is where S3 answers, for example http://127.0.0.1:8080.
	Endpoint string
	// Region goes into the signature. Defaults to us-east-1.
	Region string
	// Credentials sign the requests. Without them requests are sent unsigned.
	Credentials Credentials
	// HTTP sends the requests. Defaults to http.DefaultClient.
	HTTP *http.Client
	// Attempts is how often a request is sent at most. Defaults to 8.
	Attempts int
	// Pause is the wait before the second attempt; it doubles from then on. Defaults to 100 ms.
	Pause time.Duration
}

// FromEnv makes a client from what every AWS client reads: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION or AWS_DEFAULT_REGION.
func FromEnv() (*Client, error) {
	endpoint := first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
	if endpoint == "" {
		return nil, errors.New("s3: no endpoint: neither AWS_ENDPOINT_URL_S3 nor AWS_ENDPOINT_URL is set")
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("s3: the endpoint %q must read http://host:port or https://host", endpoint)
	}
	c := &Client{Endpoint: endpoint, Region: first("AWS_REGION", "AWS_DEFAULT_REGION"), Credentials: Credentials{
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}}
	if (c.Credentials.AccessKeyID == "") != (c.Credentials.SecretAccessKey == "") {
		return nil, errors.New("s3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set both or neither")
	}
	return c, nil
}

func first(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// Object describes one object.
type Object struct {
	Key         string
	Size        int64  // bytes
	ETag        string // without quotes
	Modified    time.Time
	ContentType string            // not in listings
	Metadata    map[string]string // names in lower case; not in listings
}

// Error is a refusal of the server.
type Error struct {
	Code    string // S3's: NoSuchKey, PreconditionFailed, …; for an answer without a body the text of its status, as "Not Found"
	Status  int
	Message string
	Bucket  string
	Key     string
}

func (e *Error) Error() string {
	where := "bucket " + e.Bucket
	if e.Key != "" {
		where = "s3://" + e.Bucket + "/" + e.Key
	}
	if e.Message == "" {
		return fmt.Sprintf("s3: %s: %s (%d)", where, e.Code, e.Status)
	}
	return fmt.Sprintf("s3: %s: %s (%d): %s", where, e.Code, e.Status, e.Message)
}

// IsNotFound says whether an error is the server's 404, for an object or a bucket.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// IsPreconditionFailed says whether a conditional write found its condition not to hold.
func IsPreconditionFailed(err error) bool { return hasStatus(err, http.StatusPreconditionFailed) }

func hasStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// Head describes an object.
func (c *Client) Head(ctx context.Context, bucket, key string) (Object, error) {
	res, err := c.do(ctx, call{method: http.MethodHead, bucket: bucket, key: key})
	if err != nil {
		return Object{}, err
	}
	res.Body.Close()
	return objectOf(key, res), nil
}

func objectOf(key string, res *http.Response) Object {
	o := Object{Key: key, Size: res.ContentLength, ETag: strings.Trim(res.Header.Get("ETag"), `"`), ContentType: res.Header.Get("Content-Type"), Metadata: map[string]string{}}
	o.Modified, _ = http.ParseTime(res.Header.Get("Last-Modified"))
	for name, values := range res.Header {
		if meta, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-"); ok {
			o.Metadata[meta] = values[0]
		}
	}
	return o
}

// Delete removes an object. One that is not there is no error.
func (c *Client) Delete(ctx context.Context, bucket, key string) error {
	return c.discard(ctx, call{method: http.MethodDelete, bucket: bucket, key: key})
}

// EnsureBucket creates a bucket unless it is there.
func (c *Client) EnsureBucket(ctx context.Context, bucket string) error {
	err := c.discard(ctx, call{method: http.MethodHead, bucket: bucket})
	if !IsNotFound(err) {
		return err
	}
	create := call{method: http.MethodPut, bucket: bucket}
	if region := c.region(); region != defaultRegion {
		create.bytes("<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>" + region + "</LocationConstraint></CreateBucketConfiguration>")
	}
	err = c.discard(ctx, create)
	var e *Error
	if errors.As(err, &e) && e.Code == "BucketAlreadyOwnedByYou" {
		return nil // another client was faster
	}
	return err
}
