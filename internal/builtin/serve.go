package builtin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/xgboost"
)

// acceptVariable is SageMaker's own name for the default type of an answer.
const acceptVariable = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"

// Limits of the server.
const (
	maxBody       = 6 << 20 // SageMaker's quota of a request to an endpoint.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 10 * time.Second
)

// serve loads and checks the model, then answers GET /ping and POST /invocations until ctx ends.
func (p *process) serve(ctx context.Context) error {
	accept := p.getenv(acceptVariable)
	if accept != "" && accept != csvType && accept != jsonType && accept != jsonLinesType {
		return fmt.Errorf("%s is %q; it must be %s, %s or %s", acceptVariable, accept, csvType, jsonType, jsonLinesType)
	}
	model, err := loadPredictor(p.path("model"))
	if err != nil {
		return err
	}
	listeners, err := p.listen(ctx)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           &handler{predictor: model, accept: accept},
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(slog.NewTextHandler(p.stderr, nil), slog.LevelWarn),
	}
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		p.printf("Serving %s on %s", model, l.Addr())
		go func() { ended <- server.Serve(l) }()
	}
	waiting := len(listeners)
	select {
	case <-ctx.Done():
	case err = <-ended:
		waiting--
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if shutErr := server.Shutdown(drain); shutErr != nil {
		server.Close()
	}
	for range waiting {
		<-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// listen opens the TCP port, and the unix socket where one is asked for: it saves the callers on this machine a hop.
func (p *process) listen(ctx context.Context) ([]net.Listener, error) {
	port := p.getenv(ServePortVariable)
	if port == "" {
		port = "8080"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return nil, fmt.Errorf("%s is %q; a port from 0 to 65535 is needed", ServePortVariable, port)
	}
	host := ""
	if p.getenv(MLDirVariable) != "" {
		host = "127.0.0.1" // Not a host of its own: nothing of a job appears on the machine's network.
	}
	var config net.ListenConfig
	tcp, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("%w. Try: set %s to a free port", err, ServePortVariable)
	}
	socket := p.getenv(ServeSocketVariable)
	if socket == "" {
		return []net.Listener{tcp}, nil
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) { // Left by a worker that was killed.
		tcp.Close()
		return nil, err
	}
	unix, err := config.Listen(ctx, "unix", socket)
	if err != nil {
		tcp.Close()
		return nil, err
	}
	return []net.Listener{tcp, unix}, nil
}

// predictor is a checked model: its trees in Go, and the library for what those cannot do and for large batches.
type predictor struct {
	model    *xgboost.Model
	trees    *xgboost.Trees // nil for a model that only the library can do
	features int
	outputs  int
}

// libraryRows is from where on loading and calling the library is worth it.
const libraryRows = 2048

func loadPredictor(folder string) (*predictor, error) {
	path, err := modelFile(folder)
	if err != nil {
		return nil, err
	}
	model, err := xgboost.LoadModel(path)
	if err != nil {
		return nil, err
	}
	p := &predictor{model: model}
	var unsupported *xgboost.UnsupportedError
	switch p.trees, err = model.Trees(); {
	case err == nil:
		p.features, p.outputs = p.trees.Features(), p.trees.Outputs()
	case errors.As(err, &unsupported):
		if p.features, err = model.Features(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		probe, err := model.Predict(xgboost.Dense{Data: make([]float32, p.features), Rows: 1, Cols: p.features})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		p.outputs = len(probe)
	default:
		return nil, err
	}
	return p, nil
}

// modelFile finds the model in its folder: xgboost-model, or whatever is the only file there.
func modelFile(folder string) (string, error) {
	if _, err := os.Stat(filepath.Join(folder, modelName)); err == nil {
		return filepath.Join(folder, modelName), nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", fmt.Errorf("there is no model: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	if len(names) == 1 {
		return filepath.Join(folder, names[0]), nil
	}
	return "", fmt.Errorf("the model archive has %d files (%s); it must hold %s, or one file only", len(names), strings.Join(names[:min(len(names), 5)], ", "), modelName)
}

func (p *predictor) String() string {
	if p.trees == nil {
		return fmt.Sprintf("a model of %d features", p.features)
	}
	return fmt.Sprintf("a %s model of %d trees and %d features", p.trees.Objective(), p.trees.Trees(), p.features)
}

// predict appends the predictions of data's rows to out.
func (p *predictor) predict(data []float32, out []float32) ([]float32, error) {
	rows := len(data) / p.features
	if p.trees == nil || rows >= libraryRows && xgboost.Load() == nil {
		values, err := p.model.Predict(xgboost.Dense{Data: data, Rows: rows, Cols: p.features})
		return append(out, values...), err
	}
	return p.walk(data, rows, out)
}

// walk goes over the trees in Go, on all cores where there are many rows.
func (p *predictor) walk(data []float32, rows int, out []float32) ([]float32, error) {
	const rowsOfOneCore = 64
	var err error
	if rows <= rowsOfOneCore {
		for i := range rows {
			if out, err = p.trees.PredictRow(data[i*p.features:(i+1)*p.features], out); err != nil {
				return out, err
			}
		}
		return out, nil
	}
	out = append(out, make([]float32, rows*p.outputs)...)
	each := (rows + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for from := 0; from < rows; from += each {
		wg.Go(func() {
			to := min(from+each, rows)
			part := out[from*p.outputs : from*p.outputs : to*p.outputs]
			for i := from; i < to; i++ {
				// A row of the right length, which the decoder made sure of, cannot fail.
				part, _ = p.trees.PredictRow(data[i*p.features:(i+1)*p.features], part)
			}
		})
	}
	wg.Wait()
	return out, nil
}
