package wire

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// serveREST serves REST JSON: the operation is in method and path, members are in path, query, headers and body.
func (h *Handler) serveREST(x *exchange) error {
	var found *route
	var tree map[string]any
	for _, r := range h.all {
		if r.op.Protocol != "rest-json" || (r.op.Service == "lambda") != (x.service == "lambda") {
			continue
		}
		if members, ok := r.template.match(x.r.Method, x.r.URL.EscapedPath()); ok {
			found, tree = r, members
			break
		}
	}
	limit := h.Limits.Body
	if found != nil {
		x.op, limit = found.op, found.limit
	}
	body, p, err := h.verifyWhole(x, x.r, x.sig, limit)
	if err != nil {
		return err
	}
	if found == nil {
		return unknownOperation("%s %s is not an operation of %s.", clip(x.r.Method), clip(x.r.URL.Path),
			map[bool]string{true: "Lambda that is known", false: "SageMaker's runtime, feature store runtime or metrics"}[x.service == "lambda"])
	}
	if bad := x.take(found.op, tree, body); bad != nil {
		return bad
	}
	out, err := h.call(x, found, p, tree)
	if err != nil {
		return err
	}
	return h.answerREST(x, found.op, out)
}

// take adds to the members of the path those in query, headers and body.
func (x *exchange) take(op *awsapi.Operation, tree map[string]any, body []byte) *awsapi.Error {
	shape := &awsapi.Shapes[op.Input]
	var query url.Values
	inBody := false
	for i := range shape.Members {
		m := &shape.Members[i]
		kind := awsapi.Shapes[m.Shape].Kind
		switch {
		case m.Name == shape.Payload:
			tree[m.Name] = body
		case m.Location == "header":
			if v := x.r.Header.Get(m.LocationName); v != "" {
				tree[m.Name] = typed(kind, v)
			}
		case m.Location == "querystring":
			if query == nil {
				query = x.r.URL.Query()
			}
			values := query[m.LocationName]
			switch {
			case kind == "list" && values != nil:
				list := make([]any, len(values))
				for i, v := range values {
					list[i] = v
				}
				tree[m.Name] = list
			case kind != "list" && values != nil:
				tree[m.Name] = typed(kind, values[0])
			}
		case m.Location == "":
			inBody = true
		}
	}
	if !inBody {
		return nil
	}
	sent, err := awsapi.Tree(body)
	if err != nil {
		return err
	}
	members, ok := sent.(map[string]any)
	if !ok {
		return awsapi.Check(shape, sent, awsapi.Options{}) // which words what is wrong with it
	}
	for name, value := range members {
		if m, _ := shape.Member(name); m != nil && m.Location == "" {
			tree[name] = value
		}
	}
	return nil
}

// typed gives a text the JSON type of its shape.
func typed(kind, text string) any {
	switch kind {
	case "integer", "long", "float", "double":
		if n := json.Number(text); json.Valid([]byte(text)) {
			if _, err := n.Float64(); err == nil {
				return n
			}
		}
	case "boolean":
		if text == "true" || text == "false" {
			return text == "true"
		}
	}
	return text
}

func unescapePath(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

func (h *Handler) answerREST(x *exchange, op *awsapi.Operation, out any) error {
	if out == nil {
		return x.answer("application/json", op, nil)
	}
	shape := &awsapi.Shapes[op.Output]
	payload, status := []byte(nil), cmp.Or(op.Status, http.StatusOK)
	var events awsapi.EventStream
	for _, b := range awsapi.BoundOf(shape, out) {
		switch {
		case b.Member.Name == shape.Payload:
			payload, _ = b.Value.([]byte)
			events, _ = b.Value.(awsapi.EventStream)
		case b.Member.Location == "header":
			x.Header().Set(b.Member.LocationName, headerText(b.String()))
		case b.Member.Location == "statusCode":
			if n, ok := b.Value.(int32); ok {
				status = int(n)
			}
		}
	}
	if events != nil {
		return h.stream(x, op.Events(), events)
	}
	if shape.Payload == "" {
		return x.answer("application/json", op, out)
	}
	contentType := x.Header().Get("Content-Type")
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	x.send(status, contentType, payload)
	return nil
}

// headerText keeps a value from ending its header.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
