package awsapi

import (
	"context"
	"fmt"
	"regexp"
	"sync"

	"github.com/dlclark/regexp2"
)

// A Shape is a row of the constraint table.
type Shape struct {
	Name, Kind string // Kind: structure, list, map, string, integer, long, float, double, boolean, timestamp or blob
	Pattern    string
	Min, Max   *float64 // of a length, a size or a value
	Enum       []string
	Union      bool   // exactly one member is set
	Payload    string // the member that is the whole HTTP body
	// EventStream marks the structure whose members are the events of a stream: each event has one of them.
	EventStream bool
	Elem, Key   int // shapes of the entries of a list or map
	Members     []Member

	ready  sync.Once
	plain  *regexp.Regexp
	fancy  *regexp2.Regexp
	enum   map[string]bool
	byName map[string]int
}

// A Member is a member of a structure.
type Member struct {
	Name         string // as on the wire
	Shape        int
	Required     bool
	Location     string // header, uri, querystring or statusCode; "" is the body
	LocationName string
	Token        bool // a client makes one up where the caller gives none
	EventPayload bool // the whole body of an event
}

// An Operation is a row of the operation table.
type Operation struct {
	Service, Name string
	Resource      string // what it is about, in the singular
	Protocol      string // json, rest-json or query
	Target        string // prefix of X-Amz-Target
	Method, URI   string
	Input, Output int // shapes
	HasOutput     bool
	Status        int      // of an answer where it is not 200
	Errors        []string // codes that the model declares
	Namespace     string   // of XML answers

	server server
}

// A Call runs an operation on a decoded input, a pointer to its input struct.
type Call func(ctx context.Context, in any) (out any, err error)

// server is what an operation needs to be served: a new input, and its method on an implementation.
type server struct {
	input, output func() any
	bind          func(implementation any) (Call, bool)
}

// Bind returns the operation's method on an implementation, or false where it has none.
func (o *Operation) Bind(implementation any) (Call, bool) { return o.server.bind(implementation) }

// NewInput returns a pointer to an empty input struct, NewOutput to an empty output struct, or nil where the operation has no output.
func (o *Operation) NewInput() any { return o.server.input() }

// NewOutput returns a pointer to an empty output struct, or nil where the operation has no output.
func (o *Operation) NewOutput() any { return o.server.output() }

func serve[S, I, O any](method func(S, context.Context, *I) (*O, error)) server {
	return server{
		input:  func() any { return new(I) },
		output: func() any { return new(O) },
		bind: func(implementation any) (Call, bool) {
			s, ok := implementation.(S)
			return func(ctx context.Context, in any) (any, error) {
				out, err := method(s, ctx, in.(*I))
				if err != nil {
					return nil, err
				}
				return out, nil
			}, ok
		},
	}
}

func serveSilent[S, I any](method func(S, context.Context, *I) error) server {
	return server{
		input:  func() any { return new(I) },
		output: func() any { return nil },
		bind: func(implementation any) (Call, bool) {
			s, ok := implementation.(S)
			return func(ctx context.Context, in any) (any, error) { return nil, method(s, ctx, in.(*I)) }, ok
		},
	}
}

func limit(v float64) *float64 { return &v }

var shapeIndex = sync.OnceValue(func() map[string]int {
	m := make(map[string]int, len(Shapes))
	for i := range Shapes {
		m[Shapes[i].Name] = i
	}
	return m
})

// ShapeNamed returns the row of a shape, or nil.
func ShapeNamed(name string) *Shape {
	if i, ok := shapeIndex()[name]; ok {
		return &Shapes[i]
	}
	return nil
}

// Member returns the member of that wire name and its shape, or nil.
func (s *Shape) Member(name string) (*Member, *Shape) {
	s.prepare()
	i, ok := s.byName[name]
	if !ok {
		return nil, nil
	}
	return &s.Members[i], &Shapes[s.Members[i].Shape]
}

// prepare compiles what a row holds as text, at its first use.
func (s *Shape) prepare() {
	s.ready.Do(func() {
		if s.Pattern != "" {
			s.compile()
		}
		if s.Enum != nil {
			s.enum = make(map[string]bool, len(s.Enum))
			for _, e := range s.Enum {
				s.enum[e] = true
			}
		}
		if s.Members != nil {
			s.byName = make(map[string]int, len(s.Members))
			for i, m := range s.Members {
				s.byName[m.Name] = i
			}
		}
	})
}

var operationIndex = sync.OnceValue(func() map[string]*Operation {
	m := make(map[string]*Operation, len(Operations))
	for i := range Operations {
		m[Operations[i].Service+"."+Operations[i].Name] = &Operations[i]
	}
	return m
})

// OperationNamed returns an operation of a service, or nil.
func OperationNamed(service, name string) *Operation { return operationIndex()[service+"."+name] }

func (o *Operation) String() string { return fmt.Sprintf("%s:%s", o.Service, o.Name) }
