package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The network of a job exists only in the supervisor's net namespace, so that every job can have the same addresses.
const (
	gateway       = "10.88.0.1"
	platformPort  = 7700
	hostInterface = "eth0"
	// platformPatience is how long a host's connection waits for a server that is restarting.
	platformPatience = 60 * time.Second
	// platformConnections is how many connections of a job's hosts to a port of the gateway are open at a time; more wait.
	platformConnections = 4096
)

func hostAddress(n int) string { return fmt.Sprintf("10.88.0.%d", 10+n) }

// hostsFile is every host's /etc/hosts.
func hostsFile(hosts int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "127.0.0.1 localhost\n::1 localhost\n%s mobula-platform\n", gateway)
	for n := range hosts {
		fmt.Fprintf(&text, "%s %s\n", hostAddress(n+1), HostName(n+1))
	}
	return text.String()
}

// network is the bridge, and what the gateway on it serves.
type network struct {
	socket  string
	hosts   int
	ctx     context.Context
	cancel  context.CancelFunc
	open    []io.Closer // what is listened at
	serving sync.WaitGroup
}

// newNetwork makes a bridge with the gateway's address, a pair of interfaces for each host's first process, and the ways to the
// server's socket: the platform's port, and those at which hosts look for servers outside. The hosts bring up their ends themselves.
func newNetwork(pids []int, socket string, outward []int) (*network, error) {
	handle, err := netlink.NewHandle(syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	lo, err := handle.LinkByName("lo")
	if err != nil {
		return nil, err
	}
	if err := handle.LinkSetUp(lo); err != nil {
		return nil, fmt.Errorf("lo up: %w", err)
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "hosts"}}
	if err := handle.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("add bridge: %w", err)
	}
	if err := bringUp(handle, bridge, gateway); err != nil {
		return nil, err
	}
	for i, pid := range pids {
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: HostName(i + 1), MasterIndex: bridge.Attrs().Index, Flags: net.FlagUp},
			PeerName: hostInterface, PeerNamespace: netlink.NsPid(pid)}
		if err := handle.LinkAdd(pair); err != nil {
			return nil, fmt.Errorf("add interface of %s: %w", HostName(i+1), err)
		}
		if err := handle.LinkSetUp(pair); err != nil {
			return nil, fmt.Errorf("interface of %s up: %w", HostName(i+1), err)
		}
	}
	n := &network{socket: socket, hosts: len(pids)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if socket == "" {
		return n, nil
	}
	// Every address that is not a host's is the gateway's. Not in the table of local addresses, which comes before that of the hosts.
	err = handle.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_MAIN, Scope: netlink.SCOPE_HOST,
		Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}})
	if err == nil {
		err = n.serve(outward)
	}
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// serve begins to listen at all that the gateway serves.
func (n *network) serve(outward []int) error {
	names, err := net.ListenPacket("udp4", gateway+":53")
	if err != nil {
		return err
	}
	n.open = append(n.open, names)
	n.serving.Go(func() { n.answerNames(names) })
	for _, port := range append([]int{platformPort}, outward...) {
		address, carry := fmt.Sprintf("0.0.0.0:%d", port), n.outward
		if port == platformPort {
			address, carry = fmt.Sprintf("%s:%d", gateway, port), n.toServer
		}
		l, err := net.Listen("tcp4", address)
		if err != nil {
			return err
		}
		n.open = append(n.open, l)
		n.serving.Go(func() { n.accept(l, carry) })
	}
	return nil
}

// bringUp gives a link its address and starts it.
func bringUp(handle *netlink.Handle, link netlink.Link, address string) error {
	addr, err := netlink.ParseAddr(address + "/24")
	if err != nil {
		return err
	}
	if err := handle.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("address %s: %w", address, err)
	}
	if err := handle.LinkSetUp(link); err != nil {
		return fmt.Errorf("%s up: %w", link.Attrs().Name, err)
	}
	return nil
}

// joinNetwork is the host's side, in its own net namespace.
func joinNetwork(address string) error {
	handle, err := netlink.NewHandle(syscall.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer handle.Close()
	lo, err := handle.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := handle.LinkSetUp(lo); err != nil {
		return fmt.Errorf("lo up: %w", err)
	}
	link, err := handle.LinkByName(hostInterface)
	if err != nil {
		return err
	}
	if err := bringUp(handle, link, address); err != nil {
		return err
	}
	return handle.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(gateway)})
}

// accept gives each connection of a host to carry, and closes it when that is done with it, or the job is.
func (n *network) accept(l net.Listener, carry func(*net.TCPConn)) {
	var conns sync.WaitGroup
	defer conns.Wait()
	slots := make(chan struct{}, platformConnections)
	for {
		slots <- struct{}{}
		host, err := l.Accept()
		if err != nil {
			return
		}
		conns.Go(func() {
			defer func() { <-slots }()
			defer host.Close()
			stop := context.AfterFunc(n.ctx, func() { host.Close() })
			defer stop()
			carry(host.(*net.TCPConn))
		})
	}
}

// toServer hands a host's connection to the platform's address over to the server. Where no server comes, the host sees it close, as with any
// server that is not there.
func (n *network) toServer(host *net.TCPConn) {
	server, err := n.dialServer()
	if err != nil {
		return
	}
	defer server.Close()
	_ = handOver(server, host) // a server that has gone meanwhile is like one that is not there
}

// dialServer waits for a server that is restarting.
func (n *network) dialServer() (*net.UnixConn, error) {
	ctx, cancel := context.WithTimeout(n.ctx, platformPatience)
	defer cancel()
	for {
		conn, err := dialUnix(ctx, n.socket)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// halfCloser is a stream whose two directions end separately.
type halfCloser interface {
	io.ReadWriter
	CloseWrite() error
	CloseRead() error
}

// join copies both ways until both are at their end. When one side cannot be written to, the other is told not to send more.
func join(a, b halfCloser) {
	var ways sync.WaitGroup
	for _, way := range [][2]halfCloser{{a, b}, {b, a}} {
		ways.Go(func() {
			_, err := io.Copy(way[0], way[1])
			_ = way[0].CloseWrite() // either may be closed already
			if err != nil {
				_ = way[1].CloseRead()
			}
		})
	}
	ways.Wait()
}

func (n *network) close() {
	if n == nil {
		return
	}
	n.cancel()
	for _, c := range n.open {
		c.Close()
	}
	n.serving.Wait()
}
