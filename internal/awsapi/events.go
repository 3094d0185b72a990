package awsapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"reflect"
)

// Events are the events of an output that is a stream. Each has one of its members set; an error ends them. Those that a client was given are
// ranged over once, which lets go of the connection.
type Events[E any] iter.Seq2[*E, error]

// An EventStream is Events whose type is not known.
type EventStream interface {
	Each() iter.Seq2[any, error]
}

// Each gives the events one by one.
func (s Events[E]) Each() iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for event, err := range s {
			if !yield(event, err) {
				return
			}
		}
	}
}

// EventsType is the content type of a stream of events.
const EventsType = "application/vnd.amazon.eventstream"

// Names and values of the headers of a frame.
const (
	messageType   = ":message-type"
	eventType     = ":event-type"
	exceptionType = ":exception-type"
	contentType   = ":content-type"
	errorCode     = ":error-code"
	errorMessage  = ":error-message"
)

// Events returns the shape of the events that the operation's output is a stream of, or nil where it is none.
func (o *Operation) Events() *Shape {
	if !o.HasOutput {
		return nil
	}
	_, payload := Shapes[o.Output].Member(Shapes[o.Output].Payload)
	if payload == nil || !payload.EventStream {
		return nil
	}
	return payload
}

// EncodeEvent makes a frame of an event, a pointer to a struct of the stream's shape.
func EncodeEvent(stream *Shape, event any) ([]byte, error) {
	for i := range stream.Members {
		m := &stream.Members[i]
		f := field(event, m.Name)
		if f.IsNil() {
			continue
		}
		frame := Frame{Headers: map[string]string{messageType: "event", eventType: m.Name}}
		for _, inner := range Shapes[m.Shape].Members {
			if inner.EventPayload {
				frame.Headers[contentType], frame.Payload = "application/octet-stream", field(f.Interface(), inner.Name).Bytes()
				return frame.Append(nil)
			}
		}
		frame.Headers[contentType], frame.Payload = "application/json", Encode(f.Interface())
		return frame.Append(nil)
	}
	return nil, fmt.Errorf("an event of %s has no member", stream.Name)
}

// EncodeException makes a frame of the error that a stream ends with: an exception where the stream's shape has one of that name.
func EncodeException(stream *Shape, e *Error) ([]byte, error) {
	if _, modelled := stream.Member(e.Code); modelled == nil {
		return Frame{Headers: map[string]string{messageType: "error", errorCode: e.Code, errorMessage: e.Message}}.Append(nil)
	}
	body := map[string]any{"Message": e.Message}
	for name, value := range e.Members {
		body[name] = value
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return Frame{map[string]string{messageType: "exception", exceptionType: e.Code, contentType: "application/json"}, text}.Append(nil)
}

// read makes s the events in a body, which ends with them.
func (s *Events[E]) read(stream *Shape, body io.ReadCloser) {
	*s = func(yield func(*E, error) bool) {
		defer body.Close()
		for {
			frame, err := ReadFrame(body)
			if errors.Is(err, io.EOF) {
				return
			}
			event := new(E)
			if err == nil {
				err = frame.decode(stream, event)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(event, nil) {
				return
			}
		}
	}
}

// decode fills an event, or gives the error that the frame is. An event that the shape does not have stays without a member.
func (f Frame) decode(stream *Shape, event any) error {
	switch f.Headers[messageType] {
	case "error":
		return &Error{Code: f.Headers[errorCode], Message: f.Headers[errorMessage]}
	case "exception":
		return readError(&Error{Code: f.Headers[exceptionType]}, f.Payload)
	}
	m, shape := stream.Member(f.Headers[eventType])
	if m == nil {
		return nil
	}
	to := field(event, m.Name)
	to.Set(reflect.New(to.Type().Elem()))
	for _, inner := range shape.Members {
		if inner.EventPayload {
			field(to.Interface(), inner.Name).SetBytes(f.Payload)
			return nil
		}
	}
	return json.Unmarshal(f.Payload, to.Interface())
}

// readEvents makes the stream of an output out of an answer's body.
func readEvents(op *Operation, resp *http.Response, out any) {
	to := field(out, Shapes[op.Output].Payload).Addr().Interface()
	to.(interface{ read(*Shape, io.ReadCloser) }).read(op.Events(), resp.Body)
}
