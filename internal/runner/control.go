package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The control socket takes one line a connection and answers "ok" or "error: …" on a line:
//
//	STOP reason   begins the end
//	WAIT          answers when the final status is written
//	DIAL address  answers with a connected TCP socket of the job's network as a file descriptor, so that nothing is copied

const (
	controlLineBytes   = 4096
	controlLineTimeout = 10 * time.Second
	dialTimeout        = 10 * time.Second
)

// control is what the supervisor's socket can ask of it.
type control struct {
	stop func(reason string)
	done <-chan struct{}
	dial func(ctx context.Context, address string) (net.Conn, error)

	mu      sync.Mutex // of ended, and of what is added to waiting
	ended   bool
	waiting sync.WaitGroup
}

// serve answers until the listener closes.
func (c *control) serve(l *net.UnixListener) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			c.answer(conn)
		}()
	}
}

func (c *control) answer(conn *net.UnixConn) {
	_ = conn.SetReadDeadline(time.Now().Add(controlLineTimeout)) // a closed connection shows in the read
	line, err := bufio.NewReader(io.LimitReader(conn, controlLineBytes)).ReadString('\n')
	if err != nil {
		return
	}
	verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch verb {
	case "STOP":
		c.stop(arg)
		fmt.Fprintln(conn, "ok")
	case "WAIT":
		c.mu.Lock()
		if !c.ended {
			c.waiting.Add(1)
			defer c.waiting.Done()
		}
		c.mu.Unlock()
		<-c.done
		fmt.Fprintln(conn, "ok")
	case "DIAL":
		ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
		defer cancel()
		if err := c.handOver(ctx, conn, arg); err != nil {
			fmt.Fprintln(conn, "error:", err)
		}
	default:
		fmt.Fprintf(conn, "error: %q is not STOP, WAIT or DIAL\n", verb)
	}
}

// answerWaiting lets those who wait hear of the end before the process is gone. Who asks too late sees the socket close and looks
// at the status file.
func (c *control) answerWaiting() {
	<-c.done
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.waiting.Wait()
}

// handOver connects and gives the socket away.
func (c *control) handOver(ctx context.Context, to *net.UnixConn, address string) error {
	conn, err := c.dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	defer file.Close()
	_, _, err = to.WriteMsgUnix([]byte("ok\n"), syscall.UnixRights(int(file.Fd())), nil)
	return err
}

// ask sends one line to the supervisor and returns the connection when it answers "ok", with the descriptor that came along, if any.
func ask(ctx context.Context, dir, line string) (*os.File, error) {
	conn, err := dialUnix(ctx, filepath.Join(dir, socketName))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	release := context.AfterFunc(ctx, func() { conn.Close() })
	defer release()
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return nil, withContext(ctx, err)
	}
	answer, rights := make([]byte, controlLineBytes), make([]byte, syscall.CmsgSpace(4))
	n, nRights, _, _, err := conn.ReadMsgUnix(answer, rights)
	if err != nil {
		return nil, withContext(ctx, err)
	}
	file, err := receivedFile(rights[:nRights])
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(string(answer[:n]))
	if text == "ok" {
		return file, nil
	}
	if file != nil {
		file.Close()
	}
	if text == "" {
		return nil, withContext(ctx, io.ErrUnexpectedEOF)
	}
	return nil, errors.New(strings.TrimPrefix(text, "error: "))
}

// receivedFile takes the descriptor out of a control message.
func receivedFile(rights []byte) (*os.File, error) {
	if len(rights) == 0 {
		return nil, nil
	}
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err == nil && len(fds) == 1 {
			syscall.CloseOnExec(fds[0])
			return os.NewFile(uintptr(fds[0]), "job socket"), nil
		}
	}
	return nil, errors.New("the supervisor sent no socket")
}

// withContext prefers the caller's reason for giving up over its consequence.
func withContext(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
