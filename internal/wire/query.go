package wire

import (
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// serveQuery serves the Query protocol: a form with an Action, answered in XML.
func (h *Handler) serveQuery(x *exchange) error {
	body, p, err := h.verifyWhole(x, x.r, x.sig, h.Limits.Body)
	if err != nil {
		return err
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return awsapi.Validation("The form cannot be read: %v", err)
	}
	for name, v := range x.r.URL.Query() { // a GET carries it all there
		if _, both := values[name]; !both {
			values[name] = v
		}
	}
	action := values.Get("Action")
	r := h.routes[x.service+"."+action]
	if r == nil {
		return &awsapi.Error{Code: "InvalidAction", Status: http.StatusBadRequest,
			Message: "Could not find operation " + clip(action) + ". Served are: " + h.servedOf(x.service, "") + "."}
	}
	x.op = r.op
	tree, bad := formTree(&awsapi.Shapes[r.op.Input], values)
	if bad != nil {
		return bad
	}
	out, err := h.call(x, r, p, tree)
	if err != nil {
		return err
	}
	answer, err := awsapi.WriteXML(r.op, out, x.id)
	if err != nil {
		return err
	}
	x.send(http.StatusOK, "text/xml", answer)
	return nil
}

const (
	maxFormDepth = 16
	maxFormParts = 4096
)

// formTree makes of a form's names, such as Tags.member.1.Key, the tree that a JSON body would have been.
func formTree(s *awsapi.Shape, values url.Values) (any, *awsapi.Error) {
	if len(values) > maxFormParts {
		return nil, awsapi.Validation("The form has %d parts; the most is %d.", len(values), maxFormParts)
	}
	root := map[string]any{}
	for name, v := range values {
		path := strings.Split(name, ".")
		if len(path) > maxFormDepth {
			return nil, awsapi.Validation("The form's %s is nested too deeply.", clip(name))
		}
		at := root
		for _, part := range path[:len(path)-1] {
			next, ok := at[part].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[part] = next
			}
			at = next
		}
		last := path[len(path)-1]
		if _, taken := at[last]; !taken {
			at[last] = v[0]
		}
	}
	return formValue(s, root), nil
}

// formValue gives a tree of a form's parts the shapes' types. What does not fit stays, for the check to name it.
func formValue(s *awsapi.Shape, v any) any {
	switch parts := v.(type) {
	case string:
		if s.Kind == "list" && parts == "" { // how clients write an empty one
			return []any{}
		}
		return typed(s.Kind, parts)
	case map[string]any:
		switch s.Kind {
		case "structure":
			for name, part := range parts {
				if _, shape := s.Member(name); shape != nil {
					parts[name] = formValue(shape, part)
				}
			}
		case "list":
			return formList(s, parts)
		}
	}
	return v
}

func formList(s *awsapi.Shape, parts map[string]any) any {
	if inner, ok := parts["member"].(map[string]any); ok {
		parts = inner
	}
	numbers := make([]int, 0, len(parts))
	for name := range parts {
		n, err := strconv.Atoi(name)
		if err != nil {
			return parts
		}
		numbers = append(numbers, n)
	}
	sort.Ints(numbers)
	list := make([]any, 0, len(numbers))
	for _, n := range numbers {
		list = append(list, formValue(&awsapi.Shapes[s.Elem], parts[strconv.Itoa(n)]))
	}
	return list
}
