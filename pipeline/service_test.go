package pipeline_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/pipeline"
)

// service answers the few operations that a client needs: scripted ones by name, objects from the real object store.
type service struct {
	t       *testing.T
	objects http.Handler

	mu      sync.Mutex
	calls   []string // operations, and S3 methods with their paths
	answers map[string]func(in map[string]any) (any, error)
}

// refusal is an error that the service answers with.
type refusal struct{ code, message string }

func (r refusal) Error() string { return r.code + ": " + r.message }

func newService(t *testing.T) *service {
	t.Helper()
	files, err := object.OpenFiles(t.TempDir(), object.FilesOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	return &service{t: t, objects: object.Handler(files, object.HandlerOptions{}), answers: map[string]func(map[string]any) (any, error){}}
}

// start serves and returns a client.
func (s *service) start() *pipeline.Client {
	server := httptest.NewServer(s)
	s.t.Cleanup(server.Close)
	return s.client(server.URL)
}

func (s *service) client(endpoint string) *pipeline.Client {
	s.t.Helper()
	c, err := pipeline.NewClient(pipeline.Config{Endpoint: endpoint, AccessKeyID: "AKID", SecretAccessKey: "SECRET", Patience: 10 * time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, target := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !target && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		s.mu.Lock()
		s.calls = append(s.calls, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		s.objects.ServeHTTP(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if !target {
		s.identity(w, string(body))
		return
	}
	s.calls = append(s.calls, operation)
	answer := s.answers[operation]
	if answer == nil {
		s.t.Errorf("%s was not expected: %s", operation, body)
		return
	}
	in := map[string]any{}
	if err := json.Unmarshal(body, &in); err != nil {
		s.t.Error(err)
	}
	out, err := answer(in)
	if refused, ok := err.(refusal); ok {
		w.WriteHeader(http.StatusBadRequest)
		out = map[string]any{"__type": refused.code, "message": refused.message}
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		s.t.Error(err)
	}
}

func (s *service) identity(w io.Writer, body string) {
	form, _ := url.ParseQuery(body)
	switch form.Get("Action") {
	case "GetCallerIdentity":
		fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>210987654321</Account><UserId>U</UserId><Arn>arn:aws:sts::210987654321:assumed-role/Trees/me</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`)
	case "GetRole":
		fmt.Fprintf(w, `<GetRoleResponse><GetRoleResult><Role><RoleName>%[1]s</RoleName><Arn>arn:aws:iam::210987654321:role/service-role/%[1]s</Arn><Path>/service-role/</Path><RoleId>R</RoleId><CreateDate>2026-01-01T00:00:00Z</CreateDate></Role></GetRoleResult></GetRoleResponse>`, form.Get("RoleName"))
	default:
		s.t.Errorf("%s was not expected", body)
	}
}

// on scripts an operation.
func (s *service) on(operation string, answer func(in map[string]any) (any, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[operation] = answer
}

// called counts the calls whose names begin so.
func (s *service) called(prefix string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}
