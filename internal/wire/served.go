package wire

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// Served lists the operations that have someone to serve them, in the order of the operation table: by service, then by name.
func (h *Handler) Served() []*awsapi.Operation {
	var served []*awsapi.Operation
	for _, r := range h.all {
		if r.call != nil {
			served = append(served, r.op)
		}
	}
	return served
}

// servedOf names the served operations of a service, of one resource where it is not "".
func (h *Handler) servedOf(service, resource string) string {
	var names []string
	for _, r := range h.all {
		if r.call != nil && r.op.Service == service && (resource == "" || r.op.Resource == resource) {
			names = append(names, r.op.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func unknownOperation(format string, args ...any) *awsapi.Error {
	return &awsapi.Error{Code: "UnknownOperationException", Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// unserved says that an operation exists but is not served, and what is served of its resource.
func (h *Handler) unserved(op *awsapi.Operation) *awsapi.Error {
	if names := h.servedOf(op.Service, op.Resource); names != "" {
		return unknownOperation("%s is not served. The operations of %s that are: %s.", op.Name, op.Resource, names)
	}
	return unknownOperation("%s is not served, nor is any operation of %s.", op.Name, op.Resource)
}

// OperationsMarkdown writes the served operations as a page of the documentation.
func (h *Handler) OperationsMarkdown() string {
	var b strings.Builder
	b.WriteString("# Operations\n\nWhat the server answers, by service and resource. Everything else of these services is refused with an error that names it.\n")
	type group struct{ service, resource string }
	names := map[group][]string{}
	var services []string
	for _, op := range h.Served() {
		g := group{op.Service, op.Resource}
		names[g] = append(names[g], op.Name)
		if !slices.Contains(services, op.Service) {
			services = append(services, op.Service)
		}
	}
	for _, s := range services {
		fmt.Fprintf(&b, "\n## %s\n\n| resource | operations |\n|---|---|\n", s)
		var resources []string
		for g := range names {
			if g.service == s {
				resources = append(resources, g.resource)
			}
		}
		slices.Sort(resources)
		for _, r := range resources {
			fmt.Fprintf(&b, "| %s | %s |\n", r, strings.Join(names[group{s, r}], ", "))
		}
	}
	return b.String()
}
