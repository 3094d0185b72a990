package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// types writes the structs whose names begin with the letters from first to last.
func (g *generator) types(b *bytes.Buffer, first, last byte) {
	for _, n := range g.shapes {
		initial := n.name[0] | 0x20 // in lower case
		if n.Type != "structure" || initial < first || initial > last {
			continue
		}
		fmt.Fprintf(b, "type %s struct {\n", n.name)
		for _, m := range slices.Sorted(maps.Keys(n.Members)) {
			r := n.Members[m]
			tag := wireName(m, r)
			switch kind := g.of(n.from, r).Type; {
			case bound(n, m, r):
				tag = "-"
			case keepsEmpty[n.name], kind == "list" && slices.Contains(n.Required, m): // one that is empty is there, too
				tag += ",omitzero"
			default:
				tag += ",omitempty"
			}
			fmt.Fprintf(b, "\t%s %s `json:%q`\n", exported(m), g.goType(g.of(n.from, r), true), tag)
		}
		b.WriteString("}\n\n")
	}
}

// keepsEmpty are the structures whose empty lists travel: the Python SDK reads all lists of a tuning job's ranges and its metric definitions
// without asking whether they are there.
var keepsEmpty = map[string]bool{"ParameterRanges": true, "HyperParameterAlgorithmSpecification": true}

// bound says whether a member travels outside the JSON body.
func bound(n *named, member string, r ref) bool { return r.Location != "" || n.Payload == member }

func wireName(member string, r ref) string {
	if r.LocationName != "" && r.Location == "" {
		return r.LocationName
	}
	return member
}

func exported(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// maxEnum leaves out the enumerations that no code names one by one, such as the instance types.
const maxEnum = 30

func (g *generator) enums(b *bytes.Buffer) {
	b.WriteString("const (\n")
	for _, n := range g.shapes {
		if n.Type != "string" || len(n.Enum) == 0 || len(n.Enum) > maxEnum {
			continue
		}
		seen := map[string]bool{}
		for _, value := range n.Enum {
			name := n.name + identifier(value)
			if seen[name] || g.byName[name] != nil {
				continue
			}
			seen[name] = true
			fmt.Fprintf(b, "\t%s = %q\n", name, value)
		}
	}
	b.WriteString(")\n")
}

func identifier(value string) string {
	var out strings.Builder
	up := true
	for _, r := range value {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			up = true
			continue
		}
		if up {
			r = unicode.ToUpper(r)
		}
		out.WriteRune(r)
		up = false
	}
	return out.String()
}

func (g *generator) table(b *bytes.Buffer) {
	b.WriteString("// Shapes is the constraint table: one row a shape, references by index.\nvar Shapes = []Shape{\n")
	for _, n := range g.shapes {
		fmt.Fprintf(b, "\t{Name: %q, Kind: %q", n.name, n.Type)
		if n.Pattern != "" {
			fmt.Fprintf(b, ", Pattern: %q", n.Pattern)
		}
		if n.Min != nil {
			fmt.Fprintf(b, ", Min: limit(%v)", *n.Min)
		}
		if n.Max != nil {
			fmt.Fprintf(b, ", Max: limit(%v)", *n.Max)
		}
		if n.Enum != nil {
			fmt.Fprintf(b, ", Enum: %#v", n.Enum)
		}
		if n.Union {
			b.WriteString(", Union: true")
		}
		if n.Payload != "" {
			fmt.Fprintf(b, ", Payload: %q", n.Payload)
		}
		if n.EventStream {
			b.WriteString(", EventStream: true")
		}
		if n.Key != nil {
			fmt.Fprintf(b, ", Key: %d, Elem: %d", g.of(n.from, *n.Key).index, g.of(n.from, *n.Value).index)
		}
		if n.Member != nil {
			fmt.Fprintf(b, ", Elem: %d", g.of(n.from, *n.Member).index)
		}
		if len(n.Members) > 0 {
			b.WriteString(", Members: []Member{\n")
			for _, m := range slices.Sorted(maps.Keys(n.Members)) {
				g.member(b, n, m)
			}
			b.WriteString("\t}")
		}
		b.WriteString("},\n")
	}
	b.WriteString("}\n")
}

func (g *generator) member(b *bytes.Buffer, n *named, m string) {
	r := n.Members[m]
	fmt.Fprintf(b, "\t\t{Name: %q, Shape: %d", wireName(m, r), g.of(n.from, r).index)
	if slices.Contains(n.Required, m) {
		b.WriteString(", Required: true")
	}
	if r.Location != "" {
		fmt.Fprintf(b, ", Location: %q, LocationName: %q", r.Location, r.LocationName)
	}
	if r.IdempotencyToken {
		b.WriteString(", Token: true")
	}
	if r.EventPayload {
		b.WriteString(", EventPayload: true")
	}
	b.WriteString("},\n")
}

// inOut names the Go types of an operation; out is "" where it has no output.
func (g *generator) inOut(t *taken, op operation) (in, out string) {
	in = g.of(t, *op.Input).name
	if op.Output != nil {
		out = g.of(t, *op.Output).name
	}
	return in, out
}

func (g *generator) each(visit func(t *taken, op operation, in, out string)) {
	for _, t := range g.services {
		for _, name := range t.ops {
			op := t.Operations[name]
			in, out := g.inOut(t, op)
			visit(t, op, in, out)
		}
	}
}

func (g *generator) servers(b *bytes.Buffer) {
	b.WriteString("import \"context\"\n\n")
	g.each(func(t *taken, op operation, in, out string) {
		result := "error"
		if out != "" {
			result = fmt.Sprintf("(*%s, error)", out)
		}
		fmt.Fprintf(b, "// %sServer serves %s.\ntype %sServer interface {\n\t%s(context.Context, *%s) %s\n}\n\n", op.Name, op.Name, op.Name, op.Name, in, result)
	})
}

func (g *generator) operations(b *bytes.Buffer) {
	b.WriteString("// Operations is the operation table, by service and name.\nvar Operations = []Operation{\n")
	g.each(func(t *taken, op operation, in, out string) {
		fmt.Fprintf(b, "\t{Service: %q, Name: %q, Resource: %q, Protocol: %q, Target: %q, Method: %q, URI: %q, Input: %d", t.name, op.Name,
			resource(op.Name), protocolOf(t.model), t.Metadata.TargetPrefix, op.HTTP.Method, op.HTTP.RequestURI, g.byName[in].index)
		bind := "serveSilent"
		if out != "" {
			fmt.Fprintf(b, ", Output: %d, HasOutput: true", g.byName[out].index)
			bind = "serve"
		}
		if op.HTTP.ResponseCode != 0 && op.HTTP.ResponseCode != 200 {
			fmt.Fprintf(b, ", Status: %d", op.HTTP.ResponseCode)
		}
		var codes []string
		for _, e := range op.Errors {
			codes = append(codes, e.Shape)
		}
		if codes != nil {
			fmt.Fprintf(b, ", Errors: %#v", codes)
		}
		if t.Metadata.XMLNamespace != "" {
			fmt.Fprintf(b, ", Namespace: %q", t.Metadata.XMLNamespace)
		}
		fmt.Fprintf(b, ", server: %s(%sServer.%s)},\n", bind, op.Name, op.Name)
	})
	b.WriteString("}\n")
}

func (g *generator) client(b *bytes.Buffer) {
	b.WriteString("import \"context\"\n\n")
	number := 0
	g.each(func(t *taken, op operation, in, out string) {
		if out != "" {
			fmt.Fprintf(b, "// %s calls the operation of that name.\nfunc (c *Client) %s(ctx context.Context, in *%s) (*%s, error) {\n\treturn call(ctx, c, &Operations[%d], in, new(%s))\n}\n\n", op.Name, op.Name, in, out, number, out)
		} else {
			fmt.Fprintf(b, "// %s calls the operation of that name.\nfunc (c *Client) %s(ctx context.Context, in *%s) error {\n\t_, err := call(ctx, c, &Operations[%d], in, new(struct{}))\n\treturn err\n}\n\n", op.Name, op.Name, in, number)
		}
		number++
	})
}

// verbs begin the names of operations; the longest that fits is taken off.
var verbs = []string{"Add", "Associate", "Attach", "Batch", "BatchAdd", "BatchDelete", "BatchDescribe", "BatchGet", "BatchPut", "BatchReplace",
	"BatchReboot", "BatchWrite", "Create", "Delete", "Deregister", "Describe", "Detach", "Disable", "Disassociate", "Enable", "Filter", "Get", "Import", "Invoke", "List",
	"Put", "Query", "Register", "Render", "Retry", "Search", "Send", "Start", "Stop", "Update", "Assume"}

// resource is what an operation is about: its name without the verb, in the singular.
func resource(name string) string {
	best := ""
	for _, v := range verbs {
		if strings.HasPrefix(name, v) && len(v) > len(best) && len(v) < len(name) {
			best = v
		}
	}
	rest := strings.TrimPrefix(name, best)
	rest, _, _ = strings.Cut(rest, "For") // ListTrainingJobsForHyperParameterTuningJob is about training jobs
	if rest == "" {
		rest = strings.TrimPrefix(name, best)
	}
	switch {
	case strings.HasSuffix(rest, "ies"):
		return strings.TrimSuffix(rest, "ies") + "y"
	case strings.HasSuffix(rest, "s") && !strings.HasSuffix(rest, "ss"):
		return strings.TrimSuffix(rest, "s")
	}
	return rest
}

// protocolOf is how our client speaks with a service: JSON, where the service takes that beside what newer clients begin with.
func protocolOf(m *model) string {
	if slices.Contains(m.Metadata.Protocols, "json") {
		return "json"
	}
	return m.Metadata.Protocol
}
