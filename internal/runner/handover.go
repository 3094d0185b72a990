package runner

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// What hosts send to the platform's address reaches the server at its unix socket, and not by way of the supervisor: it accepts the host's
// connection, waits for the server where none is there, and hands the connection itself over, in a message of one byte that no request begins with.

const (
	handedOver = 0
	// firstByte is how long a connection to the server's socket may be silent.
	firstByte = 30 * time.Second
)

// handOver gives conn to the server at the other end of socket. The caller closes its own.
func handOver(socket *net.UnixConn, conn *net.TCPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		_, _, sent = socket.WriteMsgUnix([]byte{handedOver}, syscall.UnixRights(int(fd)), nil)
	})
	return errors.Join(err, sent)
}

// ListenForHosts opens the socket of the server that Spec.PlatformSocket names. It accepts what connects to the socket, and the connections
// of hosts, which are TCP's but have the socket as their local address. The file must not exist.
func ListenForHosts(path string) (net.Listener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	h := &hostListener{UnixListener: l, accepted: make(chan net.Conn), closed: make(chan struct{})}
	go h.run()
	return h, nil
}

type hostListener struct {
	*net.UnixListener
	accepted chan net.Conn
	failed   error // once closed is
	closed   chan struct{}
	close    sync.Once
}

func (l *hostListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.closed:
		return nil, l.failed
	}
}

func (l *hostListener) Close() error {
	err := l.UnixListener.Close()
	l.end(net.ErrClosed)
	return err
}

func (l *hostListener) end(err error) {
	l.close.Do(func() {
		l.failed = err
		close(l.closed)
	})
}

func (l *hostListener) run() {
	for {
		conn, err := l.AcceptUnix()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			time.Sleep(50 * time.Millisecond) // others will end
			continue
		}
		if err != nil {
			l.end(err)
			return
		}
		go func() {
			conn, err := received(conn)
			if err != nil {
				return // nobody is there to be told
			}
			select {
			case l.accepted <- conn:
			case <-l.closed:
				conn.Close()
			}
		}()
	}
}

// received is the connection that came over conn, or conn where another kind of client begins to speak.
func received(conn *net.UnixConn) (net.Conn, error) {
	first, err := peek(conn)
	if err == nil && first != handedOver {
		return conn, conn.SetReadDeadline(time.Time{})
	}
	defer conn.Close()
	if err != nil {
		return nil, err
	}
	b, rights := make([]byte, 1), make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(b, rights)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return nil, errors.Join(err, errors.New("a connection was announced and did not come"))
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fds[0]), "host")
	defer file.Close()
	host, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	tcp, ok := host.(*net.TCPConn)
	if !ok {
		host.Close()
		return nil, fmt.Errorf("a connection by %s came", host.LocalAddr().Network())
	}
	return hostConn{tcp, conn.LocalAddr()}, nil
}

type hostConn struct {
	*net.TCPConn
	socket net.Addr
}

// LocalAddr tells that the connection came by the socket.
func (c hostConn) LocalAddr() net.Addr { return c.socket }

// peek waits for the first byte and leaves it there.
func peek(conn *net.UnixConn) (byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(firstByte)); err != nil {
		return 0, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	b := make([]byte, 1)
	var n int
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		n, _, failed = syscall.Recvfrom(int(fd), b, syscall.MSG_PEEK)
		return !errors.Is(failed, syscall.EAGAIN) && !errors.Is(failed, syscall.EINTR)
	})
	if err = errors.Join(err, failed); err == nil && n == 0 {
		err = errors.New("the connection ended before it began")
	}
	return b[0], err
}
