package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mobula-ml/mobula/internal/capacity"
	"github.com/mobula-ml/mobula/internal/durable"
	"github.com/mobula-ml/mobula/internal/gateway"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/internal/wire"
)

// A Server is one that runs.
type Server struct {
	Config
	URL    string        // where it answers
	Choice runner.Choice // which runner was chosen, and why
	Notes  []string      // what that runner cannot give on this machine

	keys     *identity.Keys
	db       *store.DB
	objects  *object.Files
	engine   *durable.Engine
	runner   runner.Runner
	python   *pyenv.Manager
	capacity *capacity.Machine
	rooms    rooms
	handler  *wire.Handler
	gateway  *gateway.Gateway
	socket   string

	http   *http.Server
	ready  atomic.Bool
	served sync.WaitGroup
	stop   func()
}

// ErrPortTaken is given where another program listens at the address.
var ErrPortTaken = errors.New("another program listens at this address")

// Start starts a server and returns when it answers. What it has begun when it fails, it ends.
func Start(ctx context.Context, c Config) (s *Server, err error) {
	if c, err = c.withDefaults(); err != nil {
		return nil, err
	}
	s = &Server{Config: c}
	var undo []func()
	s.stop = sync.OnceFunc(func() {
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	})
	stop := s.stop
	defer func() {
		if err != nil {
			stop()
		}
	}()
	later := func(fn func()) { undo = append(undo, fn) }

	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	tcp, err := net.Listen("tcp", c.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen at %s: %w", c.Listen, ErrPortTaken)
	}
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", c.Listen, err)
	}
	later(func() { tcp.Close() })
	s.URL = "http://" + tcp.Addr().String()
	if err := s.openStores(ctx, later); err != nil {
		return nil, err
	}
	s.nameSocket()
	s.runner, s.Choice, err = runner.Choose(ctx, c.Runner, runner.Options{Executable: c.Executable, PlatformAddr: tcp.Addr().String(), Hidden: []string{c.Data},
		Outside: runner.Outside{CABundle: gateway.BundlePath(GatewayDir(c.Data)), CAVariables: gateway.BundleVariables, CAFiles: gateway.SystemBundles,
			Proxy: proxyURL(tcp.Addr().(*net.TCPAddr))}})
	if err != nil {
		return nil, err
	}
	s.Notes = s.runner.Notes()
	if err := s.openRooms(ctx, later); err != nil {
		return nil, err
	}
	if err := s.openGateway(tcp.Addr().(*net.TCPAddr)); err != nil {
		return nil, err
	}
	later(s.gateway.Stop) // once more than serve does, where it is not reached
	// The rooms know everything that was acknowledged before the first request is answered; until then it waits at the listener.
	if err := s.startRooms(ctx, later); err != nil {
		return nil, err
	}
	// Only now: what connects to the socket before it is served would be lost with a server that dies while it starts, and can wait for the next.
	unix, err := s.listenUnix()
	if err != nil {
		return nil, err
	}
	later(func() { unix.Close() })
	s.serve(tcp, unix, later)
	if err := s.writeAddress(tcp.Addr().(*net.TCPAddr)); err != nil {
		return nil, err
	}
	later(s.removeAddress)
	s.ready.Store(true)
	later(func() { s.ready.Store(false) })
	return s, nil
}

// Stop ends the server: it answers what has come in, lets go of the jobs, which go on, and closes its folder.
func (s *Server) Stop() { s.stop() }

// Credentials are the key pair of the data folder.
func (s *Server) Credentials() identity.Credentials { return s.keys.Root }

// Served lists the operations that the server has, as Markdown.
func (s *Server) Served() string { return s.handler.OperationsMarkdown() }

func (s *Server) openStores(ctx context.Context, later func(func())) (err error) {
	if s.db, err = store.Open(ctx, store.Options{Path: filepath.Join(s.Data, "state.db"), World: s.World}); err != nil {
		return err
	}
	later(func() {
		if err := s.db.Close(); err != nil {
			s.Log.Error("close the store", "error", err)
		}
	})
	if s.objects, err = object.OpenFiles(filepath.Join(s.Data, "objects"), object.FilesOptions{World: s.World, Log: s.Log}); err != nil {
		return err
	}
	later(func() { s.objects.Close() })
	self := identity.Principal{Account: s.Account, Region: s.Region, RoleARN: identity.RoleARN(s.Account, identity.DefaultRole), SessionName: "mobula"}
	if s.keys, err = identity.OpenKeys(s.db, filepath.Join(s.Data, "keys.json"), self); err != nil {
		return err
	}
	s.engine = durable.New(s.db, durable.Options{Log: s.Log, Alone: true})
	return nil
}

// maxSocketPath is what the kernel takes as the path of a unix socket, in bytes, with room to spare.
const maxSocketPath = 100

// nameSocket says where the socket is by which the hosts of jobs reach the server: in the data folder, unless that has too long a path.
func (s *Server) nameSocket() {
	s.socket = filepath.Join(s.Data, "mobula.sock")
	if len(s.socket) > maxSocketPath {
		sum := sha256.Sum256([]byte(s.Data))
		s.socket = filepath.Join(os.TempDir(), "mobula-"+hex.EncodeToString(sum[:8])+".sock")
	}
}

// listenUnix opens the socket.
func (s *Server) listenUnix() (net.Listener, error) {
	if err := os.Remove(s.socket); err != nil && !errors.Is(err, os.ErrNotExist) { // left by a server that was killed: the folder is ours now
		return nil, err
	}
	l, err := runner.ListenForHosts(s.socket)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(s.socket, 0o600)
}

// grace is how long a request in flight has to end when the server stops.
const grace = 5 * time.Second

// serve answers at both listeners.
func (s *Server) serve(tcp, unix net.Listener, later func(func())) {
	s.http = &http.Server{Handler: s.gateway, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 64 << 10}
	for _, l := range []net.Listener{tcp, unix} {
		s.served.Go(func() {
			if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				s.Log.Error("serve", "address", l.Addr(), "error", err)
			}
		})
	}
	later(func() {
		s.served.Go(s.gateway.Stop)
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		if err := s.http.Shutdown(ctx); err != nil {
			s.http.Close()
		}
		s.served.Wait()
	})
}

// An Address is what a server leaves in its data folder so that commands on this machine find it.
type Address struct {
	URL    string
	Proxy  string // for requests to AWS's own host names, and everything else
	Region string
	Cache  string // the server's cache folder, whose Python worlds it adds to
	PID    int
}

const addressFile = "address.json"

func (s *Server) writeAddress(listen *net.TCPAddr) error {
	b, err := json.Marshal(Address{s.URL, proxyURL(listen), s.Region, filepath.Dir(s.python.Dir()), os.Getpid()})
	if err != nil {
		return err
	}
	tmp := filepath.Join(s.Data, "."+addressFile)
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(s.Data, addressFile))
}

func (s *Server) removeAddress() {
	if err := os.Remove(filepath.Join(s.Data, addressFile)); err != nil {
		s.Log.Warn("remove the address file", "error", err)
	}
}

// ErrNotRunning is given where no server runs on a folder.
var ErrNotRunning = errors.New("no server runs on this data folder")

// Find returns the address and the key pair of the server that runs on a data folder.
func Find(data string) (Address, identity.Credentials, error) {
	var a Address
	var c identity.Credentials
	for name, into := range map[string]any{addressFile: &a, "keys.json": &c} {
		b, err := os.ReadFile(filepath.Join(data, name))
		if errors.Is(err, os.ErrNotExist) {
			return a, c, fmt.Errorf("%s: %w", data, ErrNotRunning)
		}
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			return a, c, err
		}
	}
	resp, err := (&http.Client{Timeout: 5 * time.Second}).Get(a.URL + "/healthz")
	if err != nil {
		return a, c, fmt.Errorf("%s: %w", data, ErrNotRunning)
	}
	resp.Body.Close()
	return a, c, nil
}

// Rooms are the services whose methods are the operations. It is for tests.
func (s *Server) Rooms() []any { return s.rooms.all }
