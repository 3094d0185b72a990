package object

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode/utf8"
)

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// ParseURI splits s3://bucket/key. The key may be empty, or end with a slash to name a prefix.
func ParseURI(uri string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(uri, "s3://")
	if !ok {
		return "", "", refuse(ErrInvalidRequest, "%q is not an S3 URI: it must read s3://bucket/key.", uri)
	}
	bucket, key, _ = strings.Cut(rest, "/")
	if err := ValidateBucket(bucket); err != nil {
		return "", "", err
	}
	if key != "" {
		if err := ValidateKey(key); err != nil {
			return "", "", err
		}
	}
	return bucket, key, nil
}

// ValidateBucket holds a name against S3's rules for bucket names.
func ValidateBucket(bucket string) error {
	_, notIP := netip.ParseAddr(bucket)
	if !bucketName.MatchString(bucket) || strings.Contains(bucket, "..") || strings.Contains(bucket, ".-") || strings.Contains(bucket, "-.") || notIP == nil {
		return refuse(ErrInvalidBucket, "Bucket name %q must have 3 to 63 lower-case letters, digits, hyphens and single dots, begin and end with a letter or digit, and not be an IP address.", bucket)
	}
	return nil
}

// ValidateKey holds a key against S3's rules: 1 to 1,024 bytes of UTF-8.
func ValidateKey(key string) error {
	switch {
	case key == "":
		return refuse(ErrInvalidKey, "The key is empty; it must have 1 to %d bytes.", MaxKeyBytes)
	case len(key) > MaxKeyBytes:
		return refuse(ErrKeyTooLong, "The key has %d bytes; at most %d are allowed.", len(key), MaxKeyBytes)
	case !utf8.ValidString(key):
		return refuse(ErrInvalidKey, "The key %q is not UTF-8.", key)
	}
	return nil
}
