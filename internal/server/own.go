package server

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/pyenv"
)

// own serves what AWS has no operation for, to requests that are signed for the service pyenv.SigningName.
func (s *Server) own() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+pyenv.Path, s.python)
	mux.HandleFunc("GET "+ExplainPath, s.explain)
	return mux
}

// ExplainPath is where the server says, for ?execution=…&step=…, why a step of a pipeline ran or did not.
const ExplainPath = "/mobula/explain"

func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	q := r.URL.Query()
	text, err := s.rooms.pipelines.Explain(r.Context(), q.Get("execution"), q.Get("step"))
	var refused *awsapi.Error
	switch {
	case errors.As(err, &refused):
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(w, refused.Message)
	case err != nil:
		s.Log.Error("explain a step", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintln(w, awsapi.Internal().Message)
	default:
		fmt.Fprintln(w, text)
	}
}
