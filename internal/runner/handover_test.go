package runner

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
)

func TestHostsAreHandedOver(t *testing.T) {
	t.Parallel()
	l, err := ListenForHosts(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	dial := func() *net.UnixConn {
		c, err := net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	write := func(c net.Conn, text string) {
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
	}
	dial()         // says nothing
	dial().Close() // nor this
	write(dial(), "\x00 and no connection")

	plain := dial()
	write(plain, "GET")
	accepted := accept(t, l)
	if got := readSome(t, accepted); got != "GET" {
		t.Errorf("by the socket came %q", got)
	}

	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	host, err := net.Dial("tcp", outside.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	atGateway := accept(t, outside).(*net.TCPConn)
	write(host, "PUT")
	if err := handOver(dial(), atGateway); err != nil {
		t.Fatal(err)
	}
	atGateway.Close()
	server := accept(t, l)
	if got := readSome(t, server); got != "PUT" || server.LocalAddr().Network() != "unix" || server.RemoteAddr().String() != host.LocalAddr().String() {
		t.Errorf("%q came from %s at %s", got, server.RemoteAddr(), server.LocalAddr())
	}
	write(server, "OK")
	if got := readSome(t, host); got != "OK" {
		t.Errorf("the host got %q", got)
	}

	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener gave %v", err)
	}
}

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func readSome(t *testing.T, c net.Conn) string {
	t.Helper()
	b := make([]byte, 16)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}
