package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"
)

// A Request is what a host is asked. An empty member is left out.
type Request struct {
	Body                []byte
	ContentType, Accept string
	CustomAttributes    string
	TargetModel         string
	InferenceID         string
}

// An Answer is what it says. A status other than 2xx is the model's own error.
type Answer struct {
	Status           int
	Body             []byte
	ContentType      string
	CustomAttributes string
}

// attributesHeader carries what the caller and the model tell one another beside the bodies.
const attributesHeader = "X-Amzn-SageMaker-Custom-Attributes"

// ErrTooLarge is given for an answer that is larger than the caller takes.
var ErrTooLarge = errors.New("the answer is too large")

// Ask sends a request through the containers of a model. The first error answer is the whole answer.
func (h *Host) Ask(ctx context.Context, r Request, maxAnswer int64) (*Answer, error) {
	h.inFlight.Add(1)
	defer h.inFlight.Add(-1)
	for part := h; ; part = part.next {
		asked := r
		if part.next != nil {
			asked.Accept = "" // what the next container takes is its model's matter
		}
		a, err := part.ask(ctx, asked, maxAnswer)
		if err != nil || part.next == nil || a.Status/100 != 2 {
			return a, err
		}
		r.Body, r.ContentType = a.Body, a.ContentType
	}
}

func (h *Host) ask(ctx context.Context, r Request, maxAnswer int64) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://host/invocations", bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"Content-Type": r.ContentType, "Accept": r.Accept, attributesHeader: r.CustomAttributes,
		"X-Amzn-SageMaker-Target-Model": r.TargetModel, "X-Amzn-SageMaker-Inference-Id": r.InferenceID} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > maxAnswer {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, maxAnswer)
	}
	return &Answer{Status: resp.StatusCode, Body: body, ContentType: resp.Header.Get("Content-Type"), CustomAttributes: resp.Header.Get(attributesHeader)}, nil
}

// Died says whether an error is that of a host or a worker that is gone. What was sent to it may be sent again: a prediction changes nothing.
func Died(err error) bool {
	return errors.Is(err, ErrNoHost) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Parameters are what a model says of itself to batch transform. What it leaves out is zero.
type Parameters struct {
	MaxConcurrentTransforms int
	BatchStrategy           string // MULTI_RECORD or SINGLE_RECORD
	MaxPayloadInMB          int
}

// ExecutionParameters asks a model for its parameters. One that does not serve them has none.
func (h *Host) ExecutionParameters(ctx context.Context) (p Parameters) {
	ctx, cancel := context.WithTimeout(ctx, parametersTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://host/execution-parameters", nil)
	if err != nil {
		return p
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return p
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&p) != nil {
		return Parameters{}
	}
	return p
}

// parametersTimeout is how long a model has to say its parameters.
const parametersTimeout = 2 * time.Second
