package runner

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A job's network has no way out of its own. Every name resolves to the gateway (names_linux.go) and every other address is the gateway's, too.
// What is sent to it is brought to the server by a CONNECT to the host that the first bytes name; the server decides where that goes. Nothing is
// taken apart here: TLS ends at the server that a program meant, or at Mobula's for AWS's names.

const (
	// firstBytesLimit is how long a program may take, after it connected, to say whom it means, and maxFirstBytes is how much it may say.
	firstBytesLimit = 30 * time.Second
	maxFirstBytes   = 64 << 10
	// connectLimit is how long the server may take to connect to the outside.
	connectLimit = 60 * time.Second
)

// outwardPorts are those at which hosts find servers outside: of https, of http, and where the user's package indexes are.
func outwardPorts(environment map[string]string) []int {
	ports := []int{443, 80}
	for name, value := range environment {
		if !isIndexSetting(name) {
			continue
		}
		for word := range strings.FieldsSeq(value) { // some settings hold several
			u, err := url.Parse(word)
			if err != nil || u.Port() == "" {
				continue
			}
			if port, err := strconv.Atoi(u.Port()); err == nil && port != platformPort && !slices.Contains(ports, port) {
				ports = append(ports, port)
			}
		}
	}
	return ports
}

// outward carries a connection to where it was meant to go. Where that cannot be reached it ends: a client of HTTP is told why.
func (n *network) outward(host *net.TCPConn) {
	target, sent, err := meant(host)
	if err != nil {
		return
	}
	server, err := n.dialServer()
	if err != nil {
		return
	}
	defer server.Close()
	stop := context.AfterFunc(n.ctx, func() { server.Close() })
	defer stop()
	r := bufio.NewReader(server)
	resp, err := askFor(server, r, target) //nolint:bodyclose // what follows the head of the answer is the tunnel
	if err != nil {
		return
	}
	if resp.StatusCode != http.StatusOK {
		if sent[0] != tlsHandshake {
			resp.Close = true
			_ = resp.Write(host) // it is going to be closed in any case
		}
		return
	}
	if _, err := server.Write(sent); err != nil {
		return
	}
	if _, err := io.CopyN(host, r, int64(r.Buffered())); err != nil {
		return
	}
	join(host, server)
}

// askFor has the server connect to target.
func askFor(server *net.UnixConn, r *bufio.Reader, target string) (*http.Response, error) {
	if err := server.SetDeadline(time.Now().Add(connectLimit)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(server, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, err
	}
	return resp, server.SetDeadline(time.Time{})
}

// tlsHandshake is the first byte of a connection that begins with one. No method of HTTP begins so.
const tlsHandshake = 22

// meant reads the beginning of a connection and finds out from it which host:port is meant. sent is what was read.
func meant(host *net.TCPConn) (target string, sent []byte, err error) {
	if err := host.SetReadDeadline(time.Now().Add(firstBytesLimit)); err != nil {
		return "", nil, err
	}
	var seen bytes.Buffer
	in := io.TeeReader(io.LimitReader(host, maxFirstBytes), &seen)
	first := make([]byte, 1)
	if _, err := io.ReadFull(in, first); err != nil {
		return "", nil, err
	}
	all := io.MultiReader(bytes.NewReader(first), in)
	var name string
	if first[0] == tlsHandshake {
		name, err = serverName(all)
	} else {
		var r *http.Request
		if r, err = http.ReadRequest(bufio.NewReader(all)); err == nil {
			if name = r.Host; strings.Contains(name, ":") {
				name = (&url.URL{Host: name}).Hostname()
			}
		}
	}
	if err != nil {
		return "", nil, err
	}
	to := host.LocalAddr().(*net.TCPAddr)
	if name == "" { // as when an address was meant
		if name = to.IP.String(); name == gateway {
			return "", nil, errors.New("the connection names no host")
		}
	}
	if _, err := netip.ParseAddr(name); err != nil && !hostName.MatchString(name) {
		return "", nil, fmt.Errorf("%q is no name of a host", name)
	}
	return net.JoinHostPort(name, strconv.Itoa(to.Port)), seen.Bytes(), host.SetReadDeadline(time.Time{})
}

// hostName keeps what a program sends from becoming anything but the name in a request.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$`)

var errNamed = errors.New("the name was read")

// serverName reads a client's hello for the name in it.
func serverName(hello io.Reader) (name string, err error) {
	err = tls.Server(onlyReads{Reader: hello}, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name = h.ServerName
		return nil, errNamed
	}}).Handshake()
	if errors.Is(err, errNamed) {
		return name, nil
	}
	return "", err
}

// onlyReads is a connection to which nothing is sent.
type onlyReads struct {
	io.Reader
	net.Conn
}

func (c onlyReads) Read(b []byte) (int, error)       { return c.Reader.Read(b) }
func (c onlyReads) Write(b []byte) (int, error)      { return len(b), nil }
func (c onlyReads) SetDeadline(time.Time) error      { return nil }
func (c onlyReads) SetWriteDeadline(time.Time) error { return nil }
func (c onlyReads) Close() error                     { return nil }
