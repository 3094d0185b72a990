package awsapi

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"sort"
)

// The query services answer in XML. Both directions go through the JSON tree that the shape describes.

// node is any XML element.
type node struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
	Nodes   []node `xml:",any"`
}

func (n node) child(name string) (node, bool) {
	for _, c := range n.Nodes {
		if c.XMLName.Local == name {
			return c, true
		}
	}
	return node{}, false
}

func readXML(op *Operation, body []byte) (any, error) {
	var root node
	if err := xml.Unmarshal(body, &root); err != nil {
		return nil, err
	}
	result, _ := root.child(op.Name + "Result")
	return Shapes[op.Output].fromXML(result), nil
}

func (s *Shape) fromXML(n node) any {
	switch s.Kind {
	case "structure":
		m := map[string]any{}
		for _, member := range s.Members {
			if c, ok := n.child(member.Name); ok {
				m[member.Name] = Shapes[member.Shape].fromXML(c)
			}
		}
		return m
	case "list":
		l := []any{}
		for _, c := range n.Nodes {
			l = append(l, Shapes[s.Elem].fromXML(c))
		}
		return l
	case "integer", "long", "float", "double":
		return json.Number(n.Text)
	case "boolean":
		return n.Text == "true"
	}
	return n.Text
}

func readXMLError(body []byte) (code, message string) {
	var answer struct {
		Error struct{ Code, Message string }
	}
	if err := xml.Unmarshal(body, &answer); err != nil {
		return "InternalFailure", string(body[:min(len(body), 500)])
	}
	return answer.Error.Code, answer.Error.Message
}

// WriteXML writes an operation's output as a query service answers.
func WriteXML(op *Operation, out any, requestID string) ([]byte, error) {
	tree, err := OutputTree(&Shapes[op.Output], out)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%sResponse xmlns=%q><%sResult>", op.Name, op.Namespace, op.Name)
	Shapes[op.Output].toXML(&b, tree)
	fmt.Fprintf(&b, "</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>", op.Name, requestID, op.Name)
	return b.Bytes(), nil
}

// OutputTree is the JSON tree of an output, numbers as their text, with the lists that are empty.
func OutputTree(s *Shape, out any) (tree any, err error) {
	raw, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if m, ok := tree.(map[string]any); ok {
		for _, name := range EmptyLists(s, out) {
			m[name] = []any{}
		}
	}
	return tree, nil
}

func (s *Shape) toXML(b *bytes.Buffer, v any) {
	switch x := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(x))
		for name := range x {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			if _, shape := s.Member(name); shape != nil {
				fmt.Fprintf(b, "<%s>", name)
				shape.toXML(b, x[name])
				fmt.Fprintf(b, "</%s>", name)
			}
		}
	case []any:
		for _, e := range x {
			b.WriteString("<member>")
			Shapes[s.Elem].toXML(b, e)
			b.WriteString("</member>")
		}
	default:
		if n, ok := v.(json.Number); ok && s.Kind == "timestamp" {
			var t Time
			if t.UnmarshalJSON([]byte(n)) == nil {
				v = t.UTC().Format("2006-01-02T15:04:05Z")
			}
		}
		xml.EscapeText(b, []byte(fmt.Sprint(v)))
	}
}
