package builtin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/builtin"
)

// serve starts the server of h's model for the length of the test, on a free port, and returns the address of its invocations.
func (h *house) serve() string {
	h.t.Helper()
	h.env[builtin.ServePortVariable] = "0"
	ctx, stop := context.WithCancel(context.Background())
	out, in := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- builtin.Run(ctx, []string{builtin.ServeCommand}, func(name string) string { return h.env[name] }, in, &stderr)
		in.Close()
	}()
	var address string
	buf := make([]byte, 1024)
	for address == "" { // The address of the port is in the log.
		n, err := out.Read(buf)
		if err != nil {
			h.t.Fatalf("the server ended: %d\n%s", <-ended, stderr.String())
		}
		if _, after, ok := strings.Cut(string(buf[:n]), "features on "); ok && !strings.Contains(after, ".sock") {
			_, port, err := net.SplitHostPort(strings.TrimSpace(after))
			if err != nil {
				h.t.Fatal(err)
			}
			address = "http://127.0.0.1:" + port
		}
	}
	go io.Copy(io.Discard, out)
	h.t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			h.t.Errorf("the server ended with %d\n%s", code, stderr.String())
		}
	})
	return address
}

func post(t *testing.T, url, contentType, accept, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", url+"/invocations", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// trained is a house with a model of three features that has learnt its table well.
func trained(t *testing.T, more map[string]string) *house {
	t.Helper()
	h := newHouse(t)
	params := map[string]string{"num_round": "10"}
	for k, v := range more {
		params[k] = v
	}
	var text strings.Builder
	for i := range 90 {
		fmt.Fprintf(&text, "%d,%d,%d,%d\n", i%3, i%3, i%5, i%2)
	}
	h.job(params, map[string]string{"train/a.csv": text.String()})
	h.train()
	return h
}

func TestServeFormats(t *testing.T) {
	t.Parallel()
	url := trained(t, nil).serve()
	_, one := post(t, url, "text/csv", "", "1,2,0")
	_, two := post(t, url, "text/csv", "", "2,2,0\n")
	_, gap := post(t, url, "text/csv", "", "1,,0\n")
	one, two, gap = strings.TrimSuffix(one, "\n"), strings.TrimSuffix(two, "\n"), strings.TrimSuffix(gap, "\n")
	if !strings.HasPrefix(one, "1.0") && !strings.HasPrefix(one, "0.9") || one == two {
		t.Fatalf("the predictions are %q and %q", one, two)
	}
	asJSON := fmt.Sprintf(`{"predictions": [{"score": %s}, {"score": %s}]}`, one, two)
	for name, c := range map[string]struct{ in, accept, body, want string }{
		"csv":                 {"text/csv", "", "1,2,0\n2,2,0\n", one + "\n" + two + "\n"},
		"csv with parameters": {"text/csv; charset=utf-8; header=absent", "text/csv", "1,2,0\r\n\r\n2,2,0", one + "\n" + two + "\n"},
		"csv to json":         {"text/csv", "application/json", "1,2,0\n2,2,0\n", asJSON},
		"missing":             {"text/csv", "*/*", "1,,0\n1,nan,0", gap + "\n" + gap + "\n"},
		"missing at the end":  {"text/csv", "application/jsonlines", "1,2,0\n", `{"score": ` + one + "}\n"},
		"objects":             {"application/json", "", `{"instances":[{"features":[1,2,0]},{"features":[2,2.0,0]}]}`, asJSON},
		"lists":               {"application/json", "text/csv;q=0.9, application/json", `{"instances":[[1,2,0],[2,2,0]]}`, one + "\n" + two + "\n"},
		"bare lists":          {"application/json; charset=utf-8", "application/*", `[[1,2,0],[2,2,0]]`, asJSON},
		"one row":             {"application/json", "", `[1,2,0]`, fmt.Sprintf(`{"predictions": [{"score": %s}]}`, one)},
		"one object":          {"application/json", "", `{"features":[1,null,0]}`, fmt.Sprintf(`{"predictions": [{"score": %s}]}`, gap)},
		"lines of json":       {"application/jsonlines", "", "{\"features\":[1,2,0]}\n[2,2,0]\n", fmt.Sprintf("{\"score\": %s}\n{\"score\": %s}\n", one, two)},
	} {
		if status, got := post(t, url, c.in, c.accept, c.body); status != 200 || got != c.want {
			t.Errorf("%s: %d %q, want %q", name, status, got, c.want)
		}
	}
}

func TestServeRefusals(t *testing.T) {
	t.Parallel()
	url := trained(t, nil).serve()
	for name, c := range map[string]struct {
		in, accept, body string
		status           int
		want             string
	}{
		"empty":          {"text/csv", "", " \n", 400, "the body is empty; at least one row is needed"},
		"too few":        {"text/csv", "", "1,2,0\n1,2\n", 400, "row 2 has 2 values; the model takes 3 features (and no label)"},
		"too many":       {"text/csv", "", "1,2,0,4,5\n", 400, "row 1 has 5 values; the model takes 3 features (and no label)"},
		"text":           {"text/csv", "", "1,two,0\n", 400, `row 1 column 2: "two" is not a number`},
		"infinite":       {"text/csv", "", "1,inf,0\n", 400, `row 1 column 2: "inf" is not a number`},
		"half json":      {"application/json", "", `{"instances":[`, 400, "it is not JSON"},
		"text in json":   {"application/json", "", `{"instances":[[1,"a",3]]}`, 400, "row 1: a string is not a number"},
		"few in json":    {"application/json", "", `{"instances":[{"features":[1]}]}`, 400, "row 1: it has 1 values; the model takes 3 features"},
		"no features":    {"application/json", "", `{"instances":[{"values":[1]}]}`, 400, `row 1: it has no "features"`},
		"no rows":        {"application/json", "", `{"instances":[]}`, 400, `there is no row in "instances"`},
		"large in json":  {"application/json", "", `[1e300,1,1]`, 400, "value 1: 1e+300 is beyond the range"},
		"content type":   {"image/png", "", "1,2,0", 415, `Content-Type "image/png" is not served; use text/csv`},
		"accept":         {"text/csv", "image/png", "1,2,0", 406, `Accept "image/png" is not served; use text/csv`},
		"libsvm index":   {"text/libsvm", "", "7:1", 400, "row 1: index 7; the model takes 3 features"},
		"larger than it": {"text/csv", "", strings.Repeat("1,2,0\n", 1<<20+1), 413, "the body is larger than 6 MB"},
	} {
		if status, got := post(t, url, c.in, c.accept, c.body); status != c.status || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %d %q, want %d %q", name, status, head(got), c.status, c.want)
		}
	}
	for path, want := range map[string]int{"/ping": 200, "/execution-parameters": 200, "/invocations": 405, "/": 404} {
		answer, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", path, answer.StatusCode, want)
		}
	}
}

// TestServeBatchEqualsRows: one row, rows over all cores and rows by the library get the same answers.
func TestServeBatchEqualsRows(t *testing.T) {
	t.Parallel()
	url := trained(t, map[string]string{"objective": "multi:softprob", "num_class": "3"}).serve()
	_, one := post(t, url, "text/csv", "", "2,4,1")
	if strings.Count(one, ",") != 2 {
		t.Fatalf("three classes give %q", one)
	}
	for _, rows := range []int{2, 65, 1001, 5000} {
		if _, many := post(t, url, "text/csv", "", strings.Repeat("2,4,1\n", rows)); many != strings.Repeat(one, rows) {
			t.Errorf("%d rows: %d bytes, want %d times %q", rows, len(many), rows, one)
		}
	}
	if _, text := post(t, url, "application/json", "", "[2,4,1]"); true {
		var answer struct{ Predictions []struct{ Score []float64 } }
		if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Predictions) != 1 || len(answer.Predictions[0].Score) != 3 {
			t.Errorf("as JSON: %q, %v", text, err)
		}
	}
}

func TestServeOnASocket(t *testing.T) {
	t.Parallel()
	h := trained(t, map[string]string{"booster": "gblinear", "eta": "1"})
	socket := filepath.Join(h.dir, "s.sock")
	h.env[builtin.ServeSocketVariable] = socket
	if err := os.WriteFile(socket, nil, 0o600); err != nil { // left by another
		t.Fatal(err)
	}
	h.serve()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	answer, err := client.Post("http://worker/invocations", "text/csv", strings.NewReader("1,2,0\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != 200 || len(text) == 0 {
		t.Errorf("over the socket: %d %q %v", answer.StatusCode, text, err)
	}
	client.CloseIdleConnections()
}

func TestServeChecksItsModelFirst(t *testing.T) {
	t.Parallel()
	good := trained(t, nil).read("model/xgboost-model")
	for want, files := range map[string]map[string]string{
		"there is no model":                    nil,
		"not a whole XGBoost model: at byte":   {"xgboost-model": good[:len(good)-100]},
		`not an XGBoost model: it begins with`: {"model.tar.gz": "\x1f\x8b\x08rest"},
		"the model archive has 2 files (a, b); it must hold xgboost-model, or one file only": {"a": good, "b": good},
	} {
		h := newHouse(t)
		for name, text := range files {
			h.write("model/"+name, text)
		}
		if code, _, stderr := h.run(builtin.ServeCommand); code != 1 || !strings.Contains(stderr, want) || !strings.Contains(h.read("output/failure"), want) {
			t.Errorf("status %d, %q; want %q", code, stderr, want)
		}
	}
}

func TestServeOnATakenPort(t *testing.T) {
	t.Parallel()
	h := trained(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, h.env[builtin.ServePortVariable], _ = net.SplitHostPort(l.Addr().String())
	if code, _, stderr := h.run(builtin.ServeCommand); code != 1 || !strings.Contains(stderr, "address already in use. Try: set MOBULA_SERVE_PORT to a free port") {
		t.Errorf("status %d, %q", code, stderr)
	}
	h.env[builtin.ServePortVariable] = "many"
	if code, _, stderr := h.run(builtin.ServeCommand); code != 1 || !strings.Contains(stderr, `MOBULA_SERVE_PORT is "many"; a port from 0 to 65535 is needed`) {
		t.Errorf("status %d, %q", code, stderr)
	}
}
