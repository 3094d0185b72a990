package wire

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// S3's presigned URLs of Signature Version 2, which boto3 still makes by default. Source: "Signing and authenticating REST requests" of the S3 guide.

func parsePresignedV2(q url.Values) (*signature, *authError) {
	s := &signature{version: 2, presigned: true, accessKey: q.Get("AWSAccessKeyId"), service: "s3", query: q}
	for name, values := range q {
		if strings.EqualFold(name, "x-amz-security-token") {
			s.token = values[0]
		}
	}
	seconds, err := strconv.ParseInt(q.Get("Expires"), 10, 64)
	if err != nil || seconds < 0 {
		return nil, refuse(malformedQuery, "Expires must be seconds since 1970, and is '%s'", clip(q.Get("Expires")))
	}
	s.until = time.Unix(seconds, 0)
	if s.value, err = base64.StdEncoding.DecodeString(q.Get("Signature")); err != nil {
		return nil, refuse(malformedQuery, "Signature must be base64")
	}
	return s, nil
}

// subresources are the query parameters that a signature of version 2 covers.
var subresources = []string{"accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location", "logging", "metrics",
	"notification", "object-lock", "partNumber", "policy", "replication", "requestPayment", "response-cache-control", "response-content-disposition",
	"response-content-encoding", "response-content-language", "response-content-type", "response-expires", "restore", "select", "select-type", "storageClass",
	"tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website"}

// goodV2 says whether the signature of version 2 is the one that the secret gives. bucket is the one in the host name, or "".
func (s *signature) goodV2(secret string, r *http.Request, bucket string) bool {
	// Headers of the signed request may travel in the query.
	given := func(name string) string {
		if v := s.query.Get(name); v != "" {
			return v
		}
		return strings.TrimSpace(r.Header.Get(name))
	}
	amz := map[string]string{}
	for name, values := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
			amz[lower] = strings.Join(values, ",")
		}
	}
	for name, values := range s.query {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
			amz[lower] = strings.Join(values, ",")
		}
	}
	lines := []string{r.Method, given("content-md5"), given("content-type"), s.query.Get("Expires")}
	for _, name := range sortedKeys(amz) {
		lines = append(lines, name+":"+strings.TrimSpace(amz[name]))
	}
	resource := r.URL.EscapedPath()
	if bucket != "" {
		resource = "/" + bucket + resource
	}
	var covered []string
	for _, name := range sortedKeys(s.query) {
		if !slices.Contains(subresources, name) {
			continue
		}
		if v := s.query.Get(name); v != "" {
			name += "=" + v
		}
		covered = append(covered, name)
	}
	if covered != nil {
		resource += "?" + strings.Join(covered, "&")
	}
	m := hmac.New(sha1.New, []byte(secret))
	m.Write([]byte(strings.Join(append(lines, resource), "\n")))
	return subtle.ConstantTimeCompare(s.value, m.Sum(nil)) == 1
}
