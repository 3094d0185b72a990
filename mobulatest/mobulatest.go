// Package mobulatest gives a user's tests a Mobula server of their own, on a free port, with a data folder that goes with the test.
//
// The server starts its supervisors and model servers from the running test binary, and Go steps are that binary too, so the package's
// TestMain must call Main:
//
//	func TestMain(m *testing.M) { mobulatest.Main(m, Workflow()) }
//
//	func TestWorkflow(t *testing.T) {
//		server := mobulatest.Start(t, mobulatest.Options{})
//		client := server.Client(t)
//		…
//	}
package mobulatest

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"github.com/mobula-ml/mobula/internal/builtin"
	"github.com/mobula-ml/mobula/internal/pyenv"
	"github.com/mobula-ml/mobula/internal/runner"
	"github.com/mobula-ml/mobula/internal/scriptmode"
	"github.com/mobula-ml/mobula/internal/server"
	"github.com/mobula-ml/mobula/pipeline"
)

// Main runs the tests, or what the server started this binary for: a supervisor, the built-in image, a step of one of the workflows.
func Main(m *testing.M, workflows ...*pipeline.Workflow) {
	if runner.Main(os.Args[1:]) || builtin.Main(os.Args) || pyenv.Main(os.Args) || scriptmode.Main(os.Args) {
		return
	}
	for _, w := range workflows {
		if pipeline.RunStep(w) {
			return
		}
	}
	os.Exit(m.Run())
}

// Options say how the server is to run.
type Options struct {
	// Data is the data folder. Defaults to one of the test's.
	Data string
	// Listen is the address. Defaults to a free port of 127.0.0.1.
	Listen string
	// Runner is auto, namespace or plain. Defaults to auto.
	Runner string
	// Log takes what the server logs. Defaults to nothing.
	Log *slog.Logger
}

// A Server runs until its test ends, or Stop.
type Server struct {
	URL                          string // such as http://127.0.0.1:40123
	Region                       string
	AccessKeyID, SecretAccessKey string
	Data                         string

	server *server.Server
}

// Start starts a server. What is wrong fails the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if o.Data == "" {
		o.Data = t.TempDir()
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := server.Start(context.Background(), server.Config{Data: o.Data, Listen: o.Listen, Runner: o.Runner, Log: o.Log, EndHosts: true})
	if err != nil {
		t.Fatalf("start a Mobula server: %v", err)
	}
	t.Cleanup(s.Stop)
	key := s.Credentials()
	return &Server{URL: s.URL, Region: s.Region, AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, Data: s.Data, server: s}
}

// Stop ends the server before its test ends. Jobs go on; a server that is started on the same data folder takes them up.
func (s *Server) Stop() { s.server.Stop() }

// Env is what makes the AWS clients of a process use the server, as NAME=value.
func (s *Server) Env() []string {
	return []string{"AWS_ENDPOINT_URL=" + s.URL, "AWS_REGION=" + s.Region, "AWS_DEFAULT_REGION=" + s.Region,
		"AWS_ACCESS_KEY_ID=" + s.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + s.SecretAccessKey, "AWS_SESSION_TOKEN="}
}

// Client is a client of the server.
func (s *Server) Client(t testing.TB) *pipeline.Client {
	t.Helper()
	c, err := pipeline.NewClient(pipeline.Config{Endpoint: s.URL, Region: s.Region, AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
