package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	dialLimit      = 20 * time.Second
	handshakeLimit = 20 * time.Second
)

// An outlet is the way to the outside for one kind of client.
type outlet struct {
	g         *Gateway
	refuse    func(netip.Addr) error
	dialer    net.Dialer // to where clients want
	transport *http.Transport
	proxy     *httputil.ReverseProxy
}

func (g *Gateway) newOutlet(refuse func(netip.Addr) error) *outlet {
	o := &outlet{g: g, refuse: refuse}
	o.dialer = net.Dialer{Timeout: dialLimit, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address) // a name was resolved by now
		if err != nil {
			return err
		}
		return refuse(to.Addr())
	}}
	o.transport = &http.Transport{DisableCompression: true, IdleConnTimeout: idleLimit, TLSHandshakeTimeout: handshakeLimit, MaxIdleConns: 100,
		Proxy: o.upstream,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if ctx.Value(viaUpstream{}) != nil { // the user named this address, which may well be on loopback
				return (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, network, address)
			}
			return o.dialer.DialContext(ctx, network, address)
		}}
	o.proxy = &httputil.ReverseProxy{Transport: o.transport, FlushInterval: -1, ErrorLog: slog.NewLogLogger(g.Log.Handler(), slog.LevelDebug),
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.Host, r.Out.URL.RawQuery = r.In.Host, r.In.URL.RawQuery },
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, fmt.Sprintf("no way to %s: %v", r.URL.Host, err), http.StatusBadGateway)
		}}
	return o
}

// viaUpstream marks the context of a request that goes by way of another proxy.
type viaUpstream struct{}

// refuseLinkLocal keeps tunnels from the addresses where clouds give credentials to their machines.
func refuseLinkLocal(ip netip.Addr) error {
	ip = ip.Unmap()
	if ip.IsLinkLocalUnicast() || ip == netip.MustParseAddr("fd00:ec2::254") || ip == netip.MustParseAddr("fd00:ec2::23") {
		return fmt.Errorf("%s is where a cloud hands out credentials, to which no tunnel leads", ip)
	}
	return nil
}

// refuseMachine keeps jobs, besides, from what the machine serves to itself.
func refuseMachine(ip netip.Addr) error {
	if ip = ip.Unmap(); ip.IsLoopback() || ip.IsUnspecified() {
		return fmt.Errorf("%s is the machine's own, to which no tunnel leads from a job", ip)
	}
	return refuseLinkLocal(ip)
}

// upstream is the proxy that a request is to go by, or nil.
func (o *outlet) upstream(r *http.Request) (*url.URL, error) {
	u, err := o.g.Upstream(r)
	if err != nil || u == nil || o.g.Ours(u.Host) { // a server that was started in its own client's environment
		return nil, err
	}
	if ip, err := netip.ParseAddr(r.URL.Hostname()); err == nil { // no name that another resolves
		if err := o.refuse(ip); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// dial connects to host:port, through the upstream proxy where there is one.
func (o *outlet) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit+handshakeLimit)
	defer cancel()
	stop := context.AfterFunc(o.g.ctx, cancel)
	defer stop()
	u, err := o.upstream((&http.Request{URL: &url.URL{Scheme: "https", Host: address}}).WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if u == nil {
		return o.dialer.DialContext(ctx, "tcp", address)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the proxy of the server's environment is %s, and must be of http or https", u.Redacted())
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("the proxy %s: %w", u.Redacted(), err)
	}
	through, err := throughProxy(ctx, conn, u, address)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("the proxy %s: %w", u.Redacted(), err)
	}
	return through, nil
}

// throughProxy asks the proxy at the other end of conn for a tunnel to address.
func throughProxy(ctx context.Context, conn net.Conn, u *url.URL, address string) (net.Conn, error) {
	if u.Scheme == "https" {
		secure := tls.Client(conn, &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secure
	}
	interrupt := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	ask := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if u.User != nil {
		password, _ := u.User.Password()
		ask.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	if err := ask.Write(conn); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, ask) //nolint:bodyclose // what follows the head of the answer is the tunnel
	switch {
	case err != nil:
		return nil, errors.Join(err, ctx.Err())
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answers %s", resp.Status)
	case !interrupt():
		return nil, ctx.Err()
	}
	return &connection{conn, r}, nil
}

// forward passes on a request that has a whole URL of http.
func (o *outlet) forward(w http.ResponseWriter, r *http.Request) {
	u, err := o.upstream(r)
	if err != nil {
		http.Error(w, fmt.Sprintf("no way to %s: %v", r.URL.Host, err), http.StatusBadGateway)
		return
	}
	if u != nil {
		r = r.WithContext(context.WithValue(r.Context(), viaUpstream{}, true))
	}
	o.proxy.ServeHTTP(w, r)
}
