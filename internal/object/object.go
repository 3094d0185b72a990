package object

import (
	"context"
	"io"
	"time"
)

// Store keeps objects in buckets. Every error it returns for a wrong request is an *Error; compare with errors.Is and the Err… values.
type Store interface {
	// CreateBucket makes an empty bucket, or gives ErrBucketExists.
	CreateBucket(ctx context.Context, bucket string) error
	// DeleteBucket removes an empty bucket.
	DeleteBucket(ctx context.Context, bucket string) error
	// HeadBucket gives ErrNoSuchBucket when there is none of that name.
	HeadBucket(ctx context.Context, bucket string) error
	// ListBuckets returns all buckets, sorted by name.
	ListBuckets(ctx context.Context) ([]Bucket, error)

	// Put stores what r gives, up to io.EOF, as one object: whole and on disk when it returns, or not at all.
	Put(ctx context.Context, bucket, key string, r io.Reader, opts PutOptions) (Info, error)
	// PutFile stores a local file without sending its bytes through a reader where the file system can share or move them.
	PutFile(ctx context.Context, bucket, key, path string, opts PutOptions) (Info, error)
	// Get opens an object. The reader keeps giving the object as it was, whatever is written to the key meanwhile.
	Get(ctx context.Context, bucket, key string) (io.ReadSeekCloser, Info, error)
	// Head describes an object.
	Head(ctx context.Context, bucket, key string) (Info, error)
	// Delete removes an object. A key that is not there is no error.
	Delete(ctx context.Context, bucket, key string) error
	// List returns at most limit objects whose key has the prefix and is greater than after, sorted by the bytes of the key,
	// and whether there are more. A limit of 0 means MaxPage.
	List(ctx context.Context, bucket, prefix, after string, limit int) (objects []Info, more bool, err error)
	// ListGroups is List with the keys that contain the delimiter after the prefix rolled up into common prefixes.
	ListGroups(ctx context.Context, bucket, prefix, delimiter, after string, limit int) (Page, error)

	// LocalPath names the file that holds an object, for links and read-only bind mounts; ok is false when there is no such file.
	// The file must not be written through that name.
	LocalPath(ctx context.Context, bucket, key string) (path string, ok bool)
	// Digest returns the SHA-256 of the object's content as 64 hexadecimal digits. It is computed once and kept.
	Digest(ctx context.Context, bucket, key string) (string, error)
}

// Uploads is multipart upload. A store that has it keeps the parts over a restart.
type Uploads interface {
	CreateUpload(ctx context.Context, bucket, key string, opts PutOptions) (Upload, error)
	PutPart(ctx context.Context, bucket, key, uploadID string, number int, r io.Reader, opts PutOptions) (Part, error)
	// ListParts returns the parts with a number greater than after, sorted by number.
	ListParts(ctx context.Context, bucket, key, uploadID string, after, limit int) (upload Upload, parts []Part, more bool, err error)
	// ListUploads returns the unfinished uploads of a bucket, sorted by key and then by start.
	ListUploads(ctx context.Context, bucket, prefix string) ([]Upload, error)
	// CompleteUpload joins the named parts into the object. The conditions in opts are those of Put. Complete an upload
	// that was completed already, and the same answer comes again.
	CompleteUpload(ctx context.Context, bucket, key, uploadID string, parts []Part, opts PutOptions) (Info, error)
	AbortUpload(ctx context.Context, bucket, key, uploadID string) error
}

// MaxPage is the most objects one page of a listing has.
const MaxPage = 1000

// MaxKeyBytes is the longest key S3 allows.
const MaxKeyBytes = 1024

// Bucket is one bucket of a listing.
type Bucket struct {
	Name    string
	Created time.Time
}

// Info describes one object.
type Info struct {
	Bucket, Key string
	Size        int64  // bytes
	ETag        string // without quotes: the MD5 of the content in hexadecimal, or "<MD5 of the parts' MD5s>-<parts>"
	Modified    time.Time
	ContentType string
	Metadata    map[string]string // the user's own, names in lower case without "x-amz-meta-"
	Headers     map[string]string // other headers kept with the object, by canonical name: Cache-Control, Content-Encoding, …
	Checksums   map[string]string // base64 by algorithm: CRC32, CRC32C, CRC64NVME, SHA1, SHA256
}

// PutOptions says how an object is to be written. The zero value is an unconditional write.
type PutOptions struct {
	ContentType string
	Metadata    map[string]string
	Headers     map[string]string
	IfNoneMatch bool   // only if the key has no object: If-None-Match: *
	IfMatch     string // only if the object there has this ETag
	MD5         []byte // what the content's MD5 must be; nil is no check
	SHA256      string // the content's in hex, where the reader fails if it is another; what Digest gives then need not be computed
	Checksums   []Checksum
	Move        bool // PutFile only: the file may be taken away instead of copied
}

// Checksum asks for a checksum of the content to be kept and, when a value is given, to be verified before the object appears.
type Checksum struct {
	Algorithm string        // CRC32, CRC32C, CRC64NVME, SHA1 or SHA256
	Value     string        // base64; empty is not verified
	Late      func() string `json:"-"` // gives Value once the content has been read to its end, for a checksum that trails the body
}

// Page is one page of a grouped listing.
type Page struct {
	Objects  []Info
	Prefixes []string // each ends with the delimiter
	More     bool
	Next     string // pass as after for the next page; set when More
}

// Upload is a multipart upload that has begun.
type Upload struct {
	Bucket, Key, ID string
	Started         time.Time
	Checksum        string // algorithm of the parts' checksums, if asked for
	FullChecksum    bool   // the object's checksum covers its content, not the parts' checksums
}

// Part is one part of an upload.
type Part struct {
	Number   int
	Size     int64
	ETag     string
	Modified time.Time
	Checksum map[string]string
}
