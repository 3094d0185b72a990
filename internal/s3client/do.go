package s3client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	defaultRegion   = "us-east-1"
	defaultAttempts = 8 // eleven seconds of pauses: a server that restarts, and restarts again, is back by then
	defaultPause    = 100 * time.Millisecond
	longestPause    = 5 * time.Second
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// call is one request, described so that it can be sent again.
type call struct {
	method, bucket, key string
	query               url.Values
	header              http.Header
	body                io.ReadSeeker // nil for none
	size                int64
	hash                string // SHA-256 of the body in hexadecimal, or unsignedPayload
}

// bytes makes s the body, signed.
func (c *call) bytes(s string) {
	sum := sha256.Sum256([]byte(s))
	c.body, c.size, c.hash = strings.NewReader(s), int64(len(s)), hex.EncodeToString(sum[:])
}

func (c *Client) region() string {
	if c.Region == "" {
		return defaultRegion
	}
	return c.Region
}

// discard does a call whose answer has nothing to read.
func (c *Client) discard(ctx context.Context, in call) error {
	res, err := c.do(ctx, in)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// do sends a call until it is answered with something else than a 5xx, and gives the answer if that is a success.
func (c *Client) do(ctx context.Context, in call) (*http.Response, error) {
	attempts, pause := c.Attempts, c.Pause
	if attempts <= 0 {
		attempts = defaultAttempts
	}
	if pause <= 0 {
		pause = defaultPause
	}
	for attempt := 1; ; attempt++ {
		res, err := c.send(ctx, in)
		if err == nil || attempt == attempts || !worthAnotherTry(ctx, err) {
			return res, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(ctx.Err(), err)
		case <-timer.C:
		}
		pause = min(2*pause, longestPause)
	}
}

// errBody marks a failure of the caller's own reader, which another attempt would only meet again.
var errBody = errors.New("the body could not be read")

func worthAnotherTry(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, errBody) {
		return false
	}
	var e *Error
	if !errors.As(err, &e) {
		return true // the connection failed
	}
	// 507 is a full disk, which a pause does not empty.
	return e.Status >= 500 && e.Status != http.StatusNotImplemented && e.Status != http.StatusInsufficientStorage || e.Status == http.StatusTooManyRequests
}

func (c *Client) send(ctx context.Context, in call) (*http.Response, error) {
	req, err := c.request(ctx, in)
	if err != nil {
		return nil, err
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("s3: %s %s: %w", in.method, where(in), err)
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, refusal(in, res)
}

func where(in call) string { return "s3://" + in.bucket + "/" + in.key }

func (c *Client) request(ctx context.Context, in call) (*http.Request, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("s3: the endpoint %q must read http://host:port or https://host", c.Endpoint)
	}
	path := strings.TrimSuffix(u.Path, "/") + "/" + in.bucket
	if in.key != "" {
		path += "/" + in.key
	}
	// The path is sent as it is signed: every byte but the unreserved ones and the slash escaped.
	u.Path, u.RawPath = path, escapePath(path)
	u.RawQuery = strings.ReplaceAll(in.query.Encode(), "+", "%20")
	var body io.Reader
	if in.body != nil {
		if _, err := in.body.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("s3: %s: %w: %w", where(in), errBody, err)
		}
		body = io.NopCloser(ownReader{io.LimitReader(in.body, in.size)})
	}
	if in.size == 0 {
		body = nil
	}
	req, err := http.NewRequestWithContext(ctx, in.method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("s3: %s: %w", where(in), err)
	}
	for name, values := range in.header {
		req.Header[name] = values
	}
	req.ContentLength = in.size
	return req, c.sign(ctx, req, in)
}

// ownReader marks errors of the caller's body.
type ownReader struct{ r io.Reader }

func (o ownReader) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errBody, err)
	}
	return n, err
}

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func (c *Client) sign(ctx context.Context, req *http.Request, in call) error {
	if c.Credentials.AccessKeyID == "" {
		return nil
	}
	hash := in.hash
	if hash == "" {
		hash = emptyHash
	}
	req.Header.Set("X-Amz-Content-Sha256", hash)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	creds := aws.Credentials{AccessKeyID: c.Credentials.AccessKeyID, SecretAccessKey: c.Credentials.SecretAccessKey, SessionToken: c.Credentials.SessionToken}
	if err := signer.SignHTTP(ctx, creds, req, hash, "s3", c.region(), time.Now().UTC()); err != nil {
		return fmt.Errorf("s3: sign %s: %w", where(in), err)
	}
	return nil
}

const upperHex = "0123456789ABCDEF"

func escapePath(path string) string {
	var b strings.Builder
	for i := range len(path) {
		ch := path[i]
		switch {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9', strings.IndexByte("-._~/", ch) >= 0:
			b.WriteByte(ch)
		default:
			b.WriteByte('%')
			b.WriteByte(upperHex[ch>>4])
			b.WriteByte(upperHex[ch&15])
		}
	}
	return b.String()
}

// refusal reads the server's error.
func refusal(in call, res *http.Response) error {
	e := &Error{Code: http.StatusText(res.StatusCode), Status: res.StatusCode, Bucket: in.bucket, Key: in.key}
	if e.Code == "" {
		e.Code = strconv.Itoa(res.StatusCode)
	}
	var body struct{ Code, Message string }
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err == nil && xml.Unmarshal(b, &body) == nil && body.Code != "" {
		e.Code, e.Message = body.Code, body.Message
	}
	return e
}
