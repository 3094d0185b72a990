package raytest

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// patience is how long the suite waits for an event before it gives a case up.
const patience = 20 * time.Second

// A gate is where functions stop until the test lets them go on, whichever process they are in.
type gate struct{ listener *net.TCPListener }

// A guest is a function that stands at the gate.
type guest struct {
	name string
	conn net.Conn
}

func newGate(t testing.TB) *gate {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &gate{l}
}

func (g *gate) at(name string) stop { return stop{Gate: g.listener.Addr().String(), Name: name} }

// next waits for a function to come.
func (g *gate) next(t testing.TB) guest {
	t.Helper()
	_ = g.listener.SetDeadline(time.Now().Add(patience))
	c, err := g.listener.Accept()
	if err != nil {
		t.Fatalf("no function came to the gate: %v", err)
	}
	name, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return guest{strings.TrimSpace(name), c}
}

// nobody checks that no function has come by now.
func (g *gate) nobody(t testing.TB) {
	t.Helper()
	_ = g.listener.SetDeadline(time.Now().Add(time.Millisecond))
	if c, err := g.listener.Accept(); err == nil {
		name, _ := bufio.NewReader(c).ReadString('\n')
		t.Errorf("%s runs already", strings.TrimSpace(name))
		c.Close()
	}
}

// free lets the function go on.
func (g guest) free() { _ = g.conn.Close() }

// gone waits until the function, or its process, has ended.
func (g guest) gone(t testing.TB) {
	t.Helper()
	_ = g.conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, g.conn); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("%s still runs", g.name)
	}
}

// A stop says at which gate to stop, and under which name. Deaf makes the function go on when its context ends.
type stop struct {
	Gate, Name string
	Deaf       bool
}

// wait stands at the gate until it opens, or ctx ends.
func (s stop) wait(ctx context.Context) error {
	c, err := net.Dial("tcp", s.Gate)
	if err != nil {
		return err
	}
	defer c.Close()
	if !s.Deaf {
		defer context.AfterFunc(ctx, func() { c.Close() })()
	}
	if _, err := io.WriteString(c, s.Name+"\n"); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, c)
	if s.Deaf {
		return nil
	}
	return ctx.Err()
}
