package builtin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"
)

// handler answers requests as SageMaker's image does.
type handler struct {
	predictor *predictor
	accept    string // the answer's type where the request names none
}

// refusal is an answer other than 200.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// work is what one request needs and the next may use again.
type work struct {
	body   []byte
	rows   []float32
	out    []float32
	answer []byte
}

var workPool = sync.Pool{New: func() any { return &work{} }}

// pooledBytes is what a request may leave behind for the next; a larger one's memory is given back.
const pooledBytes = 1 << 20

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/invocations" && r.Method == http.MethodPost:
		h.invoke(w, r)
	case r.URL.Path == "/ping" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		w.WriteHeader(http.StatusOK)
	case r.URL.Path == "/execution-parameters" && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", jsonType)
		fmt.Fprintf(w, `{"MaxConcurrentTransforms":%d,"BatchStrategy":"MULTI_RECORD","MaxPayloadInMB":%d}`, runtime.GOMAXPROCS(0), maxBody>>20)
	case r.URL.Path == "/invocations" || r.URL.Path == "/ping" || r.URL.Path == "/execution-parameters":
		answer(w, refuse(http.StatusMethodNotAllowed, "%s %s is not served; use POST /invocations, GET /ping or GET /execution-parameters", r.Method, r.URL.Path))
	default:
		answer(w, refuse(http.StatusNotFound, "%s is not served; use POST /invocations, GET /ping or GET /execution-parameters", r.URL.Path))
	}
}

func (h *handler) invoke(w http.ResponseWriter, r *http.Request) {
	job := workPool.Get().(*work)
	defer func() {
		if cap(job.body)+4*cap(job.rows)+4*cap(job.out)+cap(job.answer) < pooledBytes {
			workPool.Put(job)
		}
	}()
	contentType, err := h.run(job, r)
	if err != nil {
		answer(w, err)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Write(job.answer) //nolint:errcheck // The caller who no longer reads is the only one to tell.
}

// run leaves the answer in job and returns its type.
func (h *handler) run(job *work, r *http.Request) (contentType string, err error) {
	in, err := requestType(r.Header.Get("Content-Type"))
	if err != nil {
		return "", err
	}
	out, err := h.answerType(r.Header.Get("Accept"), in)
	if err != nil {
		return "", err
	}
	if job.body, err = readBody(job.body[:0], r); err != nil {
		return "", err
	}
	if job.rows, err = decode(in, job.body, job.rows[:0], h.predictor.features); err != nil {
		var refused *refusal
		if errors.As(err, &refused) {
			return "", err
		}
		return "", refuse(http.StatusBadRequest, "%v", err)
	}
	if job.out, err = h.predictor.predict(job.rows, job.out[:0]); err != nil {
		return "", err
	}
	job.answer = encode(out, job.answer[:0], job.out, h.predictor.outputs)
	return out, nil
}

func readBody(buf []byte, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return buf, tooLarge()
	}
	if need := int(max(r.ContentLength, 512)); cap(buf) < need {
		buf = make([]byte, 0, need)
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > maxBody {
			return buf, tooLarge()
		}
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf, refuse(http.StatusBadRequest, "the body could not be read: %v", err)
		}
	}
}

func tooLarge() error {
	return refuse(http.StatusRequestEntityTooLarge, "the body is larger than %d MB", maxBody>>20)
}

func answer(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var refused *refusal
	if errors.As(err, &refused) {
		status = refused.status
	}
	http.Error(w, err.Error(), status)
}
