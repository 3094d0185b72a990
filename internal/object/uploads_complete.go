package object

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// CompleteUpload joins parts into the object, which appears whole. A failure leaves the upload as it was, to be completed again.
func (f *Files) CompleteUpload(ctx context.Context, bucket, key, id string, parts []Part, opts PutOptions) (info Info, err error) {
	unlock := f.keys.lock("upload/" + id)
	defer unlock()
	rec, err := f.readUpload(bucket, key, id)
	if err != nil {
		return Info{}, err
	}
	if rec.Done != nil {
		return *rec.Done, nil
	}
	if err := f.HeadBucket(ctx, bucket); err != nil {
		return Info{}, err
	}
	if err := inOrder(parts); err != nil {
		return Info{}, err
	}
	tmp, err := f.temp()
	if err != nil {
		return Info{}, writeFailed(bucket, key, err)
	}
	defer func() { err = f.finish(tmp, err) }()
	a, err := f.join(ctx, tmp, rec, parts)
	if err != nil {
		return Info{}, writeFailed(bucket, key, err)
	}
	for _, c := range opts.Checksums {
		if got := a.Sums[c.Algorithm]; c.Value != "" && got != "" && got != c.Value {
			return Info{}, refuse(ErrBadDigest, "The %s you specified (%s) did not match the calculated checksum (%s).", c.Algorithm, c.Value, got)
		}
	}
	rec.Opts.IfMatch, rec.Opts.IfNoneMatch = opts.IfMatch, opts.IfNoneMatch
	info, err = f.publish(ctx, bucket, key, tmp, a, rec.Opts)
	if err != nil {
		return Info{}, err
	}
	f.forgetParts(rec, info)
	return info, nil
}

// forgetParts frees the parts and remembers the answer. What fails here is swept later: the object is there already.
func (f *Files) forgetParts(rec uploadRecord, info Info) {
	rec.Done = &info
	err := f.writeUpload(rec)
	entries, readErr := os.ReadDir(f.uploadDir(rec.ID))
	err = errors.Join(err, readErr)
	for _, e := range entries {
		if e.Name() != "upload.json" {
			err = errors.Join(err, os.Remove(filepath.Join(f.uploadDir(rec.ID), e.Name())))
		}
	}
	if err != nil {
		f.log.Warn("The parts of a completed upload were not removed", "upload", rec.ID, "error", err)
	}
}

func inOrder(parts []Part) error {
	if len(parts) == 0 {
		return refuse(ErrInvalidRequest, "You must specify at least one part.")
	}
	for i := 1; i < len(parts); i++ {
		if parts[i].Number <= parts[i-1].Number {
			return refuse(ErrInvalidPartOrder, "The list of parts was not in ascending order: part %d comes after part %d.", parts[i].Number, parts[i-1].Number)
		}
	}
	return nil
}

// join writes the parts one after another and gives the object's ETag and checksum.
func (f *Files) join(ctx context.Context, tmp *os.File, rec uploadRecord, parts []Part) (*attrs, error) {
	a := new(attrs)
	etags := md5.New()
	var full, composite hash.Hash
	if rec.Checksum != "" && rec.FullChecksum {
		full = newChecksum(rec.Checksum)
	} else if rec.Checksum != "" {
		composite = newChecksum(rec.Checksum)
	}
	for i, want := range parts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		have, err := f.joinPart(tmp, full, rec.ID, want, i == len(parts)-1)
		if err != nil {
			return nil, err
		}
		sum, _ := hex.DecodeString(have.ETag)
		etags.Write(sum)
		if composite != nil {
			sum, _ := base64.StdEncoding.DecodeString(have.Checksum[rec.Checksum])
			composite.Write(sum)
		}
		a.Size += have.Size
	}
	a.ETag = fmt.Sprintf("%x-%d", etags.Sum(nil), len(parts))
	switch {
	case full != nil:
		a.Sums = map[string]string{rec.Checksum: base64.StdEncoding.EncodeToString(full.Sum(nil))}
	case composite != nil:
		a.Sums = map[string]string{rec.Checksum: fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(composite.Sum(nil)), len(parts))}
	}
	return a, nil
}

func (f *Files) joinPart(tmp *os.File, full hash.Hash, id string, want Part, last bool) (Part, error) {
	file, have, err := f.openPart(id, want.Number)
	if errors.Is(err, fs.ErrNotExist) {
		return Part{}, refuse(ErrInvalidPart, "Part %d could not be found; it may not have been uploaded.", want.Number)
	}
	if err != nil {
		return Part{}, err
	}
	defer file.Close()
	if want.ETag != have.ETag {
		return Part{}, refuse(ErrInvalidPart, "Part %d has the ETag %q, not %q.", want.Number, have.ETag, want.ETag)
	}
	for algorithm, value := range want.Checksum {
		if got := have.Checksum[algorithm]; got != "" && got != value {
			return Part{}, refuse(ErrInvalidPart, "Part %d has the %s %q, not %q.", want.Number, algorithm, got, value)
		}
	}
	if !last && have.Size < MinPartBytes {
		return Part{}, refuse(ErrEntityTooSmall, "Part %d has %d bytes; each part but the last must have at least %d.", want.Number, have.Size, MinPartBytes)
	}
	if full == nil {
		_, err = tmp.ReadFrom(file) // copied inside the kernel where it can
	} else {
		_, err = io.Copy(io.MultiWriter(tmp, full), file)
	}
	return have, err
}
