package runner

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzControl: whatever a line says, the socket answers "ok" or one line of error, and only STOP stops.
func FuzzControl(f *testing.F) {
	for _, seed := range []string{"STOP because", "STOP", "WAIT", "DIAL algo-1:80", "DIAL", "", "stop x", "\x00", strings.Repeat("x", 5000)} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "s")
	listener, err := listenUnix(path)
	if err != nil {
		f.Fatal(err)
	}
	done := make(chan struct{})
	close(done)
	stops := make(chan string, 1)
	ctl := &control{stop: func(reason string) { stops <- reason }, done: done,
		dial: func(context.Context, string) (net.Conn, error) { return nil, errors.New("no such host") }}
	go ctl.serve(listener)
	f.Cleanup(func() { listener.Close() })
	f.Fuzz(func(t *testing.T, line string) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		conn, err := dialUnix(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		line, _, _ = strings.Cut(line, "\n")
		if _, err := conn.Write([]byte(line + "\n")); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 8192)
		n, err := conn.Read(answer)
		if len(line) < controlLineBytes && (err != nil || !strings.HasPrefix(string(answer[:n]), "ok\n") && !strings.HasPrefix(string(answer[:n]), "error: ")) {
			t.Errorf("%q: %q, %v", line, answer[:n], err)
		}
		verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		select {
		case reason := <-stops:
			if verb != "STOP" || reason != arg {
				t.Errorf("%q stopped with %q", line, reason)
			}
		default:
			if verb == "STOP" && len(line) < controlLineBytes {
				t.Errorf("%q did not stop", line)
			}
		}
	})
}
