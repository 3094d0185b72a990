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
	Rest             io.ReadCloser // what comes after Body where the answer is read as it is made, else nil
}

// attributesHeader carries what the caller and the model tell one another beside the bodies.
const attributesHeader = "X-Amzn-SageMaker-Custom-Attributes"

// ErrTooLarge is given for an answer that is larger than the caller takes.
var ErrTooLarge = errors.New("the answer is too large")

// Ask sends a request through the containers of a model. The first error answer is the whole answer.
func (h *Host) Ask(ctx context.Context, r Request, maxAnswer int64) (*Answer, error) {
	h.inFlight.Add(1)
	defer h.inFlight.Add(-1)
	last, r, a, err := h.upToLast(ctx, r, maxAnswer)
	if a != nil || err != nil {
		return a, err
	}
	return last.ask(ctx, r, maxAnswer)
}

// upToLast sends a request through all containers but the last, and gives what that one is to be asked, or the error answer of one before it.
func (h *Host) upToLast(ctx context.Context, r Request, maxAnswer int64) (last *Host, asked Request, wrong *Answer, err error) {
	accept := r.Accept
	for ; h.next != nil; h = h.next {
		r.Accept = "" // what the next container takes is its model's matter
		a, err := h.ask(ctx, r, maxAnswer)
		if err != nil || a.Status/100 != 2 {
			return nil, r, a, err
		}
		r.Body, r.ContentType = a.Body, a.ContentType
	}
	r.Accept = accept
	return h, r, nil, nil
}

func (h *Host) ask(ctx context.Context, r Request, maxAnswer int64) (*Answer, error) {
	resp, err := h.send(ctx, r)
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
	return answerOf(resp, body), nil
}

func answerOf(resp *http.Response, body []byte) *Answer {
	return &Answer{Status: resp.StatusCode, Body: body, ContentType: resp.Header.Get("Content-Type"), CustomAttributes: resp.Header.Get(attributesHeader)}
}

func (h *Host) send(ctx context.Context, r Request) (*http.Response, error) {
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
	return h.client.Do(req)
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
