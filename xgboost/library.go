package xgboost

/*
#cgo CFLAGS: -O2 -Wall
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// PathVariable is the environment variable that names the library to load, before any other place is looked at.
const PathVariable = "MOBULA_LIBXGBOOST"

// ErrNoLibrary says that libxgboost was found nowhere.
var ErrNoLibrary = errors.New("libxgboost was not found")

// LibraryError is what the library itself answered to a call.
type LibraryError struct {
	Doing string // what was asked of it
	Text  string // its own words, without the place in its source and its stack trace
}

func (e *LibraryError) Error() string { return "xgboost: " + e.Doing + ": " + e.Text }

var library struct {
	mu     sync.Mutex
	loaded string
}

// Load loads the library that LibraryPath finds, once for the process. Every function that needs it calls Load; call it yourself to
// learn early whether it is there.
func Load() error {
	library.mu.Lock()
	defer library.mu.Unlock()
	if library.loaded != "" {
		return nil
	}
	path, err := LibraryPath()
	if err != nil {
		return err
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	if err := call("load "+path, func(e *C.char, n C.size_t) C.int { return C.mx_load(name, e, n) }); err != nil {
		return fmt.Errorf("%w. Try: make setup in Mobula's checkout", err)
	}
	library.loaded = path
	return nil
}

// Version returns the version of the loaded library, such as "3.2.0".
func Version() (string, error) {
	if err := Load(); err != nil {
		return "", err
	}
	var major, minor, patch C.int
	C.mx_version(&major, &minor, &patch)
	return fmt.Sprintf("%d.%d.%d", major, minor, patch), nil
}

// LibraryFolder is the folder that must be there whole for the library at path to load: in the layout of the wheel that is the one above
// xgboost/lib, since the library's OpenMP lies beside it.
func LibraryFolder(path string) string {
	folder := filepath.Dir(path)
	if parent := filepath.Dir(folder); filepath.Base(folder) == "lib" && filepath.Base(parent) == "xgboost" {
		return filepath.Dir(parent)
	}
	return folder
}

// LibraryPath returns the file of libxgboost that Load would load: the one that MOBULA_LIBXGBOOST names; else the one that `make setup`
// put beside the executable (../.cache/xgboost, or lib); else that of the Go module around the working directory, for `go run` and
// `go test`; else that in mobula/xgboost in the user's cache folder.
func LibraryPath() (string, error) {
	if path := os.Getenv(PathVariable); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%w: %s names %s: %w", ErrNoLibrary, PathVariable, path, err)
		}
		return path, nil
	}
	places := libraryPlaces()
	for _, path := range places {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w. Looked for: %s. Try: make setup in Mobula's checkout, or set %s to the library's file",
		ErrNoLibrary, strings.Join(places, ", "), PathVariable)
}

func libraryPlaces() []string {
	name := "libxgboost.so"
	if runtime.GOOS == "darwin" {
		name = "libxgboost.dylib"
	}
	// The wheel's own layout, because the library finds its OpenMP runtime by a path relative to itself.
	inWheel := filepath.Join("xgboost", "lib", name)
	var places []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dir := filepath.Dir(exe)
		places = append(places, filepath.Join(dir, "..", ".cache", "xgboost", inWheel), filepath.Join(dir, "lib", inWheel),
			filepath.Join(dir, "lib", name))
	}
	if root, ok := moduleRoot(); ok {
		places = append(places, filepath.Join(root, ".cache", "xgboost", inWheel))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		places = append(places, filepath.Join(cache, "mobula", "xgboost", inWheel))
	}
	return places
}

// moduleRoot returns the closest folder above the working directory that holds a go.mod.
func moduleRoot() (string, bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// call runs one function of shim.h and turns its refusal into an error with the library's words.
func call(doing string, f func(err *C.char, n C.size_t) C.int) error {
	var text [4096]byte
	if f((*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(text))) == 0 {
		return nil
	}
	return &LibraryError{Doing: doing, Text: libraryWords(C.GoString((*C.char)(unsafe.Pointer(&text[0]))))}
}

// libraryWords strips what tells about the library's build and not about the caller's mistake: "[time] file:line: " and the stack.
func libraryWords(text string) string {
	text, _, _ = strings.Cut(text, "\nStack trace:")
	if strings.HasPrefix(text, "[") {
		if _, rest, ok := strings.Cut(text, "] "); ok {
			text = rest
			if place, rest, ok := strings.Cut(text, ": "); ok && strings.ContainsAny(place, "/.") && !strings.Contains(place, " ") {
				text = rest
			}
		}
	}
	return strings.TrimSpace(text)
}
