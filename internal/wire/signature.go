package wire

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSkew is how far a client's clock may be from the server's, as AWS has it.
const maxSkew = 15 * time.Minute

// maxExpires is the longest that a presigned URL may be good for.
const maxExpires = 7 * 24 * time.Hour

const (
	algorithm = "AWS4-HMAC-SHA256"
	amzTime   = "20060102T150405Z"
)

// A signature is what a request says about how it is signed.
type signature struct {
	version              int // 4, or 2 for S3's old presigned URLs
	presigned            bool
	accessKey, token     string
	day, region, service string
	signedHeaders        []string
	value                []byte
	at                   time.Time     // when it was signed; zero for version 2
	expires              time.Duration // of a presigned URL of version 4
	until                time.Time     // of a presigned URL of version 2
	when                 string        // at, as it was sent
	query                url.Values    // of a presigned URL
}

// scope is the credential scope, as it goes into the string to sign.
func (s *signature) scope() string { return s.day + "/" + s.region + "/" + s.service + "/aws4_request" }

// parseSignature reads the signature of a request. It returns nil where there is none.
func parseSignature(r *http.Request) (*signature, *authError) {
	if auth := r.Header.Get("Authorization"); auth != "" {
		kind, rest, _ := strings.Cut(auth, " ")
		switch {
		case kind == algorithm:
			return parseHeader(r, rest)
		case kind == "AWS" || strings.HasPrefix(kind, "AWS4-"):
			return nil, refuse(notSupported, "The authorization mechanism %s is not supported. Please use %s.", kind, algorithm)
		}
		return nil, nil // the pages may use other schemes
	}
	if !strings.Contains(r.URL.RawQuery, "Signature=") {
		return nil, nil
	}
	q := r.URL.Query()
	switch {
	case q.Get("X-Amz-Algorithm") == algorithm:
		return parsePresigned(r, q)
	case q.Has("X-Amz-Algorithm"):
		return nil, refuse(notSupported, "The authorization mechanism %s is not supported. Please use %s.", q.Get("X-Amz-Algorithm"), algorithm)
	case q.Has("AWSAccessKeyId"):
		return parsePresignedV2(q)
	}
	return nil, nil
}

func parseHeader(r *http.Request, text string) (*signature, *authError) {
	s := &signature{version: 4, token: r.Header.Get("X-Amz-Security-Token")}
	var credential, signed, value string
	for part := range strings.SplitSeq(text, ",") {
		name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			credential = v
		case "SignedHeaders":
			signed = v
		case "Signature":
			value = v
		}
	}
	s.when = r.Header.Get("X-Amz-Date")
	return s, s.fill(credential, signed, value)
}

func parsePresigned(r *http.Request, q url.Values) (*signature, *authError) {
	s := &signature{version: 4, presigned: true, token: q.Get("X-Amz-Security-Token"), when: q.Get("X-Amz-Date"), query: q}
	if s.token == "" {
		s.token = r.Header.Get("X-Amz-Security-Token")
	}
	seconds, err := strconv.Atoi(q.Get("X-Amz-Expires"))
	if err != nil || seconds < 0 || seconds > int(maxExpires/time.Second) {
		return nil, refuse(malformedQuery, "X-Amz-Expires must be a number of seconds from 0 to %d, and is %q", int(maxExpires/time.Second), q.Get("X-Amz-Expires"))
	}
	s.expires = time.Duration(seconds) * time.Second
	return s, s.fill(q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature"))
}

// regionName is how regions are named. It goes into keys of rows and ARNs.
var regionName = regexp.MustCompile(`\A[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}\z`)

// fill reads the parts that header and query have in common.
func (s *signature) fill(credential, signed, value string) *authError {
	// An access key has no slash, but be exact about what is the rest: the scope has four parts.
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || parts[0] == "" || parts[4] != "aws4_request" {
		return refuse(malformed, "Credential must have the form KEY/YYYYMMDD/REGION/SERVICE/aws4_request, and is '%s'", clip(credential))
	}
	s.accessKey, s.day, s.region, s.service = parts[0], parts[1], parts[2], parts[3]
	if s.service != "s3" && !regionName.MatchString(s.region) { // buckets belong to no region here
		return refuse(malformed, "Credential should be scoped to a valid region, and '%s' is none", clip(s.region))
	}
	if signed != "" {
		s.signedHeaders = strings.Split(strings.ToLower(signed), ";")
	}
	if !slices.Contains(s.signedHeaders, "host") {
		return refuse(malformed, "SignedHeaders must contain 'host'")
	}
	var err error
	if s.value, err = hex.DecodeString(value); err != nil || len(s.value) != 32 {
		return refuse(malformed, "Signature must be 64 hexadecimal digits")
	}
	if s.at, err = time.Parse(amzTime, s.when); err != nil {
		return refuse(malformed, "The request must have an X-Amz-Date such as 20260102T030405Z, and has '%s'", clip(s.when))
	}
	if !strings.HasPrefix(s.when, s.day+"T") {
		return refuse(malformed, "The date of the Credential, '%s', is not that of X-Amz-Date, '%s'", clip(s.day), s.when)
	}
	return nil
}

// checkTime compares the signature's time with the server's.
func (s *signature) checkTime(now time.Time) *authError {
	switch {
	case s.version == 2:
		if now.After(s.until) {
			return refuse(expiredURL, "Request has expired: it was good until %s, and now it is %s", s.until.UTC().Format(amzTime), now.UTC().Format(amzTime))
		}
	case s.at.After(now.Add(maxSkew)):
		return refuse(skewed, "Signature not yet current: %s is still later than %s (%s + 15 min.)", s.when, now.Add(maxSkew).Format(amzTime), now.Format(amzTime))
	case s.presigned:
		if now.After(s.at.Add(s.expires)) {
			return refuse(expiredURL, "Request has expired: it was good until %s, and now it is %s", s.at.Add(s.expires).Format(amzTime), now.Format(amzTime))
		}
	case s.at.Before(now.Add(-maxSkew)):
		return refuse(skewed, "Signature expired: %s is now earlier than %s (%s - 15 min.)", s.when, now.Add(-maxSkew).Format(amzTime), now.Format(amzTime))
	}
	return nil
}

// clip bounds what an error repeats of a request.
func clip(s string) string {
	if len(s) > 128 {
		return strings.ToValidUTF8(s[:128], "") + "…"
	}
	return s
}
