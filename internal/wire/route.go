package wire

import (
	"net"
	"net/http"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// route is an operation and what serves it.
type route struct {
	op       *awsapi.Operation
	call     awsapi.Call // nil where nothing serves it
	limit    int64       // of the body
	template template    // of a REST operation
}

const serviceList = "sagemaker (with its runtime, feature store runtime and metrics), s3, logs, monitoring, sqs, lambda, sts and iam"

// domains are the ends of AWS's host names: its own, those of China, and those of its dual-stack addresses.
var domains = []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws"}

// AWSHost says whether a host, with or without a port, has a name of AWS's.
func AWSHost(host string) bool {
	_, ok := nameInAWS(host)
	return ok
}

// nameInAWS is what a host's name has before AWS's domain.
func nameInAWS(host string) (name string, ok bool) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, domain := range domains {
		if name, ok := strings.CutSuffix(host, domain); ok {
			return name, name != ""
		}
	}
	return "", false
}

// serviceOfHost finds the service that a host name of AWS stands for, and the bucket that S3's host names may begin with. known says whether it
// is a host name of AWS.
func serviceOfHost(host string) (service, bucket string, known bool) {
	name, ok := nameInAWS(host)
	if !ok {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if bucket, ok := strings.CutSuffix(strings.ToLower(host), ".localhost"); ok && bucket != "s3" { // clients put the bucket before any name that is no address
			return "", strings.TrimSuffix(bucket, ".s3"), false
		}
		return "", "", false
	}
	labels := strings.Split(name, ".")
	for i := len(labels) - 1; i >= 0; i-- {
		switch l := labels[i]; {
		case l == "s3" || strings.HasPrefix(l, "s3-"):
			return "s3", strings.Join(labels[:i], "."), true
		case l == "sagemaker" || l == "sts" || l == "iam" || l == "logs" || l == "monitoring" || l == "sqs" || l == "lambda":
			return l, "", true
		}
	}
	return "", "", true
}

func formOf(service string, r *http.Request) form {
	switch {
	case service == "s3":
		return formS3
	case isCBOR(r):
		return formCBOR
	case service == "sts" || service == "iam" || strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"): // EC2, SNS and others, too
		return formQuery
	case service == "lambda" || service == "sagemaker" && r.Header.Get("X-Amz-Target") == "":
		return formREST
	}
	return formJSON
}

// template is the path of a REST operation: segments, of which those in braces are members.
type template struct {
	method   string
	segments []segment
}

type segment struct {
	text   string // to match, or the member's name
	member bool
}

func newTemplate(op *awsapi.Operation) template {
	t := template{method: op.Method}
	path, _, _ := strings.Cut(op.URI, "?")
	for part := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		name, isMember := strings.CutPrefix(part, "{")
		s := segment{text: strings.TrimRight(name, "}+"), member: isMember}
		if isMember {
			for _, m := range awsapi.Shapes[op.Input].Members {
				if m.LocationName == s.text {
					s.text = m.Name
				}
			}
		}
		t.segments = append(t.segments, s)
	}
	return t
}

// match gives the members in a path, or false where it is not the template's.
func (t template) match(method, escapedPath string) (map[string]any, bool) {
	if method != t.method {
		return nil, false
	}
	parts := strings.Split(strings.Trim(escapedPath, "/"), "/")
	if len(parts) != len(t.segments) {
		return nil, false
	}
	for i, s := range t.segments {
		if !s.member && parts[i] != s.text {
			return nil, false
		}
	}
	members := make(map[string]any, 8)
	for i, s := range t.segments {
		if s.member {
			members[s.text] = unescapePath(parts[i])
		}
	}
	return members, true
}
