package object

import (
	"errors"
	"fmt"
	"syscall"
)

// Error is a refusal with S3's code for it.
type Error struct {
	Code    string // S3's: NoSuchKey, PreconditionFailed, …
	Status  int    // of the HTTP answer
	Message string
	cause   error
}

// The refusals of a store, for errors.Is. They compare by code.
var (
	ErrNoSuchBucket       = &Error{Code: "NoSuchBucket", Status: 404}
	ErrNoSuchKey          = &Error{Code: "NoSuchKey", Status: 404}
	ErrNoSuchUpload       = &Error{Code: "NoSuchUpload", Status: 404}
	ErrBucketExists       = &Error{Code: "BucketAlreadyOwnedByYou", Status: 409}
	ErrBucketNotEmpty     = &Error{Code: "BucketNotEmpty", Status: 409}
	ErrPreconditionFailed = &Error{Code: "PreconditionFailed", Status: 412}
	ErrInvalidBucket      = &Error{Code: "InvalidBucketName", Status: 400}
	ErrInvalidKey         = &Error{Code: "InvalidArgument", Status: 400}
	ErrKeyTooLong         = &Error{Code: "KeyTooLongError", Status: 400}
	ErrBadDigest          = &Error{Code: "BadDigest", Status: 400}
	ErrInvalidRequest     = &Error{Code: "InvalidRequest", Status: 400}
	ErrIncompleteBody     = &Error{Code: "IncompleteBody", Status: 400}
	ErrInvalidPart        = &Error{Code: "InvalidPart", Status: 400}
	ErrInvalidPartOrder   = &Error{Code: "InvalidPartOrder", Status: 400}
	ErrEntityTooSmall     = &Error{Code: "EntityTooSmall", Status: 400}
	ErrNoSpace            = &Error{Code: "InsufficientStorage", Status: 507}
)

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// Is compares by code, so that errors.Is(err, ErrNoSuchKey) finds the error of any key.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Unwrap gives what the operating system said, if it was that.
func (e *Error) Unwrap() error { return e.cause }

func refuse(kind *Error, format string, args ...any) error {
	return &Error{Code: kind.Code, Status: kind.Status, Message: fmt.Sprintf(format, args...)}
}

func noSuchBucket(bucket string) error {
	return refuse(ErrNoSuchBucket, "The specified bucket does not exist: %q.", bucket)
}

func noSuchKey(bucket, key string) error {
	return refuse(ErrNoSuchKey, "The specified key does not exist: %q in bucket %q.", key, bucket)
}

// writeFailed turns a failure to write into what the caller can act on: a full disk is said as such.
func writeFailed(bucket, key string, err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) {
			return &Error{Code: ErrNoSpace.Code, Status: ErrNoSpace.Status, cause: err,
				Message: fmt.Sprintf("No room to store %q in bucket %q: %v. What was there is unchanged; free some space and try again.", key, bucket, full)}
		}
	}
	if errors.Is(err, syscall.ENAMETOOLONG) {
		return refuse(ErrKeyTooLong, "Key %q is too long for the file system once written as a path.", key)
	}
	return fmt.Errorf("store %q in bucket %q: %w", key, bucket, err)
}
