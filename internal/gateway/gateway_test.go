package gateway_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/gateway"
)

func ours(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.HasSuffix(host, ".amazonaws.com")
}

// env is a gateway on a free port and on a socket.
type env struct {
	*gateway.Gateway
	url    *url.URL
	socket string
	roots  *x509.CertPool
}

func start(t *testing.T, change func(*gateway.Config)) *env {
	t.Helper()
	c := gateway.Config{Dir: filepath.Join(t.TempDir(), "gateway"), Ours: ours, Log: slog.New(slog.DiscardHandler),
		Upstream: func(*http.Request) (*url.URL, error) { return nil, nil },
		Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "%s %s%s with %d bytes", r.Method, r.Host, r.URL, n)
		})}
	if change != nil {
		change(&c)
	}
	g, err := gateway.New(c)
	if err != nil {
		t.Fatal(err)
	}
	tcp := httptest.NewServer(g)
	e := &env{Gateway: g, roots: x509.NewCertPool(), socket: filepath.Join(t.TempDir(), "s")}
	unix, err := net.Listen("unix", e.socket)
	if err != nil {
		t.Fatal(err)
	}
	jobs := &http.Server{Handler: g}
	go jobs.Serve(unix)
	t.Cleanup(func() { jobs.Close(); tcp.Close(); g.Stop() })
	if e.url, err = url.Parse(tcp.URL); err != nil {
		t.Fatal(err)
	}
	bundle, err := os.ReadFile(gateway.BundlePath(c.Dir))
	if err != nil || !e.roots.AppendCertsFromPEM(bundle) {
		t.Fatalf("the bundle: %v", err)
	}
	return e
}

// client uses the gateway as its proxy.
func (e *env) client(t *testing.T) *http.Client {
	transport := &http.Transport{Proxy: http.ProxyURL(e.url), TLSClientConfig: &tls.Config{RootCAs: e.roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func get(t *testing.T, c *http.Client, target string) (int, string) {
	t.Helper()
	resp, err := c.Get(target)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(body)
}

func TestHostsOfAWSAreAnsweredHere(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	client := e.client(t)
	for _, target := range []string{"https://sts.us-east-1.amazonaws.com/a%2Fb?c=d", "https://my.own.bucket.s3.amazonaws.com/key", "http://s3.amazonaws.com/bucket",
		"https://sts.us-east-1.amazonaws.com:8443/other-port", "http://sts.amazonaws.com:8080/"} {
		_, rest, _ := strings.Cut(target, "//")
		for range 2 { // by a new connection and by one that is kept
			if code, body := get(t, client, target); code != 200 || body != "GET "+rest+" with 0 bytes" {
				t.Errorf("%s: %d %s", target, code, body)
			}
		}
	}
	resp, err := client.Post("https://s3.amazonaws.com/b/k", "text/plain", io.LimitReader(rand.Reader, 5<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "POST s3.amazonaws.com/b/k with 5242880 bytes" {
		t.Errorf("got %s", body)
	}
	certificate := resp.TLS.PeerCertificates[0]
	if life := certificate.NotAfter.Sub(certificate.NotBefore); life > 397*24*time.Hour || certificate.IsCA {
		t.Errorf("the certificate: %v, authority %v", life, certificate.IsCA)
	}
}

// exampleServer is a server whose certificate is for example.com and 127.0.0.1, with the pool that trusts it.
func exampleServer(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	s := httptest.NewTLSServer(handler)
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s, pool
}

func TestEverythingElseIsTunnelledUntouched(t *testing.T) {
	t.Parallel()
	echo := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen", fmt.Sprint(r.Header, r.URL, r.Host, r.TLS != nil))
		io.Copy(w, r.Body)
	}
	secure, pool := exampleServer(t, echo)
	plain := httptest.NewServer(http.HandlerFunc(echo))
	defer plain.Close()
	var proxied atomic.Int32
	upstream := start(t, nil)
	counting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") == "Basic "+base64.StdEncoding.EncodeToString([]byte("me:secret")) {
			proxied.Add(1)
		}
		upstream.ServeHTTP(w, r)
	}))
	defer counting.Close()
	for name, change := range map[string]func(*gateway.Config){
		"directly": nil,
		"through a proxy": func(c *gateway.Config) {
			c.Upstream = func(*http.Request) (*url.URL, error) {
				u, err := url.Parse(counting.URL)
				u.User = url.UserPassword("me", "secret")
				return u, err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, change)
			e.roots = pool
			client := e.client(t)
			direct := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
			defer direct.CloseIdleConnections()
			for _, target := range []string{secure.URL + "/a%2Fb?c=d;e", plain.URL + "/a%2Fb?c=d;e"} {
				var seen []string
				for _, c := range []*http.Client{client, direct} {
					body := make([]byte, 3<<20)
					rand.Read(body)
					resp, err := c.Post(target, "text/plain", strings.NewReader(string(body)))
					if err != nil {
						t.Fatal(err)
					}
					back, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || string(back) != string(body) {
						t.Errorf("%s: %d of %d bytes came back, %v", target, len(back), len(body), err)
					}
					if resp.TLS != nil && !resp.TLS.PeerCertificates[0].Equal(secure.Certificate()) {
						t.Errorf("%s: the certificate is not the server's", target)
					}
					seen = append(seen, resp.Header.Get("X-Seen"))
				}
				if seen[0] != seen[1] {
					t.Errorf("the server saw\n%s\nand without the proxy\n%s", seen[0], seen[1])
				}
			}
			if change != nil && proxied.Load() != 2 {
				t.Errorf("the other proxy was asked %d times", proxied.Load())
			}
		})
	}
}

func TestTunnelsEndOneWayAtATime(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		asked, _ := io.ReadAll(conn) // until the client has ended its way
		fmt.Fprintf(conn, "%s, answered", asked)
	}()
	conn := e.connect(t, "tcp", e.url.Host, l.Addr().String(), "200 ")
	io.WriteString(conn, "asked")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if back, err := io.ReadAll(conn); err != nil || string(back) != "asked, answered" {
		t.Errorf("got %q, %v", back, err)
	}
}

// connect sends a CONNECT and checks how the answer begins.
func (e *env) connect(t *testing.T, network, gate, address, want string, headers ...string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, gate)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", address, address, strings.Join(headers, ""))
	var answer []byte
	for one := make([]byte, 1); !strings.HasSuffix(string(answer), "\r\n\r\n"); answer = append(answer, one...) {
		if _, err := conn.Read(one); err != nil {
			t.Fatalf("%s: %v after %q", address, err, answer)
		}
	}
	if !strings.HasPrefix(string(answer), "HTTP/1.1 "+want) {
		rest := make([]byte, 200)
		n, _ := conn.Read(rest)
		t.Errorf("CONNECT %s: %s%s, want %s", address, answer, rest[:n], want)
	}
	return conn
}

func TestWhereNoTunnelLeads(t *testing.T) {
	t.Parallel()
	proxied := start(t, func(c *gateway.Config) {
		c.Upstream = func(*http.Request) (*url.URL, error) { return url.Parse("http://127.0.0.1:9") }
	})
	e := start(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, address := range []string{"169.254.169.254:80", "169.254.170.2:80", "[fe80::1%25lo]:80", "[::ffff:169.254.169.254]:80", "[fd00:ec2::254]:80", closed.Addr().String(),
		"no-such-host.invalid:443"} {
		e.connect(t, "tcp", e.url.Host, address, "502 ")
		e.connect(t, "unix", e.socket, address, "502 ")
	}
	proxied.connect(t, "tcp", proxied.url.Host, "169.254.169.254:80", "502 ")
	e.connect(t, "tcp", e.url.Host, "nothing", "400 ")
	e.connect(t, "tcp", e.url.Host, l.Addr().String(), "200 ")
	// A job does not reach what the machine serves to itself, by whatever name.
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]"} {
		e.connect(t, "unix", e.socket, host+":"+port, "502 ")
	}
	for _, target := range []string{"http://169.254.169.254/latest/meta-data/", "http://no-such-host.invalid/"} {
		if code, body := get(t, e.client(t), target); code != 502 || !strings.Contains(body, "no way to") {
			t.Errorf("%s: %d %s", target, code, body)
		}
	}
}

func TestOthersNeedTheKey(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *gateway.Config) {
		c.Authorize = func(_ context.Context, user, password string) bool {
			return user == "key" && password == "sec/ret+:token"
		}
	})
	closed := start(t, nil)
	ask := func(g *gateway.Gateway, method, target, from, user, password string) (int, string) {
		r := httptest.NewRequest(method, target, nil)
		r.RemoteAddr = from
		if user != "" {
			r.SetBasicAuth(user, password)
			r.Header["Proxy-Authorization"] = r.Header["Authorization"]
			r.Header.Del("Authorization")
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	const here, there = "127.0.0.1:5", "192.0.2.1:5"
	for _, c := range []struct {
		g                            *gateway.Gateway
		method, target, from, secret string
		want                         int
	}{
		{e.Gateway, "GET", "http://sts.amazonaws.com/", here, "", 200},
		{e.Gateway, "GET", "http://sts.amazonaws.com/", "[::ffff:127.0.0.1]:5", "", 200},
		{e.Gateway, "GET", "http://sts.amazonaws.com/", there, "", 407},
		{e.Gateway, "GET", "http://sts.amazonaws.com/", there, "wrong", 407},
		{e.Gateway, "GET", "http://sts.amazonaws.com/", there, "sec/ret+:token", 200},
		{e.Gateway, "GET", "http://no-such-host.invalid/", there, "", 407},
		{e.Gateway, "CONNECT", "sts.amazonaws.com:443", there, "", 407},
		{e.Gateway, "CONNECT", "no-such-host.invalid:443", there, "", 407},
		{e.Gateway, "CONNECT", "no-such-host.invalid:443", there, "sec/ret+:token", 502},
		{e.Gateway, "GET", "/healthz", there, "", 200}, // a request that is none for a proxy
		{closed.Gateway, "GET", "http://sts.amazonaws.com/", there, "any", 407},
	} {
		user := "key"
		if c.secret == "" {
			user = ""
		}
		if code, body := ask(c.g, c.method, c.target, c.from, user, c.secret); code != c.want {
			t.Errorf("%s %s from %s with %q: %d %s, want %d", c.method, c.target, c.from, c.secret, code, body, c.want)
		}
	}
	e.connect(t, "unix", e.socket, "sts.amazonaws.com:443", "200 ")
}

func TestTheAuthorityIsKeptAndSpeaksForAWSOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gateway")
	var roots []*x509.Certificate
	for range 2 {
		start(t, func(c *gateway.Config) { c.Dir = dir })
		text, err := os.ReadFile(filepath.Join(dir, "authority.pem"))
		if err != nil {
			t.Fatal(err)
		}
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "CERTIFICATE" {
				root, err := x509.ParseCertificate(block.Bytes)
				if err != nil {
					t.Fatal(err)
				}
				roots = append(roots, root)
			}
		}
	}
	if len(roots) != 2 || !roots[0].Equal(roots[1]) {
		t.Error("the second start made another authority")
	}
	if root := roots[0]; !root.IsCA || !root.MaxPathLenZero || !root.PermittedDNSDomainsCritical || strings.Join(root.PermittedDNSDomains, " ") != "amazonaws.com amazonaws.com.cn api.aws" {
		t.Errorf("the authority is not bounded: %+v", root)
	}
	info, err := os.Stat(filepath.Join(dir, "authority.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its key is open to others: %v, %v", info.Mode(), err)
	}
	bundle, err := os.ReadFile(gateway.BundlePath(dir))
	if err != nil || strings.Contains(string(bundle), "PRIVATE") || strings.Count(string(bundle), "BEGIN CERTIFICATE") < 2 {
		t.Errorf("the bundle does not have the system's certificates and the authority's alone: %v", err)
	}
	// Whoever names another host in the handshake than in the CONNECT gets no certificate for it.
	e := start(t, func(c *gateway.Config) { c.Dir = dir })
	conn := e.connect(t, "tcp", e.url.Host, "sts.amazonaws.com:443", "200 ")
	if err := tls.Client(conn, &tls.Config{ServerName: "example.com", RootCAs: e.roots}).Handshake(); err == nil {
		t.Error("there is a certificate for example.com")
	}
}

func TestBundleAddsWhatTheUserTrusts(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gateway")
	start(t, func(c *gateway.Config) { c.Dir = dir })
	s, _ := exampleServer(t, nil)
	file := filepath.Join(t.TempDir(), "mine.pem")
	mine := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, append([]byte("# a comment\n"), mine...), 0o600); err != nil {
		t.Fatal(err)
	}
	bundle, err := gateway.Bundle(dir, func(name string) string {
		return map[string]string{"REQUESTS_CA_BUNDLE": file, "SSL_CERT_FILE": file, "PIP_CERT": "/nowhere"}[name]
	})
	if err != nil || strings.Count(string(bundle), string(mine)) != 1 {
		t.Errorf("the user's certificate is there %d times, %v", strings.Count(string(bundle), string(mine)), err)
	}
}

func TestStopEndsEveryConnection(t *testing.T) {
	before := runtime.NumGoroutine()
	g, err := gateway.New(gateway.Config{Dir: t.TempDir(), Ours: ours, Next: http.NotFoundHandler(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	e := &env{url: &url.URL{Host: s.Listener.Addr().String()}}
	tunnel := e.connect(t, "tcp", e.url.Host, l.Addr().String(), "200 ")
	silent := e.connect(t, "tcp", e.url.Host, "sts.amazonaws.com:443", "200 ")
	idle := e.connect(t, "tcp", e.url.Host, "sts.amazonaws.com:80", "200 ")
	fmt.Fprintf(idle, "GET / HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n")
	if _, err := idle.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	g.Stop()
	for name, conn := range map[string]net.Conn{"a tunnel": tunnel, "a connection on which nothing came": silent, "one that waits for the next request": idle} {
		if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil && os.IsTimeout(err) {
			t.Errorf("%s is still open", name)
		}
		conn.Close()
	}
	e.connect(t, "tcp", e.url.Host, "sts.amazonaws.com:443", "503 ")
	s.Close()
	l.Close()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines, and there were %d:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
}
