package records_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/records"
)

func recordIO(t testing.TB, payloads ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, p := range payloads {
		if err := records.WriteRecordIO(&b, strings.NewReader(p), int64(len(p))); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// What is written is read again, and lies there as the formats say.
func TestFormats(t *testing.T) {
	t.Parallel()
	var tf []byte
	payloads := []string{"a", "", "four", "\x0a\x23\xd7\xceinside"}
	for _, p := range payloads {
		tf = records.AppendTFRecord(tf, []byte(p))
	}
	rio := recordIO(t, payloads...)
	if got := hex.EncodeToString([]byte(rio[:12])); got != "0a23d7ce0100000061000000" {
		t.Errorf("RecordIO of a: %s", got)
	}
	if got := hex.EncodeToString(tf[:17]); got != "0100000000000000"+"0175de41"+"61"+"786ee428" {
		t.Errorf("TFRecord of a: %s", got)
	}
	for name, c := range map[string]struct {
		text   string
		format records.Format
	}{"RecordIO": {rio, records.RecordIO}, "TFRecord": {string(tf), records.TFRecord}} {
		r := records.NewReader(strings.NewReader(c.text), c.format, 100)
		frames := ""
		for _, want := range payloads {
			one, err := r.Next()
			if err != nil || string(one.Payload) != want {
				t.Errorf("%s: %q, %v; want %q", name, one.Payload, err, want)
			}
			frames += string(one.Frame)
		}
		if _, err := r.Next(); err != io.EOF || frames != c.text {
			t.Errorf("%s: %v; frames %q", name, err, frames)
		}
		if _, err := records.NewReader(strings.NewReader(c.text), c.format, 11).Next(); !errors.Is(err, records.ErrTooLarge) {
			t.Errorf("%s beyond the limit: %v", name, err)
		}
		if _, err := records.NewReader(strings.NewReader(c.text[:9]), c.format, 100).Next(); !errors.Is(err, records.ErrBroken) || !strings.Contains(err.Error(), "at byte 0") {
			t.Errorf("%s cut off: %v", name, err)
		}
	}
}

// A record that its writer has parted at the magic number is joined by it.
func TestPartsOfRecordIO(t *testing.T) {
	t.Parallel()
	text, err := hex.DecodeString("0a23d7ce" + "01000020" + "61000000" + "0a23d7ce" + "01000060" + "62000000")
	if err != nil {
		t.Fatal(err)
	}
	one, err := records.NewReader(bytes.NewReader(text), records.RecordIO, 100).Next()
	if err != nil || string(one.Payload) != "a\x0a\x23\xd7\xceb" || !bytes.Equal(one.Frame, text) {
		t.Errorf("%q, %v", one.Payload, err)
	}
	for _, wrong := range [][]byte{text[12:], append(text[:12:12], text[:12]...), []byte("no RecordIO at all")} {
		if _, err := records.NewReader(bytes.NewReader(wrong), records.RecordIO, 100).Next(); err == nil || !strings.Contains(err.Error(), "no RecordIO") {
			t.Errorf("%x: %v", wrong, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(recordIO(f, "abc", "d")))
	f.Add(records.AppendTFRecord(nil, []byte("abc")))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, format := range []records.Format{records.RecordIO, records.TFRecord} {
			r, read := records.NewReader(bytes.NewReader(b), format, 1<<20), 0
			for {
				one, err := r.Next()
				if err != nil {
					break
				}
				if read += len(one.Frame); len(one.Frame) == 0 || read > len(b) {
					t.Fatalf("%d bytes read of %d", read, len(b))
				}
			}
		}
	})
}
