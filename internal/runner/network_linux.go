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
)

// The network of a job exists only in the supervisor's net namespace, so that every job can have the same addresses.
const (
	gateway       = "10.88.0.1"
	platformPort  = 7700
	hostInterface = "eth0"
	// platformPatience is how long a host's connection waits for a server that is restarting.
	platformPatience = 60 * time.Second
	// platformConnections is how many connections of a job's hosts to the platform are open at a time; more wait.
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

// network is the bridge, and the platform's port on it.
type network struct {
	platform net.Listener
	socket   string
	ctx      context.Context
	cancel   context.CancelFunc
	serving  sync.WaitGroup
}

// newNetwork makes a bridge with the gateway's address, a pair of interfaces for each host's first process, and the way to the
// server's socket. The hosts bring up their ends themselves.
func newNetwork(pids []int, socket string) (*network, error) {
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
	n := &network{socket: socket}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if socket != "" {
		if n.platform, err = net.Listen("tcp", fmt.Sprintf("%s:%d", gateway, platformPort)); err != nil {
			return nil, err
		}
		n.serving.Go(n.forward)
	}
	return n, nil
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

// forward carries what hosts send to the platform's address to the server's socket.
func (n *network) forward() {
	var conns sync.WaitGroup
	defer conns.Wait()
	slots := make(chan struct{}, platformConnections)
	for {
		slots <- struct{}{}
		host, err := n.platform.Accept()
		if err != nil {
			return
		}
		conns.Go(func() {
			defer func() { <-slots }()
			defer host.Close()
			server, err := n.dialServer()
			if err != nil {
				return // the host sees its connection close, as with any server that is not there
			}
			defer server.Close()
			stop := context.AfterFunc(n.ctx, func() { host.Close(); server.Close() })
			defer stop()
			join(host.(*net.TCPConn), server)
		})
	}
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
	if n.platform != nil {
		n.platform.Close()
		n.serving.Wait()
	}
}
