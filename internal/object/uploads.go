package object

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// MaxParts is the most parts an upload has, MinPartBytes the least that each but the last must have. Both are S3's.
	MaxParts     = 10000
	MinPartBytes = 5 << 20

	// An upload that nobody finished is removed when it is this old, and the memory of a finished one after this.
	uploadLifetime   = 7 * 24 * time.Hour
	finishedLifetime = time.Hour
)

var uploadID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// uploadRecord is what upload.json in an upload's folder holds. The parts are files beside it.
type uploadRecord struct {
	Upload
	Opts PutOptions
	Done *Info `json:",omitempty"` // set once the object is there, so that a repeated completion gets the same answer
}

func (f *Files) uploadDir(id string) string { return filepath.Join(f.sys("uploads"), id) }

func partName(number int) string { return fmt.Sprintf("%05d", number) }

// CreateUpload begins a multipart upload. opts are those of the object to be; its checksum, if any, names the algorithm.
func (f *Files) CreateUpload(ctx context.Context, bucket, key string, opts PutOptions) (Upload, error) {
	if err := f.writable(ctx, bucket, key); err != nil {
		return Upload{}, err
	}
	f.sweepUploads()
	u := Upload{Bucket: bucket, Key: key, ID: f.world.NewID(32), Started: f.world.Now()}
	for _, c := range opts.Checksums {
		if newChecksum(c.Algorithm) == nil {
			return Upload{}, refuse(ErrInvalidRequest, "Checksum algorithm %q is not one of CRC32, CRC32C, CRC64NVME, SHA1, SHA256.", c.Algorithm)
		}
		u.Checksum, u.FullChecksum = c.Algorithm, c.Algorithm == "CRC64NVME" || c.Value == fullObject
	}
	opts.Checksums = nil
	if err := os.Mkdir(f.uploadDir(u.ID), 0o755); err != nil {
		return Upload{}, writeFailed(bucket, key, err)
	}
	if err := f.writeUpload(uploadRecord{Upload: u, Opts: opts}); err != nil {
		os.RemoveAll(f.uploadDir(u.ID))
		return Upload{}, writeFailed(bucket, key, err)
	}
	return u, syncDir(f.sys("uploads"))
}

// fullObject as the value of CreateUpload's checksum asks for a checksum over the content instead of over the parts' checksums.
const fullObject = "FULL_OBJECT"

func (f *Files) writeUpload(rec uploadRecord) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encode upload: %w", err)
	}
	return f.writeWhole(filepath.Join(f.uploadDir(rec.ID), "upload.json"), b)
}

func (f *Files) readUpload(bucket, key, id string) (rec uploadRecord, err error) {
	missing := refuse(ErrNoSuchUpload, "The upload %q of %q in bucket %q does not exist; it may have been completed or aborted.", id, key, bucket)
	if !uploadID.MatchString(id) {
		return rec, missing
	}
	b, err := os.ReadFile(filepath.Join(f.uploadDir(id), "upload.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return rec, missing
	}
	if err == nil {
		err = json.Unmarshal(b, &rec)
	}
	if err != nil {
		return rec, fmt.Errorf("read upload %s: %w", id, err)
	}
	if rec.Bucket != bucket || rec.Key != key {
		return rec, missing
	}
	return rec, nil
}

// liveUpload reads an upload that has not been completed.
func (f *Files) liveUpload(bucket, key, id string) (uploadRecord, error) {
	rec, err := f.readUpload(bucket, key, id)
	if err == nil && rec.Done != nil {
		return rec, refuse(ErrNoSuchUpload, "The upload %q of %q in bucket %q was completed already.", id, key, bucket)
	}
	return rec, err
}

// PutPart stores one part, in place of an earlier one with its number.
func (f *Files) PutPart(ctx context.Context, bucket, key, id string, number int, r io.Reader, opts PutOptions) (part Part, err error) {
	if number < 1 || number > MaxParts {
		return Part{}, refuse(ErrInvalidKey, "Part number %d must be from 1 to %d.", number, MaxParts)
	}
	rec, err := f.liveUpload(bucket, key, id)
	if err != nil {
		return Part{}, err
	}
	if rec.Checksum != "" && len(opts.Checksums) == 0 {
		opts.Checksums = []Checksum{{Algorithm: rec.Checksum}}
	}
	tmp, err := f.temp()
	if err != nil {
		return Part{}, writeFailed(bucket, key, err)
	}
	defer func() { err = f.finish(tmp, err) }()
	s, err := newSums(opts)
	if err != nil {
		return Part{}, err
	}
	if err := fill(ctx, tmp, s, r); err != nil {
		return Part{}, writeFailed(bucket, key, err)
	}
	etag, kept, err := s.verify()
	if err != nil {
		return Part{}, err
	}
	now := f.world.Now()
	if err := f.seal(tmp, &attrs{ETag: etag, Size: s.size, Sums: kept}, PutOptions{}, now); err != nil {
		return Part{}, writeFailed(bucket, key, err)
	}
	unlock := f.keys.lock("upload/" + id)
	defer unlock()
	if _, err := f.liveUpload(bucket, key, id); err != nil {
		return Part{}, err // completed or aborted while the part came in
	}
	dst := filepath.Join(f.uploadDir(id), partName(number))
	done := f.holdSide(dst)
	err = os.Rename(tmp.Name(), dst)
	done(err == nil)
	if err == nil {
		err = syncDir(f.uploadDir(id))
	}
	if err != nil {
		return Part{}, writeFailed(bucket, key, err)
	}
	return Part{Number: number, Size: s.size, ETag: etag, Modified: now, Checksum: kept}, nil
}

// ListParts returns the parts that have come in.
func (f *Files) ListParts(_ context.Context, bucket, key, id string, after, limit int) (Upload, []Part, bool, error) {
	rec, err := f.liveUpload(bucket, key, id)
	if err != nil {
		return Upload{}, nil, false, err
	}
	entries, err := os.ReadDir(f.uploadDir(id))
	if err != nil {
		return Upload{}, nil, false, fmt.Errorf("list parts of %s: %w", id, err)
	}
	var parts []Part
	for _, e := range entries {
		var number int
		if _, err := fmt.Sscanf(e.Name(), "%05d", &number); err != nil || number <= after {
			continue
		}
		if len(parts) == limit {
			return rec.Upload, parts, true, nil
		}
		file, part, err := f.openPart(id, number)
		if err != nil {
			return Upload{}, nil, false, err
		}
		file.Close()
		parts = append(parts, part)
	}
	return rec.Upload, parts, false, nil
}

func (f *Files) openPart(id string, number int) (*os.File, Part, error) {
	file, err := os.Open(filepath.Join(f.uploadDir(id), partName(number)))
	if err != nil {
		return nil, Part{}, err
	}
	st, err := file.Stat()
	if err == nil {
		var a *attrs
		if a, err = f.readAttrs(file, st); err == nil {
			return file, Part{Number: number, Size: a.Size, ETag: a.ETag, Modified: st.ModTime().UTC(), Checksum: a.Sums}, nil
		}
	}
	file.Close()
	return nil, Part{}, err
}

// ListUploads returns the unfinished uploads of a bucket, sorted by key, then start.
func (f *Files) ListUploads(ctx context.Context, bucket, prefix string) ([]Upload, error) {
	entries, err := os.ReadDir(f.sys("uploads"))
	if err != nil {
		return nil, fmt.Errorf("list uploads: %w", err)
	}
	var out []Upload
	for _, e := range entries {
		var rec uploadRecord
		b, err := os.ReadFile(filepath.Join(f.uploadDir(e.Name()), "upload.json"))
		if err != nil || json.Unmarshal(b, &rec) != nil {
			continue // just begun or just gone
		}
		if rec.Done == nil && rec.Bucket == bucket && strings.HasPrefix(rec.Key, prefix) {
			out = append(out, rec.Upload)
		}
	}
	slices.SortFunc(out, func(a, b Upload) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), a.Started.Compare(b.Started), strings.Compare(a.ID, b.ID))
	})
	return out, nil
}

// AbortUpload drops an upload and its parts.
func (f *Files) AbortUpload(_ context.Context, bucket, key, id string) error {
	unlock := f.keys.lock("upload/" + id)
	defer unlock()
	if _, err := f.liveUpload(bucket, key, id); err != nil {
		return err
	}
	if err := os.RemoveAll(f.uploadDir(id)); err != nil {
		return fmt.Errorf("abort upload %s: %w", id, err)
	}
	return syncDir(f.sys("uploads"))
}

// sweepUploads removes uploads that are too old, at most once an hour.
func (f *Files) sweepUploads() {
	f.sweepMu.Lock()
	defer f.sweepMu.Unlock()
	now := f.world.Now()
	if !f.lastSweep.IsZero() && now.Sub(f.lastSweep) < finishedLifetime {
		return
	}
	f.lastSweep = now
	entries, err := os.ReadDir(f.sys("uploads"))
	if err != nil {
		f.log.Warn("Old uploads were not swept", "error", err)
		return
	}
	for _, e := range entries {
		f.sweepUpload(e.Name(), now)
	}
}

func (f *Files) sweepUpload(id string, now time.Time) {
	unlock := f.keys.lock("upload/" + id)
	defer unlock()
	var rec uploadRecord
	b, err := os.ReadFile(filepath.Join(f.uploadDir(id), "upload.json"))
	broken := err != nil || json.Unmarshal(b, &rec) != nil
	if broken {
		// Without its record it was cut off while being begun or removed.
		if st, err := os.Stat(f.uploadDir(id)); err == nil {
			rec.Started = st.ModTime()
		}
	}
	age := now.Sub(rec.Started)
	if age > uploadLifetime || rec.Done != nil && now.Sub(rec.Done.Modified) > finishedLifetime || broken && age > finishedLifetime {
		if err := os.RemoveAll(f.uploadDir(id)); err != nil {
			f.log.Warn("An old upload was not removed", "upload", id, "error", err)
		}
	}
}
