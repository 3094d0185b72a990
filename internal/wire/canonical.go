package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The canonical request and the string to sign of Signature Version 4, as documented in "Create a signed AWS API request".

const (
	unsignedPayload = "UNSIGNED-PAYLOAD"
	emptyHash       = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// good says whether the signature is the one that the signing key gives for the request with that payload hash.
func (s *signature) good(key []byte, r *http.Request, payloadHash string) bool {
	sent := r.URL.EscapedPath()
	if s.service == "s3" { // a path is signed as it was sent; some clients send it less escaped than they sign it
		return s.matches(key, r, sent, payloadHash) || s.matches(key, r, escape(r.URL.Path, true), payloadHash)
	}
	// The other services escape it once more, and some clients take out dots and doubled slashes first.
	return s.matches(key, r, escape(sent, true), payloadHash) || s.matches(key, r, escape(withoutDots(sent), true), payloadHash)
}

func (s *signature) matches(key []byte, r *http.Request, path, payloadHash string) bool {
	b := make([]byte, 0, 1024)
	b = append(b, r.Method...)
	b = append(b, '\n')
	if path == "" {
		path = "/"
	}
	b = append(b, path...)
	b = append(b, '\n')
	b = append(b, canonicalQuery(r.URL.RawQuery)...)
	b = append(b, '\n')
	for _, name := range s.signedHeaders {
		b = append(b, name...)
		b = append(b, ':')
		b = appendHeader(b, r, name)
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, name := range s.signedHeaders {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	b = append(b, payloadHash...)
	sum := sha256.Sum256(b)
	return subtle.ConstantTimeCompare(s.value, hmacSHA256(key, algorithm, s.when, s.scope(), hex.EncodeToString(sum[:]))) == 1
}

// hmacSHA256 signs lines.
func hmacSHA256(key []byte, lines ...string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(strings.Join(lines, "\n")))
	return m.Sum(nil)
}

// withoutDots takes "." and ".." segments and doubled slashes out of a path.
func withoutDots(path string) string {
	if !strings.Contains(path, "/.") && !strings.Contains(path, "//") {
		return path
	}
	var out []string
	for part := range strings.SplitSeq(path, "/") {
		switch part {
		case "", ".":
		case "..":
			out = out[:max(0, len(out)-1)]
		default:
			out = append(out, part)
		}
	}
	clean := "/" + strings.Join(out, "/")
	if strings.HasSuffix(path, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// canonicalQuery escapes every name and value anew and sorts them. The signature of a presigned URL is not part of what is signed.
func canonicalQuery(raw string) string {
	if raw == "" {
		return ""
	}
	var pairs []string
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		if part == "" || name == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, escape(unescape(name), false)+"="+escape(unescape(value), false))
	}
	// "=" sorts after "-" and digits, so names are compared by themselves.
	slices.SortFunc(pairs, func(a, b string) int {
		an, av, _ := strings.Cut(a, "=")
		bn, bv, _ := strings.Cut(b, "=")
		if c := strings.Compare(an, bn); c != 0 {
			return c
		}
		return strings.Compare(av, bv)
	})
	return strings.Join(pairs, "&")
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// appendHeader writes a header's values, trimmed and with runs of spaces made one, as they are signed.
func appendHeader(b []byte, r *http.Request, name string) []byte {
	switch name {
	case "host":
		return append(b, r.Host...)
	case "content-length": // net/http keeps it apart
		return strconv.AppendInt(b, max(r.ContentLength, 0), 10)
	case "transfer-encoding":
		return append(b, strings.Join(r.TransferEncoding, ",")...)
	}
	for i, v := range r.Header[http.CanonicalHeaderKey(name)] {
		if i > 0 {
			b = append(b, ',')
		}
		v = strings.TrimSpace(v)
		if strings.Contains(v, "  ") {
			v = strings.Join(strings.FieldsFunc(v, func(c rune) bool { return c == ' ' }), " ")
		}
		b = append(b, v...)
	}
	return b
}

// escape percent-encodes everything but RFC 3986's unreserved characters and, in a path, the slash.
func escape(s string, path bool) string {
	plain := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~' || path && c == '/'
	}
	i := 0
	for i < len(s) && plain(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	const digits = "0123456789ABCDEF"
	b := append(make([]byte, 0, len(s)+16), s[:i]...)
	for ; i < len(s); i++ {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}

// signingKeys keeps derived keys: a key serves a whole day, and deriving it costs four hashes.
type signingKeys struct {
	mu    sync.RWMutex
	known map[signingKeyID][]byte
}

type signingKeyID struct{ secret, day, region, service string }

// maxSigningKeys bounds the cache; when it is full it starts anew.
const maxSigningKeys = 4096

func (k *signingKeys) get(secret string, s *signature) []byte {
	id := signingKeyID{secret, s.day, s.region, s.service}
	k.mu.RLock()
	key := k.known[id]
	k.mu.RUnlock()
	if key != nil {
		return key
	}
	key = []byte("AWS4" + secret)
	for _, part := range []string{s.day, s.region, s.service, "aws4_request"} {
		key = hmacSHA256(key, part)
	}
	k.mu.Lock()
	if k.known == nil || len(k.known) >= maxSigningKeys {
		k.known = map[signingKeyID][]byte{}
	}
	k.known[id] = key
	k.mu.Unlock()
	return key
}
