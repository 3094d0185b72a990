package main

import (
	"errors"

	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/server"
	"github.com/mobula-ml/mobula/internal/store"
	"github.com/mobula-ml/mobula/xgboost"
)

// adviceFor is what a person can do about an error, or "".
func adviceFor(err error) string {
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return usage.try
	case errors.Is(err, server.ErrPortTaken):
		return "mobula up --listen 127.0.0.1:0, which takes a free port"
	case errors.Is(err, server.ErrNotRunning):
		return "mobula up --data DIR, and then this command with the same --data"
	case errors.Is(err, store.ErrInUse):
		return "another --data, or end the server that uses this folder"
	case errors.Is(err, store.ErrNewer):
		return "the newer mobula on this folder, or another --data"
	case errors.Is(err, object.ErrNoSpace):
		return "make room on the disk of the data folder, or another --data"
	case errors.Is(err, xgboost.ErrNoLibrary):
		return "make setup"
	}
	return ""
}
