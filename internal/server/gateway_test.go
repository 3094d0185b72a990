package server_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/server"
)

// TestTheServerIsItsOwnClientsProxy also where it listens at every address of the machine, and for its own addresses too, which not every client
// knows to leave out.
func TestTheServerIsItsOwnClientsProxy(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		s := start(t, server.Config{Listen: listen})
		a, _, err := server.Find(s.Data)
		if err != nil {
			t.Fatal(err)
		}
		proxy, err := url.Parse(a.Proxy)
		if err != nil || proxy.Hostname() != "127.0.0.1" {
			t.Fatalf("the proxy of %s is %s, %v", s.URL, a.Proxy, err)
		}
		transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
		t.Cleanup(transport.CloseIdleConnections)
		for target, want := range map[string]string{
			a.Proxy + "/healthz":                            "ok",
			"http://localhost:" + proxy.Port() + "/healthz": "ok",
			"http://sts.amazonaws.com/":                     "MissingAuthenticationToken",
			"http://mybucket.s3.amazonaws.com/":             "AccessDenied",
		} {
			resp, err := (&http.Client{Transport: transport}).Get(target)
			if err != nil {
				t.Error(err)
				continue
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || !strings.Contains(string(body), want) {
				t.Errorf("%s: %s %s, %v", target, resp.Status, body, err)
			}
		}
	}
}
