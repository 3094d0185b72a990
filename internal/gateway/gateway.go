package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/world"
)

// Config is what a Gateway is made of.
type Config struct {
	// Dir keeps the authority and the bundle of certificates. It must be given.
	Dir string
	// Next serves the requests that are for this server. It must be given.
	Next http.Handler
	// Ours says whether a host, with or without a port, is this server's to answer for. It must be given.
	Ours func(host string) bool
	// Authorize says whether a client on another machine may use the proxy, by the name and password of Proxy-Authorization. Defaults to none.
	Authorize func(ctx context.Context, user, password string) bool
	// Upstream is the proxy by which the outside is reached. Defaults to what the process's environment says.
	Upstream func(*http.Request) (*url.URL, error)
	// World gives time. Defaults to the machine's.
	World world.World
	// Log takes failures that are nobody's to answer. Defaults to slog's default.
	Log *slog.Logger
}

const (
	// maxConnections is how many CONNECTs are open at a time; one more is answered 503.
	maxConnections = 4096
	// firstByteLimit is how long a client may take after its CONNECT to begin.
	firstByteLimit = 30 * time.Second
	idleLimit      = 5 * time.Minute
	// grace is how long requests in flight have when the gateway stops.
	grace = 5 * time.Second
)

// A Gateway is a handler in front of the server's.
type Gateway struct {
	Config
	authority *authority
	machine   *outlet // for clients of this machine
	jobs      *outlet // for hosts of jobs, which come by the server's socket
	slots     chan struct{}

	inner    *http.Server // serves the connections that were meant for AWS
	accepted *handedOver

	ctx     context.Context // ends with the gateway
	cancel  context.CancelFunc
	mu      sync.Mutex // guards stopped against the tunnels' beginning
	stopped bool
	running sync.WaitGroup
}

// New opens the authority of the folder, or makes one there, and writes the bundle.
func New(c Config) (*Gateway, error) {
	if c.World == nil {
		c.World = world.Real()
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Upstream == nil {
		c.Upstream = http.ProxyFromEnvironment
	}
	a, err := openAuthority(c.Dir, c.World)
	if err != nil {
		return nil, err
	}
	g := &Gateway{Config: c, authority: a, slots: make(chan struct{}, maxConnections), accepted: newHandedOver()}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.machine, g.jobs = g.newOutlet(refuseLinkLocal), g.newOutlet(refuseMachine)
	g.inner = &http.Server{Handler: c.Next, ReadHeaderTimeout: firstByteLimit, IdleTimeout: idleLimit, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug), // a client that does not trust the authority is the client's affair
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed || state == http.StateHijacked {
				<-g.slots
			}
		}}
	g.running.Go(func() {
		if err := g.inner.Serve(g.accepted); !errors.Is(err, http.ErrServerClosed) {
			c.Log.Error("serve AWS's host names", "error", err)
		}
	})
	return g, nil
}

// Stop answers what has come in and ends every tunnel.
func (g *Gateway) Stop() {
	g.mu.Lock()
	g.stopped = true
	g.mu.Unlock()
	g.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := g.inner.Shutdown(ctx); err != nil {
		g.inner.Close()
	}
	g.running.Wait()
	g.machine.transport.CloseIdleConnections()
	g.jobs.transport.CloseIdleConnections()
}

// ServeHTTP takes what only a proxy gets: CONNECT, and requests with a whole URL. All others are Next's.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect && r.URL.Host == "" {
		g.Next.ServeHTTP(w, r)
		return
	}
	if !g.authorized(r) {
		w.Header().Set("Proxy-Authenticate", `Basic realm="mobula"`)
		http.Error(w, "this proxy wants the key pair of the server's data folder as its user and password", http.StatusProxyAuthRequired)
		return
	}
	r.Header.Del("Proxy-Authorization")
	r.Header.Del("Proxy-Connection")
	switch {
	case r.Method == http.MethodConnect:
		g.connect(w, r)
	case r.URL.Scheme != "http":
		http.Error(w, "this proxy forwards http, and CONNECT for everything else", http.StatusBadRequest)
	case g.Ours(r.URL.Host):
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host = "", ""
		g.Next.ServeHTTP(w, r)
	default:
		g.outletOf(r).forward(w, r)
	}
}

// ofJob says whether a request came by the server's socket, which is how hosts of jobs come.
func ofJob(r *http.Request) bool {
	_, unix := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr)
	return unix
}

func (g *Gateway) authorized(r *http.Request) bool {
	if ofJob(r) || ofThisMachine(r) {
		return true
	}
	asked := http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	user, password, ok := asked.BasicAuth()
	return ok && g.Authorize != nil && g.Authorize(r.Context(), user, password)
}

// ofThisMachine says whether a client's connection both comes from and leads to this machine.
func ofThisMachine(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	to, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return from.Addr().Unmap().IsLoopback() || to != nil && from.Addr().Unmap() == to.AddrPort().Addr().Unmap()
}

func (g *Gateway) outletOf(r *http.Request) *outlet {
	if ofJob(r) {
		return g.jobs
	}
	return g.machine
}
