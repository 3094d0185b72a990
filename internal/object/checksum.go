package object

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"slices"
	"strings"
)

// nvme is the reflected polynomial 0xad93d23594c93659 of CRC-64/NVME, as hash/crc64 wants it.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newChecksum gives the hash of an algorithm that S3 names, or nil.
func newChecksum(algorithm string) hash.Hash {
	switch algorithm {
	case "CRC32":
		return crc32.NewIEEE()
	case "CRC32C":
		return crc32.New(castagnoli)
	case "CRC64NVME":
		return crc64.New(nvme)
	case "SHA1":
		return sha1.New()
	case "SHA256":
		return sha256.New()
	}
	return nil
}

// sums computes an object's MD5 and the checksums its writer asked for, in one pass.
type sums struct {
	opts  PutOptions
	md5   hash.Hash
	extra []hash.Hash
	size  int64
}

func newSums(opts PutOptions) (*sums, error) {
	s := &sums{opts: opts, md5: md5.New()}
	for _, c := range opts.Checksums {
		h := newChecksum(c.Algorithm)
		if h == nil {
			return nil, refuse(ErrInvalidRequest, "Checksum algorithm %q is not one of CRC32, CRC32C, CRC64NVME, SHA1, SHA256.", c.Algorithm)
		}
		s.extra = append(s.extra, h)
	}
	return s, nil
}

// Write is add for where a writer is wanted.
func (s *sums) Write(p []byte) (int, error) {
	s.add(p)
	return len(p), nil
}

func (s *sums) add(p []byte) {
	s.md5.Write(p)
	for _, h := range s.extra {
		h.Write(p)
	}
	s.size += int64(len(p))
}

// verify compares what was read with what its writer said it would be, and gives the checksums to keep.
func (s *sums) verify() (etag string, kept map[string]string, err error) {
	got := s.md5.Sum(nil)
	if s.opts.MD5 != nil && !slices.Equal(got, s.opts.MD5) {
		return "", nil, refuse(ErrBadDigest, "The Content-MD5 you specified (%s) did not match what was received (%s).",
			base64.StdEncoding.EncodeToString(s.opts.MD5), base64.StdEncoding.EncodeToString(got))
	}
	for i, c := range s.opts.Checksums {
		value := base64.StdEncoding.EncodeToString(s.extra[i].Sum(nil))
		want := c.Value
		if c.Late != nil {
			want = c.Late()
			if want == "" {
				return "", nil, refuse(ErrInvalidRequest, "The trailing x-amz-checksum-%s header is missing.", strings.ToLower(c.Algorithm))
			}
		}
		if want != "" && want != value {
			return "", nil, refuse(ErrBadDigest, "The %s you specified (%s) did not match the calculated checksum (%s).", c.Algorithm, want, value)
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[c.Algorithm] = value
	}
	return hex.EncodeToString(got), kept, nil
}
