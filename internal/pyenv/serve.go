package pyenv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// Path is where a server answers hosts that ask for packages. The request is signed for the service SigningName.
const (
	Path        = "/mobula/python"
	SigningName = "mobula"
)

// An order is what a host asks for.
type order struct {
	Parent  string  `json:"parent"`
	Request Request `json:"request"`
}

// A line of the answer: what uv says, and at last the new world or why there is none.
type line struct {
	Said   string `json:"said,omitempty"`
	Env    *Env   `json:"env,omitempty"`
	Folder string `json:"folder,omitempty"`
	Error  string `json:"error,omitempty"`
}

// maxOrder bounds the body of a request in bytes.
const maxOrder = 2 * maxPackage

// ServeHTTP builds worlds for hosts and streams what uv says, a JSON object a line.
func (m *Manager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder)).Decode(&o); err != nil {
		http.Error(w, "the request is not what mobula-pip sends: "+err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := func() {
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
	var mu sync.Mutex
	say := func(l line) {
		mu.Lock()
		defer mu.Unlock()
		var b bytes.Buffer
		if err := json.NewEncoder(&b).Encode(l); err == nil {
			_, _ = w.Write(b.Bytes()) // a host that went away reads no more
			flush()
		}
	}
	flush()
	e, err := m.Install(r.Context(), o.Parent, o.Request, func(text string) { say(line{Said: text}) })
	var tool *ToolError
	switch {
	case errors.As(err, &tool):
		say(line{Error: fmt.Sprintf("the packages could not be %sed:\n%s", o.Request.verb(), tool.Output)})
	case err != nil:
		say(line{Error: err.Error()})
	default:
		say(line{Env: e, Folder: e.Dir})
	}
}
