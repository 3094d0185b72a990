package wire

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// services are the services of the JSON protocol, by the prefix of X-Amz-Target.
var services = map[string]string{"SageMaker": "sagemaker", "Logs_20140328": "logs", "AmazonSQS": "sqs", "GraniteServiceVersion20100801": "monitoring"}

// serveJSON serves AWS JSON 1.1: POST /, the operation in X-Amz-Target.
func (h *Handler) serveJSON(x *exchange, target string) error {
	body, p, err := h.verifyWhole(x, x.r, x.sig, h.Limits.Body)
	if err != nil {
		return err
	}
	prefix, name, _ := strings.Cut(target, ".")
	r := h.routes[services[prefix]+"."+name]
	if r == nil || services[prefix] != x.service {
		return unknownOperation("The operation %s is not one of the service %s.", clip(target), x.service)
	}
	x.op = r.op
	if x.r.Method != http.MethodPost {
		return unknownOperation("%s wants POST, and the request is %s.", r.op.Name, clip(x.r.Method))
	}
	tree, bad := awsapi.Tree(body)
	if bad != nil {
		return bad
	}
	out, err := h.call(x, r, p, tree)
	if err != nil {
		return err
	}
	return x.answer("application/x-amz-json-1.1", r.op, out)
}

// answer writes an output as JSON, or an empty body where the operation has no output.
func (x *exchange) answer(contentType string, op *awsapi.Operation, out any) error {
	if out == nil {
		x.Header().Set("Content-Type", contentType)
		x.Header().Set("Content-Length", "0")
		x.WriteHeader(cmp.Or(op.Status, http.StatusOK))
		return nil
	}
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	if listing(op) {
		b = withEmptyLists(b, awsapi.EmptyLists(&awsapi.Shapes[op.Output], out))
	}
	x.send(cmp.Or(op.Status, http.StatusOK), contentType, b)
	return nil
}

func (x *exchange) send(status int, contentType string, body []byte) {
	x.Header().Set("Content-Type", contentType)
	x.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.WriteHeader(status)
	x.Write(body) //nolint:errcheck // a client that has gone cannot be told
}

// listing says whether an operation answers with lists, which are there when they are empty, too. Lists within what is described are left out.
func listing(op *awsapi.Operation) bool {
	if op.Service == "logs" || op.Service == "monitoring" {
		return true
	}
	for _, verb := range []string{"List", "Search", "Batch", "Query"} {
		if strings.HasPrefix(op.Name, verb) {
			return true
		}
	}
	return false
}

// withEmptyLists adds empty lists to a JSON structure that left them out.
func withEmptyLists(b []byte, names []string) []byte {
	for _, name := range names {
		b = b[:len(b)-1]
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, name...)
		b = append(b, `":[]}`...)
	}
	return b
}
