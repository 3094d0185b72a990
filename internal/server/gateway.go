package server

import (
	"context"
	"crypto/subtle"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mobula-ml/mobula/internal/gateway"
	"github.com/mobula-ml/mobula/internal/wire"
)

// GatewayDir is where the gateway keeps its authority, in a data folder.
func GatewayDir(data string) string { return filepath.Join(data, "gateway") }

// openGateway makes the proxy that stands before the wire. It is the server's own address that clients use as their proxy, too.
func (s *Server) openGateway(listen *net.TCPAddr) (err error) {
	s.gateway, err = gateway.New(gateway.Config{Dir: GatewayDir(s.Data), Next: s.handler, Authorize: s.mayUseProxy, World: s.World, Log: s.Log,
		Ours: func(host string) bool { return wire.AWSHost(host) || isAddress(host, listen) }})
	return err
}

// mayUseProxy wants a key pair of the server's: the data folder's, or a job's, whose session token follows the secret after a colon.
func (s *Server) mayUseProxy(ctx context.Context, user, password string) bool {
	secret, token, _ := strings.Cut(password, ":")
	want, _, err := s.keys.Lookup(ctx, user, token)
	return err == nil && subtle.ConstantTimeCompare([]byte(secret), []byte(want)) == 1
}

// proxyURL is the server as a proxy for clients on this machine.
func proxyURL(listen *net.TCPAddr) string {
	host := listen.IP.String()
	if listen.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(listen.Port))
}

// isAddress says whether host:port is what a server listens at, by one of this machine's own names for it.
func isAddress(host string, listen *net.TCPAddr) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil || port != strconv.Itoa(listen.Port) {
		return false
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && (ip.Equal(listen.IP) || listen.IP.IsUnspecified() && ip.IsLoopback())
}
