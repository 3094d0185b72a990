package awsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
)

// versions of the query services, which travel in the form.
var versions = map[string]string{"sts": "2011-06-15", "iam": "2010-05-08"}

// request makes the HTTP request of an operation, not yet signed, and its body.
func (c *Client) request(ctx context.Context, op *Operation, in any) (*http.Request, []byte, error) {
	target, header := strings.TrimSuffix(c.Endpoint, "/")+"/", http.Header{}
	var body []byte
	var err error
	switch op.Protocol {
	case "json":
		header.Set("Content-Type", "application/x-amz-json-1.1")
		header.Set("X-Amz-Target", op.Target+"."+op.Name)
		body, err = json.Marshal(in)
	case "query":
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		body, err = form(op, in)
	default:
		header.Set("Content-Type", "application/json")
		target, body, err = c.rest(op, in, header)
	}
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, op.Method, target, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header = header
	return req, body, nil
}

// rest places the members of an input in path, query, headers and body.
func (c *Client) rest(op *Operation, in any, header http.Header) (target string, body []byte, err error) {
	shape := &Shapes[op.Input]
	path, query := op.URI, url.Values{}
	inBody := false
	for _, m := range shape.Members {
		f := field(in, m.Name)
		if m.Name == shape.Payload {
			body = f.Bytes()
			continue
		}
		inBody = inBody || m.Location == ""
		if m.Location == "" || f.IsNil() {
			continue
		}
		switch m.Location {
		case "uri":
			path = strings.ReplaceAll(path, "{"+m.LocationName+"}", url.PathEscape(scalar(f)))
		case "header":
			header.Set(m.LocationName, scalar(f))
		case "querystring":
			if f.Kind() == reflect.Slice {
				for i := range f.Len() {
					query.Add(m.LocationName, fmt.Sprint(f.Index(i).Interface()))
				}
			} else {
				query.Set(m.LocationName, scalar(f))
			}
		}
	}
	target = strings.TrimSuffix(c.Endpoint, "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	if shape.Payload == "" && inBody {
		body, err = json.Marshal(in)
	}
	return target, body, err
}

func scalar(pointer reflect.Value) string { return fmt.Sprint(pointer.Elem().Interface()) }

// form encodes an input of a query service. The inputs that are taken hold scalars and nothing else.
func form(op *Operation, in any) ([]byte, error) {
	v := url.Values{"Action": {op.Name}, "Version": {versions[op.Service]}}
	for _, m := range Shapes[op.Input].Members {
		if f := field(in, m.Name); f.Kind() == reflect.Pointer && !f.IsNil() && f.Elem().Kind() != reflect.Struct {
			v.Set(m.Name, scalar(f))
		} else if !f.IsNil() {
			return nil, fmt.Errorf("%s: member %s cannot be sent in a form", op.Name, m.Name)
		}
	}
	return []byte(v.Encode()), nil
}
