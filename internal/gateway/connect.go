package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// connect serves a CONNECT: as the host itself where the host is ours, else as a tunnel to it.
func (g *Gateway) connect(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil || host == "" {
		http.Error(w, fmt.Sprintf("CONNECT wants host:port, and has '%s'", r.Host), http.StatusBadRequest)
		return
	}
	select {
	case g.slots <- struct{}{}:
	default:
		http.Error(w, fmt.Sprintf("%d connections are open, which is the most at a time", maxConnections), http.StatusServiceUnavailable)
		return
	}
	kept := false
	defer func() {
		if !kept {
			<-g.slots
		}
	}()
	g.mu.Lock()
	if g.stopped {
		g.mu.Unlock()
		http.Error(w, "the server is stopping", http.StatusServiceUnavailable)
		return
	}
	g.running.Add(1)
	g.mu.Unlock()
	defer g.running.Done()

	if g.Ours(r.Host) {
		if client, err := accept(w); err == nil {
			kept = g.answer(client, host)
		}
		return
	}
	server, err := g.outletOf(r).dial(r.Context(), r.Host)
	if err != nil {
		http.Error(w, fmt.Sprintf("no way to %s: %v", r.Host, err), http.StatusBadGateway)
		return
	}
	defer server.Close()
	client, err := accept(w)
	if err != nil {
		return
	}
	defer client.Close()
	stop := context.AfterFunc(g.ctx, func() { client.Close(); server.Close() })
	defer stop()
	join(client, server)
}

// answer gives a connection to the inner server, and says whether that has it now.
func (g *Gateway) answer(client *connection, host string) bool {
	stop := context.AfterFunc(g.ctx, func() { client.Close() })
	secure, err := client.startsTLS()
	if !stop() || err != nil {
		client.Close()
		return false
	}
	var conn net.Conn = client
	if secure {
		conn = tls.Server(client, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				name := hello.ServerName
				if name == "" { // as with a name that is an address
					name = host
				}
				if !g.Ours(name) && name != host {
					return nil, fmt.Errorf("the connection was to %s, and the certificate is to be for %s", host, name)
				}
				return g.authority.certificate(name)
			}})
	}
	return g.accepted.give(g.ctx, conn)
}

// A connection is a client's after its CONNECT was accepted.
type connection struct {
	net.Conn
	r *bufio.Reader // has what came along with the CONNECT
}

func (c *connection) Read(b []byte) (int, error) {
	if c.r.Buffered() == 0 {
		return c.Conn.Read(b)
	}
	return c.r.Read(b)
}

// WriteTo lets the kernel copy, once what came early is out.
func (c *connection) WriteTo(w io.Writer) (n int64, err error) {
	if early := c.r.Buffered(); early > 0 {
		if n, err = io.CopyN(w, c.r, int64(early)); err != nil {
			return n, err
		}
	}
	more, err := io.Copy(w, c.Conn)
	return n + more, err
}

func (c *connection) CloseWrite() error { return closeWrite(c.Conn) }

// startsTLS looks at the first byte: 22 begins a handshake, and no method of HTTP.
func (c *connection) startsTLS() (bool, error) {
	if err := c.SetReadDeadline(time.Now().Add(firstByteLimit)); err != nil {
		return false, err
	}
	first, err := c.r.Peek(1)
	if err != nil {
		return false, err
	}
	return first[0] == 22, c.SetReadDeadline(time.Time{})
}

// accept takes the connection of a CONNECT from the HTTP server and tells the client to go on.
func accept(w http.ResponseWriter) (*connection, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if err = conn.SetDeadline(time.Time{}); err == nil {
		_, err = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &connection{conn, rw.Reader}, nil
}

// join copies both ways until both are at their end. A way that fails takes the other with it.
func join(a, b net.Conn) {
	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		ways.Go(func() {
			_, err := io.Copy(way[0], way[1])
			if err == nil {
				err = closeWrite(way[0])
			}
			if err != nil {
				a.Close()
				b.Close()
			}
		})
	}
	ways.Wait()
}

// closeWrite ends one direction of a connection.
func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// handedOver is a listener of connections that come from elsewhere.
type handedOver struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newHandedOver() *handedOver {
	return &handedOver{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// give returns whether the listener took the connection; else it is closed.
func (l *handedOver) give(ctx context.Context, c net.Conn) bool {
	select {
	case l.conns <- c:
		return true
	case <-l.closed:
	case <-ctx.Done():
	}
	c.Close()
	return false
}

func (l *handedOver) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *handedOver) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *handedOver) Addr() net.Addr { return &net.TCPAddr{} }
