package awsapi_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

func TestFramesFollowOneAnother(t *testing.T) {
	t.Parallel()
	frames := []awsapi.Frame{{}, {Headers: map[string]string{":message-type": "event", "ü": ""}, Payload: []byte("a")}, {Payload: make([]byte, 70000)}}
	var b []byte
	for _, f := range frames {
		var err error
		if b, err = f.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	r := bytes.NewReader(b)
	for _, want := range frames {
		got, err := awsapi.ReadFrame(r)
		if err != nil || !maps.Equal(got.Headers, want.Headers) || !bytes.Equal(got.Payload, want.Payload) {
			t.Errorf("got %v of %d bytes, %v", got.Headers, len(got.Payload), err)
		}
	}
	if _, err := awsapi.ReadFrame(r); !errors.Is(err, io.EOF) {
		t.Errorf("after the last frame: %v", err)
	}
	if _, err := awsapi.ReadFrame(bytes.NewReader(b[:14])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a frame that is cut off: %v", err)
	}
	for name, f := range map[string]awsapi.Frame{"name": {Headers: map[string]string{strings.Repeat("x", 256): ""}}, "no name": {Headers: map[string]string{"": ""}},
		"value": {Headers: map[string]string{"x": strings.Repeat("x", 1<<15)}}, "payload": {Payload: make([]byte, 24<<20+1)}} {
		if _, err := f.Append(nil); err == nil {
			t.Errorf("%s: a frame that cannot be written was", name)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, frame := range []awsapi.Frame{{}, {map[string]string{":event-type": "PayloadPart"}, []byte("{}")}} {
		b, err := frame.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := awsapi.ReadFrame(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := frame.Append(nil)
		if err != nil {
			return // it has headers that are no text, or an empty one, which are not written
		}
		second, err := awsapi.ReadFrame(bytes.NewReader(again))
		if err != nil || !bytes.Equal(second.Payload, frame.Payload) || !slices.Equal(slices.Sorted(maps.Keys(second.Headers)), slices.Sorted(maps.Keys(frame.Headers))) {
			t.Errorf("%x came back as %x: %v", b, again, err)
		}
	})
}
