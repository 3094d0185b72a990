package main

import (
	"io"
	"net"
	"net/http"
)

// serveStub is what the peer's script puts its records to: a server that reads them and keeps nothing, which favours the peer.
func serveStub() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	discard := func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}
	go func() { _ = http.Serve(l, http.HandlerFunc(discard)) }() // until the listener is closed
	return l, nil
}
