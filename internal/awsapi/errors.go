package awsapi

import (
	"errors"
	"fmt"
	"net/http"
)

// An Error is an error as the API gives it: a code that clients tell apart, an HTTP status, and a message for the person.
type Error struct {
	Code    string
	Message string
	Status  int
	// Members are further members of the error's shape, such as OriginalMessage of a ModelError.
	Members map[string]any
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Modeled says whether the code is a shape of SageMaker's model. Those carry "Message" on the wire, the others "message".
func (e *Error) Modeled() bool { return modeled[e.Code] }

var modeled = map[string]bool{"ResourceNotFound": true, "ResourceInUse": true, "ResourceLimitExceeded": true, "ConflictException": true,
	"ModelError": true, "ModelNotReadyException": true, "ValidationError": true, "InternalFailure": true, "ServiceUnavailable": true, "AccessForbidden": true}

func newError(status int, code, format string, args []any) *Error {
	return &Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

// Validation says that a request is wrong.
func Validation(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, "ValidationException", format, args)
}

// ValidationError is Validation as the runtime services name it.
func ValidationError(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, "ValidationError", format, args)
}

// NotFound says that a resource does not exist.
func NotFound(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, "ResourceNotFound", format, args)
}

// InUse says that a resource's name is taken or that something still needs it.
func InUse(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, "ResourceInUse", format, args)
}

// Conflict says that the state of a resource does not allow what was asked.
func Conflict(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, "ConflictException", format, args)
}

// LimitExceeded says that a quota is used up.
func LimitExceeded(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, "ResourceLimitExceeded", format, args)
}

// Denied says that the caller may not do this.
func Denied(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, "AccessDeniedException", format, args)
}

// Internal is what a caller is told of an error that is the service's own; the log has the rest.
func Internal() *Error {
	return newError(http.StatusInternalServerError, "InternalFailure", "The request failed because of an internal error. The server's log has the reason.", nil)
}

// IsCode says whether err is an Error with that code.
func IsCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// IsNotFound says whether err is about a resource that does not exist.
func IsNotFound(err error) bool { return IsCode(err, "ResourceNotFound") }

// IsInUse says whether err is about a name that is taken or a resource that something needs.
func IsInUse(err error) bool { return IsCode(err, "ResourceInUse") }
