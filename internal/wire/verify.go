package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/identity"
)

// why is a reason to refuse a caller. errors.go has the code that each service gives for it.
type why int

const (
	missing why = iota
	malformed
	malformedQuery
	notSupported
	unknownKey
	badToken
	expiredToken
	expiredURL
	skewed
	mismatch
	hashMismatch
)

// authError says that the caller is not who it claims to be.
type authError struct {
	why     why
	message string
}

func (e *authError) Error() string { return e.message }

func refuse(w why, format string, args ...any) *authError {
	return &authError{w, fmt.Sprintf(format, args...)}
}

const wrongSignature = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."

// caller finds whose key it is, and checks everything about the signature that does not need the body.
func (h *Handler) caller(r *http.Request, s *signature) (secret string, p identity.Principal, err error) {
	if refusal := s.checkTime(h.World.Now()); refusal != nil {
		return "", p, refusal
	}
	secret, p, err = h.Keys.Lookup(r.Context(), s.accessKey, s.token)
	switch {
	case errors.Is(err, identity.ErrBadToken) && s.token != "":
		return "", p, refuse(badToken, "The security token included in the request is invalid.")
	case errors.Is(err, identity.ErrUnknownKey), errors.Is(err, identity.ErrBadToken):
		return "", p, refuse(unknownKey, "The security token included in the request is invalid.")
	case errors.Is(err, identity.ErrExpired):
		return "", p, refuse(expiredToken, "The security token included in the request is expired")
	case err != nil:
		return "", p, fmt.Errorf("look up an access key: %w", err)
	}
	if regionName.MatchString(s.region) {
		p.Region = s.region
	}
	if s.version == 4 {
		for name := range r.Header {
			if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(s.signedHeaders, lower) {
				return "", p, refuse(mismatch, "There were headers present in the request which were not signed: %s", lower)
			}
		}
	}
	return secret, p, nil
}

// verifyWhole reads the body, at most limit bytes, and verifies the signature over all of the request.
func (h *Handler) verifyWhole(w http.ResponseWriter, r *http.Request, s *signature, limit int64) (body []byte, p identity.Principal, err error) {
	secret, p, err := h.caller(r, s)
	if err != nil {
		return nil, p, err
	}
	if s.version != 4 {
		return nil, p, refuse(notSupported, "The authorization mechanism of this request is not supported. Please use %s.", algorithm)
	}
	if body, err = readBody(w, r, limit); err != nil {
		return nil, p, err
	}
	hash := emptyHash
	if len(body) > 0 {
		sum := sha256.Sum256(body)
		hash = hex.EncodeToString(sum[:])
	}
	if claimed := s.claimedHash(r); claimed != "" && claimed != hash {
		return nil, p, refuse(hashMismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	if !s.good(h.keys.get(secret, s), r, hash) {
		return nil, p, refuse(mismatch, wrongSignature)
	}
	return body, p, nil
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	if r.ContentLength >= 0 {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, err
		}
		// The end is where a body that verifies itself says whether it is genuine.
		if _, err := io.ReadFull(r.Body, make([]byte, 1)); !errors.Is(err, io.EOF) {
			return nil, err
		}
		return body, nil
	}
	var b bytes.Buffer
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	return b.Bytes(), err
}

// claimedHash is the payload hash that the request names, or "".
func (s *signature) claimedHash(r *http.Request) string {
	if v := r.Header.Get("X-Amz-Content-Sha256"); v != "" {
		return v
	}
	return s.query.Get("X-Amz-Content-Sha256")
}

var hexHash = regexp.MustCompile(`\A[0-9a-fA-F]{64}\z`)

// verifyObject verifies a request to S3 and gives it a body that verifies itself as it is read.
func (h *Handler) verifyObject(r *http.Request, s *signature, bucket string) (p identity.Principal, err error) {
	secret, p, err := h.caller(r, s)
	if err != nil {
		return p, err
	}
	body := &payload{r: r.Body}
	if s.version == 2 {
		if !s.goodV2(secret, r, bucket) {
			return p, refuse(mismatch, wrongSignature)
		}
		return p, nil
	}
	claimed := s.claimedHash(r)
	if claimed == "" {
		if !s.presigned {
			return p, refuse(malformed, "Missing required header for this request: x-amz-content-sha256")
		}
		claimed = unsignedPayload
	}
	key := h.keys.get(secret, s)
	if !s.good(key, r, claimed) {
		return p, refuse(mismatch, wrongSignature)
	}
	switch {
	case claimed == unsignedPayload:
	case strings.HasPrefix(claimed, "STREAMING-"):
		if err := unchunk(r, body, claimed, s, key); err != nil {
			return p, err
		}
	case hexHash.MatchString(claimed):
		body.hash, body.claimed = sha256.New(), strings.ToLower(claimed)
	default:
		return p, refuse(malformed, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a SHA-256, and is '%s'", clip(claimed))
	}
	r.Body = body
	return p, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
