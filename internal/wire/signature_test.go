package wire_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/mobula-ml/mobula/internal/wire"
	"github.com/mobula-ml/mobula/internal/world"
)

// request makes a request of a service that does nothing but be signed.
func (e *env) request(t *testing.T, service string) (*http.Request, []byte) {
	t.Helper()
	method, path, body := "POST", "/", "{}"
	header := http.Header{}
	switch service {
	case "sagemaker":
		header.Set("X-Amz-Target", "SageMaker.ListTrials")
	case "sts":
		body = "Action=GetCallerIdentity"
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	case "s3":
		method, path, body = "PUT", "/bucket-of-mine/a%20key+&=/%C3%BC~", "hello"
	}
	r, err := http.NewRequestWithContext(t.Context(), method, e.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	return r, []byte(body)
}

func TestSignaturesAreJudged(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	bucket, _ := http.NewRequestWithContext(t.Context(), "PUT", e.URL+"/bucket-of-mine", nil)
	sign(t, bucket, "s3", nil, time.Now())
	if resp, body := exchange(t, bucket); resp.StatusCode != 200 {
		t.Fatal(body)
	}
	now := time.Now()
	type codes struct{ sagemaker, sts, s3 string } // "" is success
	for _, c := range []struct {
		name        string
		key, secret string
		token       string
		at          time.Time
		change      func(r *http.Request)
		want        codes
	}{
		{name: "good", want: codes{}},
		{name: "a job's key", key: jobKey, secret: jobSecret, token: jobToken},
		{name: "clock 14 minutes ahead", at: now.Add(14 * time.Minute)},
		{name: "clock 14 minutes behind", at: now.Add(-14 * time.Minute)},
		{name: "clock 16 minutes ahead", at: now.Add(16 * time.Minute), want: codes{"InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed"}},
		{name: "clock 16 minutes behind", at: now.Add(-16 * time.Minute), want: codes{"InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed"}},
		{name: "wrong secret", secret: "x", want: codes{"InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch"}},
		{name: "unknown key", key: "AKIDNOBODY", want: codes{"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId"}},
		{name: "a job's key with another token", key: jobKey, secret: jobSecret, token: "x", want: codes{"UnrecognizedClientException", "InvalidClientTokenId", "InvalidToken"}},
		{name: "a job's key without its token", key: jobKey, secret: jobSecret, want: codes{"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId"}},
		{name: "expired key", key: expired, want: codes{"ExpiredTokenException", "ExpiredToken", "ExpiredToken"}},
		{name: "body changed", change: func(r *http.Request) { setBody(r) },
			want: codes{"InvalidSignatureException", "SignatureDoesNotMatch", "XAmzContentSHA256Mismatch"}},
		{name: "query added", change: func(r *http.Request) { r.URL.RawQuery = "versionId=1" },
			want: codes{"InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch"}},
		{name: "path changed", change: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/other", "" },
			want: codes{"InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch"}},
		{name: "host changed", change: func(r *http.Request) { r.Host = "example.com" },
			want: codes{"InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch"}},
		{name: "a header of AWS added", change: func(r *http.Request) { r.Header.Set("X-Amz-Meta-More", "1") },
			want: codes{"InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch"}},
		{name: "another header added", change: func(r *http.Request) { r.Header.Set("X-Forwarded-For", "1.2.3.4") }},
		{name: "signature of another length", change: func(r *http.Request) { auth(r, "Signature=", "Signature=00") },
			want: codes{"IncompleteSignatureException", "IncompleteSignature", "AuthorizationHeaderMalformed"}},
		{name: "scope cut", change: func(r *http.Request) { auth(r, "/aws4_request", "") },
			want: codes{"IncompleteSignatureException", "IncompleteSignature", "AuthorizationHeaderMalformed"}},
		{name: "host not signed", change: func(r *http.Request) { auth(r, "host;", "") },
			want: codes{"IncompleteSignatureException", "IncompleteSignature", "AuthorizationHeaderMalformed"}},
		{name: "day of the scope changed", change: func(r *http.Request) { auth(r, "/"+now.UTC().Format("20060102")+"/", "/20200101/") },
			want: codes{"IncompleteSignatureException", "IncompleteSignature", "AuthorizationHeaderMalformed"}},
	} {
		for service, want := range map[string]string{"sagemaker": c.want.sagemaker, "sts": c.want.sts, "s3": c.want.s3} {
			r, body := e.request(t, service)
			key := aws.Credentials{AccessKeyID: or(c.key, accessKey), SecretAccessKey: or(c.secret, secretKey), SessionToken: c.token}
			at := c.at
			if at.IsZero() {
				at = now
			}
			signWith(t, r, service, body, key, at)
			if c.change != nil {
				c.change(r)
			}
			resp, answer := exchange(t, r)
			if got := codeOf(resp, answer); got != want {
				t.Errorf("%s, %s: got %d %s, want %q", c.name, service, resp.StatusCode, answer, want)
			}
		}
	}
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// setBody sends another body of the same length.
func setBody(r *http.Request) {
	r.Body, r.GetBody = io.NopCloser(strings.NewReader(strings.Repeat("x", int(r.ContentLength)))), nil
}

func auth(r *http.Request, old, new string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
}

func signWith(t *testing.T, r *http.Request, service string, body []byte, key aws.Credentials, at time.Time) {
	t.Helper()
	hash := sha(body)
	if service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	err := v4.NewSigner().SignHTTP(context.Background(), key, r, hash, service, "us-east-1", at, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	if err != nil {
		t.Fatal(err)
	}
}

// codeOf is the error code of an answer, wherever the protocol puts it; "" is success.
func codeOf(resp *http.Response, body string) string {
	if resp.StatusCode < 400 {
		return ""
	}
	if code := resp.Header.Get("X-Amzn-Errortype"); code != "" {
		return code
	}
	_, rest, _ := strings.Cut(body, "<Code>")
	code, _, _ := strings.Cut(rest, "</Code>")
	return code
}

func TestPresignedURLs(t *testing.T) {
	t.Parallel()
	clock := world.NewFixed(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), 1)
	e := start(t, func(c *wire.Config) { c.World = clock })
	do := func(method, target, body string, headers ...string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		resp, answer := exchange(t, r)
		if code := codeOf(resp, answer); code != "" {
			return code
		}
		return answer
	}
	v4URL := func(method, path string, seconds int, key aws.Credentials) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("%s%s?X-Amz-Expires=%d", e.URL, path, seconds), nil)
		if err != nil {
			t.Fatal(err)
		}
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), key, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", clock.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	v2URL := func(method, path string, until time.Time, key aws.Credentials) string {
		lines := []string{method, "", "", fmt.Sprint(until.Unix())}
		q := url.Values{"AWSAccessKeyId": {key.AccessKeyID}, "Expires": {lines[3]}}
		if key.SessionToken != "" {
			lines = append(lines, "x-amz-security-token:"+key.SessionToken)
			q.Set("x-amz-security-token", key.SessionToken)
		}
		m := hmac.New(sha1.New, []byte(key.SecretAccessKey))
		m.Write([]byte(strings.Join(append(lines, path), "\n")))
		q.Set("Signature", base64.StdEncoding.EncodeToString(m.Sum(nil)))
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		return e.URL + path + separator + q.Encode()
	}
	root := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
	job := aws.Credentials{AccessKeyID: jobKey, SecretAccessKey: jobSecret, SessionToken: jobToken}
	for _, key := range []aws.Credentials{root, job} {
		if got := do("PUT", v4URL("PUT", "/presigned", 60, key), ""); got != "" {
			t.Errorf("create the bucket: %s", got)
		}
		if got := do("PUT", v4URL("PUT", "/presigned/a%20b", 60, key), "four"); got != "" {
			t.Errorf("version 4, PUT: %s", got)
		}
		if got := do("GET", v4URL("GET", "/presigned/a%20b", 60, key), ""); got != "four" {
			t.Errorf("version 4, GET: %s", got)
		}
		if got := do("PUT", v2URL("PUT", "/presigned/c%2Bd", clock.Now().Add(time.Minute), key), "two"); got != "" {
			t.Errorf("version 2, PUT: %s", got)
		}
		if got := do("GET", v2URL("GET", "/presigned/c%2Bd?response-content-type=text/csv", clock.Now().Add(time.Minute), key), ""); got != "two" {
			t.Errorf("version 2, GET: %s", got)
		}
	}
	// A method, a path or a header that was not signed.
	good := v4URL("GET", "/presigned/a%20b", 60, root)
	for name, got := range map[string]string{
		"SignatureDoesNotMatch, 4, method":  do("DELETE", good, ""),
		"SignatureDoesNotMatch, 4, path":    do("GET", strings.Replace(good, "a%20b", "c%2Bd", 1), ""),
		"SignatureDoesNotMatch, 4, header":  do("GET", good, "", "X-Amz-Request-Payer", "me"),
		"SignatureDoesNotMatch, 2, method":  do("DELETE", v2URL("GET", "/presigned/c%2Bd", clock.Now().Add(time.Minute), root), ""),
		"SignatureDoesNotMatch, 2, header":  do("GET", v2URL("GET", "/presigned/c%2Bd", clock.Now().Add(time.Minute), root), "", "X-Amz-Request-Payer", "me"),
		"AccessDenied, 2, expired":          do("GET", v2URL("GET", "/presigned/c%2Bd", clock.Now().Add(-time.Second), root), ""),
		"InvalidAccessKeyId, 2, nobody":     do("GET", v2URL("GET", "/presigned/x", clock.Now().Add(time.Minute), aws.Credentials{AccessKeyID: "AKIDNOBODY"}), ""),
		"AuthorizationQueryParametersError": do("GET", strings.Replace(good, "X-Amz-Expires=60", "X-Amz-Expires=604801", 1), ""),
		"InvalidRequest, version 2 header":  do("GET", e.URL+"/presigned/x", "", "Authorization", "AWS AKIDEXAMPLE:c2ln"),
	} {
		if want, _, _ := strings.Cut(name, ","); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
	clock.Advance(61 * time.Second)
	if got := do("GET", good, ""); got != "AccessDenied" {
		t.Errorf("an expired URL gives %s", got)
	}
}

func TestOtherSchemesAreNotSignatures(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	r := e.signed(t, "POST", "/", "sagemaker", "{}", "X-Amz-Target", "SageMaker.ListTrials")
	r.Header.Set("Authorization", "Basic eDp5") // another scheme is the pages' affair, but this asks for an operation
	if resp, body := exchange(t, r); codeOf(resp, body) != "MissingAuthenticationTokenException" {
		t.Errorf("got %s", body)
	}
}
