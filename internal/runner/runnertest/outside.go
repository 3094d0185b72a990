package runnertest

import (
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/mobula-ml/mobula/internal/runner"
)

// ownBundle is where many machines keep the certificates that they trust.
const ownBundle = "/etc/ssl/certs/ca-certificates.crt"

// proxyAddress is where the plain runner's hosts find the server as their proxy.
const proxyAddress = "127.0.0.1:47634"

// Outside is what the case of that name wants of a runner: trust in the servers of httptest, which all have one certificate.
func Outside(t *testing.T) runner.Outside {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	file := filepath.Join(t.TempDir(), "bundle.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	return runner.Outside{CABundle: file, CAVariables: []string{"SSL_CERT_FILE", "AWS_CA_BUNDLE"}, CAFiles: []string{ownBundle}, Proxy: "http://" + proxyAddress}
}

// world is a server that hosts reach the outside by.
type world struct {
	secure, plain *httptest.Server
	mu            sync.Mutex
	asked         []string
}

func newWorld(t *testing.T) *world {
	says := func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.Host, "says", r.URL.Path) }
	w := &world{secure: httptest.NewTLSServer(http.HandlerFunc(says)), plain: httptest.NewServer(http.HandlerFunc(says))}
	t.Cleanup(w.secure.Close)
	t.Cleanup(w.plain.Close)
	return w
}

func (o *world) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.asked = append(o.asked, r.Method+" "+r.Host)
	o.mu.Unlock()
	name, port, _ := net.SplitHostPort(r.Host)
	to := o.plain
	switch {
	case r.Method != http.MethodConnect:
		o.plain.Config.Handler.ServeHTTP(w, r)
		return
	case name == "hangs.test":
		<-r.Context().Done()
		return
	case name == "unknown.test":
		http.Error(w, "nobody knows "+r.Host, http.StatusBadGateway)
		return
	case port == "443":
		to = o.secure
	}
	server, err := net.Dial("tcp", to.Listener.Addr().String())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer server.Close()
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	fmt.Fprint(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { io.Copy(server, client); server.Close() }()
	io.Copy(client, server)
}

func outside(t *testing.T, e env) {
	o := newWorld(t)
	if !e.Isolated {
		outsideByVariables(t, e, o)
		return
	}
	spec := shell(t, `mobula runnertest-fetch https://example.com/one; mobula runnertest-fetch http://plain.test/two
mobula runnertest-fetch http://203.0.113.7/three; mobula runnertest-fetch http://index.test:9/four; mobula runnertest-fetch http://unknown.test/
mobula runnertest-lookup algo-1 algo-2 ALGO-2 algo-3 algo-02 mobula-platform localhost x.localhost any.name.test nothing.invalid 1.0.88.10.in-addr.arpa
mobula runnertest-fetch https://hangs.test/ & mobula runnertest-fetch http://hangs.test/ &
{ echo x >> $SSL_CERT_FILE; } 2>/dev/null && echo the certificates can be changed
[ ! -e `+ownBundle+` ] || cmp $SSL_CERT_FILE `+ownBundle+`
echo ready; while [ ! -e /opt/ml/go ]; do sleep 0.01; done
for n in 1 2 3 4 5 6 7 8 9 10; do mobula runnertest-fetch https://unknown.test/ 2>/dev/null && echo answered; done
echo done; while [ ! -e /opt/ml/end ]; do sleep 0.01; done`)
	spec.Hosts = 2
	spec.Command[2] = "[ $SM_CURRENT_HOST = algo-1 ] || exec sleep 60\n" + spec.Command[2]
	spec.PlatformSocket = filepath.Join(t.TempDir(), "platform.sock")
	l, err := runner.ListenForHosts(spec.PlatformSocket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: o}
	go server.Serve(l)
	defer server.Close()
	job := e.start(t, spec)
	awaitLog(t, job, "algo-1", "ready")
	await(t, "the hosts that hang", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return slices.Contains(o.asked, "CONNECT hangs.test:443") && slices.Contains(o.asked, "CONNECT hangs.test:80")
	})
	before := openFiles(t, job)
	touch(t, spec, "go")
	awaitLog(t, job, "algo-1", "done")
	await(t, "the connections that failed are closed", func() bool { return openFiles(t, job) <= before })
	touch(t, spec, "end")
	want(t, job, wait(t, job), runner.Completed, "") // although two connections hang
	expect := `example.com says /one
plain.test says /two
203.0.113.7 says /three
index.test:9 says /four
nobody knows unknown.test:80
algo-1 10.88.0.11
algo-2 10.88.0.12
ALGO-2 10.88.0.12
algo-3 RCodeNameError
algo-02 RCodeNameError
mobula-platform 10.88.0.1
localhost 127.0.0.1
x.localhost 127.0.0.1
any.name.test 10.88.0.1
nothing.invalid RCodeNameError
1.0.88.10.in-addr.arpa RCodeNameError
ready
done
`
	if log := read(job.LogPath("algo-1")); log != expect {
		t.Errorf("got %s, want %s", log, expect)
	}
}

// outsideByVariables is what can be had of it where hosts share the machine's network.
func outsideByVariables(t *testing.T, e env, o *world) {
	l, err := net.Listen("tcp", proxyAddress)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: o}
	go server.Serve(l)
	defer server.Close()
	job, status := e.run(t, shell(t, "mobula runnertest-fetch https://example.com/one; mobula runnertest-fetch http://plain.test/two; echo $NO_PROXY"))
	want(t, job, status, runner.Completed, "")
	if log := read(job.LogPath("algo-1")); log != "example.com says /one\nplain.test says /two\nlocalhost,127.0.0.1,::1\n" {
		t.Error(log)
	}
}

func touch(t *testing.T, spec runner.Spec, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(runner.HostDir(spec.Dir, 1), "ml", name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// openFiles counts what the supervisor holds open.
func openFiles(t *testing.T, job runner.Job) int {
	t.Helper()
	status, err := job.Status()
	if err != nil {
		t.Fatal(err)
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", status.SupervisorPID))
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// lookup asks the name server of resolv.conf for the addresses of names, and for those of IPv6, of which there are none.
func lookup(names []string) error {
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return err
	}
	server, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "nameserver ")
	if !ok {
		return fmt.Errorf("resolv.conf is %q", text)
	}
	conn, err := net.Dial("udp", server+":53")
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("no question")); err != nil {
		return err
	}
	for i, name := range names {
		answers := ""
		for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
			answer, err := ask(conn, uint16(i), name, kind)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if answer.RCode != dnsmessage.RCodeSuccess {
				answers = " " + answer.RCode.String()
			}
			for _, a := range answer.Answers {
				answers += " " + net.IP(a.Body.(*dnsmessage.AResource).A[:]).String()
			}
		}
		fmt.Println(name + answers)
	}
	return nil
}

func ask(conn net.Conn, id uint16, name string, kind dnsmessage.Type) (answer dnsmessage.Message, err error) {
	question := dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET}}}
	packed, err := question.Pack()
	if err != nil {
		return answer, err
	}
	if _, err := conn.Write(packed); err != nil {
		return answer, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return answer, err
	}
	b := make([]byte, 512)
	n, err := conn.Read(b)
	if err != nil {
		return answer, err
	}
	if err := answer.Unpack(b[:n]); err != nil {
		return answer, err
	}
	if answer.ID != id || !answer.Response {
		return answer, fmt.Errorf("the answer is to another question: %+v", answer.Header)
	}
	return answer, nil
}
