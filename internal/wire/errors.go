package wire

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/store"
)

// refusals are the codes and HTTP statuses that the services give for one and the same reason.
var refusals = map[why]struct {
	json, query, s3                   string
	jsonStatus, queryStatus, s3Status int
}{
	missing:        {"MissingAuthenticationTokenException", "MissingAuthenticationToken", "AccessDenied", 400, 403, 403},
	malformed:      {"IncompleteSignatureException", "IncompleteSignature", "AuthorizationHeaderMalformed", 400, 400, 400},
	malformedQuery: {"IncompleteSignatureException", "IncompleteSignature", "AuthorizationQueryParametersError", 400, 400, 400},
	notSupported:   {"IncompleteSignatureException", "IncompleteSignature", "InvalidRequest", 400, 400, 400},
	unknownKey:     {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", 400, 403, 403},
	badToken:       {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidToken", 400, 403, 400},
	expiredToken:   {"ExpiredTokenException", "ExpiredToken", "ExpiredToken", 400, 403, 400},
	expiredURL:     {"InvalidSignatureException", "SignatureDoesNotMatch", "AccessDenied", 400, 403, 403},
	skewed:         {"InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed", 400, 403, 403},
	mismatch:       {"InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch", 400, 403, 403},
	hashMismatch:   {"InvalidSignatureException", "SignatureDoesNotMatch", "XAmzContentSHA256Mismatch", 400, 403, 400},
}

// dialects are what single services call an error that the others name as SageMaker does.
var dialects = map[string]map[string]string{
	"runtime":      {"ValidationException": "ValidationError", "SerializationException": "ValidationError", "ResourceNotFound": "ValidationError"},
	"featurestore": {"ValidationException": "ValidationError", "SerializationException": "ValidationError", "AccessDeniedException": "AccessForbidden", "ResourceLimitExceeded": "ValidationError"},
	"logs":         {"ValidationException": "InvalidParameterException", "ResourceNotFound": "ResourceNotFoundException"},
	"sts":          {"ValidationException": "ValidationError", "SerializationException": "ValidationError", "AccessDeniedException": "AccessDenied"},
	"iam":          {"ValidationException": "ValidationError", "SerializationException": "ValidationError", "AccessDeniedException": "AccessDenied", "ResourceNotFound": "NoSuchEntity"},
	"monitoring":   {"ValidationException": "InvalidParameterValueException", "ResourceNotFound": "ResourceNotFoundException"},
	"sqs":          {"ValidationException": "InvalidParameterValue"},
	"lambda":       {"ValidationException": "InvalidParameterValueException", "ResourceNotFound": "ResourceNotFoundException", "ThrottlingException": "TooManyRequestsException"},
}

// statuses are those of the codes whose status depends on the service.
var statuses = map[string]map[string]int{
	"featurestore": {"ResourceNotFound": 404, "AccessForbidden": 403, "ServiceUnavailable": 503, "InternalFailure": 500},
	"runtime":      {"ModelError": 424, "ModelNotReadyException": 429, "InternalDependencyException": 530, "ServiceUnavailable": 503},
	"sts":          {"AccessDenied": 403},
	"iam":          {"AccessDenied": 403, "NoSuchEntity": 404},
	"lambda":       {"ResourceNotFoundException": 404, "ResourceConflictException": 409, "TooManyRequestsException": 429, "RequestTooLargeException": 413},
}

// queryCode is the code that SQS and CloudWatch had before they spoke JSON and CBOR; their clients tell errors apart by it.
func (x *exchange) queryCode(e *awsapi.Error) string {
	if x.service == "monitoring" {
		return strings.TrimSuffix(e.Code, "Exception")
	}
	return cmp.Or(queryCodes[e.Code], e.Code)
}

var queryCodes = map[string]string{"QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue", "QueueNameExists": "QueueAlreadyExists",
	"UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation"}

// fail answers with an error in the service's form. It is the only place where errors become what a client sees.
func (h *Handler) fail(x *exchange, err error) {
	if canceled(x.r.Context(), err) || x.status != 0 { // nobody listens, or the answer is on its way
		return
	}
	e := h.translate(x, err)
	if e.Status == 0 {
		e.Status = http.StatusBadRequest
	}
	switch x.form {
	case formS3:
		x.failS3(e)
	case formQuery:
		x.failQuery(e)
	case formCBOR:
		x.failCBOR(e)
	default:
		x.failJSON(e)
	}
}

// translate finds code and status of an error. What it does not know is the service's own fault: it goes to the log.
func (h *Handler) translate(x *exchange, err error) *awsapi.Error {
	var refusal *authError
	var body *bodyError
	var tooLarge *http.MaxBytesError
	var known *awsapi.Error
	var ofObjects *object.Error
	switch {
	case errors.As(err, &refusal):
		r := refusals[refusal.why]
		switch x.form {
		case formS3:
			return &awsapi.Error{Code: r.s3, Status: r.s3Status, Message: refusal.message}
		case formQuery:
			return &awsapi.Error{Code: r.query, Status: r.queryStatus, Message: refusal.message}
		}
		return &awsapi.Error{Code: r.json, Status: r.jsonStatus, Message: refusal.message}
	case errors.As(err, &body):
		return &awsapi.Error{Code: body.code, Status: http.StatusBadRequest, Message: body.message}
	case errors.As(err, &tooLarge):
		return &awsapi.Error{Code: "RequestEntityTooLargeException", Status: http.StatusRequestEntityTooLarge,
			Message: fmt.Sprintf("The request body is larger than %d bytes, the most that this operation takes.", tooLarge.Limit)}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &awsapi.Error{Code: "IncompleteBody", Status: http.StatusBadRequest, Message: "The request body ended before its Content-Length."}
	case errors.As(err, &ofObjects):
		return &awsapi.Error{Code: ofObjects.Code, Status: ofObjects.Status, Message: ofObjects.Message}
	case errors.Is(err, store.ErrBadToken):
		return awsapi.Validation("NextToken is not one that this operation gave for these filters and this order.")
	case errors.Is(err, store.ErrTokenReused):
		return awsapi.Conflict("The client token was used before with a different request.")
	case errors.Is(err, store.ErrTooManyTags):
		return awsapi.LimitExceeded("A resource may have at most %d tags.", store.MaxTags)
	case errors.As(err, &known):
		return inDialect(x.op, known)
	}
	h.Log.Error("request failed", "request_id", x.id, "operation", x.name(), "error", err)
	if x.form == formS3 {
		return &awsapi.Error{Code: "InternalError", Status: http.StatusInternalServerError, Message: awsapi.Internal().Message}
	}
	return awsapi.Internal()
}

func inDialect(op *awsapi.Operation, e *awsapi.Error) *awsapi.Error {
	if op == nil {
		return e
	}
	said := *e
	if code, ok := dialects[op.Service][e.Code]; ok {
		said.Code = code
	}
	if status, ok := statuses[op.Service][said.Code]; ok {
		said.Status = status
	}
	return &said
}

func (x *exchange) failJSON(e *awsapi.Error) {
	body := map[string]any{}
	for name, value := range e.Members {
		body[name] = value
	}
	body["__type"] = e.Code
	contentType := "application/x-amz-json-1.1"
	name := "message"
	if x.form == formREST {
		contentType = "application/json"
		delete(body, "__type")
		name = "Message"
	} else if e.Modeled() {
		name = "Message"
	}
	body[name] = e.Message
	b, err := json.Marshal(body)
	if err != nil {
		b = []byte("{}") // a member that JSON cannot hold must not hide the error's code
	}
	x.Header().Set("X-Amzn-Errortype", e.Code)
	if x.service == "sqs" || x.service == "monitoring" {
		x.Header().Set("X-Amzn-Query-Error", x.queryCode(e)+";Sender")
	}
	x.send(e.Status, contentType, b)
}

func (x *exchange) failQuery(e *awsapi.Error) {
	var b strings.Builder
	kind := "Sender"
	if e.Status >= 500 {
		kind = "Receiver"
	}
	code, space := e.Code, ""
	if x.service == "monitoring" {
		code = x.queryCode(e)
	}
	if x.op != nil {
		space = fmt.Sprintf(" xmlns=%q", x.op.Namespace)
	}
	fmt.Fprintf(&b, "<ErrorResponse%s><Error><Type>%s</Type><Code>%s</Code><Message>", space, kind, code)
	xml.EscapeText(&b, []byte(e.Message))
	fmt.Fprintf(&b, "</Message></Error><RequestId>%s</RequestId></ErrorResponse>", x.id)
	x.send(e.Status, "text/xml", []byte(b.String()))
}

func (x *exchange) failS3(e *awsapi.Error) {
	for _, name := range []string{"Etag", "Last-Modified", "Content-Encoding"} { // of an answer that was being made
		x.Header().Del(name)
	}
	x.Header()["X-Amz-Request-Id"] = []string{x.id}
	if x.r.Method == http.MethodHead {
		x.Header().Del("Content-Length")
		x.WriteHeader(e.Status)
		return
	}
	var b strings.Builder
	b.WriteString(xml.Header + "<Error><Code>" + e.Code + "</Code><Message>")
	xml.EscapeText(&b, []byte(e.Message))
	b.WriteString("</Message><Resource>")
	xml.EscapeText(&b, []byte(x.r.URL.Path))
	b.WriteString("</Resource><RequestId>" + x.id + "</RequestId></Error>")
	x.send(e.Status, "application/xml", []byte(b.String()))
}
